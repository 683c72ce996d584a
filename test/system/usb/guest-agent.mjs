// Runs in the guest: does what the test on the host tells it, one line of JSON a command, one a result. Ends with the connection or at
// `quit` (0: the guest starts the next one).
import { execFile } from "node:child_process";
import { existsSync, readFileSync, readlinkSync } from "node:fs";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { attach, detach } from "./guest-attach.mjs";

const [host, port, root] = process.argv.slice(2);
const POLL_MS = 20;

/** What the command line sees of its process; everything that it prints is kept. */
class Terminal {
  out = [];
  err = "";
  env = process.env;
  stdinIsTerminal = false;
  stdoutIsTerminal = false;
  stderrIsTerminal = false;
  columns = 80;

  /** Set: whoever writes waits for {@link Latch.open}, with whatever it has claimed. */
  constructor(stdin, latch) {
    this.stdin = stdin;
    this.latch = latch;
  }

  async writeOut(data) {
    this.out.push(Buffer.from(data));
    await this.latch?.pass();
  }

  writeErr(text) {
    this.err += text;
  }

  async ask() {
    return "";
  }

  onSignal() {
    return () => undefined;
  }
}

/** Holds those who want to pass until it is opened. */
class Latch {
  reached = new Promise((resolve) => {
    this.reach = resolve;
  });
  opened = new Promise((resolve) => {
    this.open = resolve;
  });

  pass() {
    this.reach();
    return this.opened;
  }
}

let latch;

async function* once(text) {
  if (text !== "") yield Buffer.from(text, "base64");
}

const commands = {
  async attach({ usbipPort, busid, hubPort }) {
    return await attach(host, usbipPort, busid, hubPort);
  },
  async detach({ hubPort }) {
    detach(hubPort);
  },
  /** The real command line, in this process: starting another one takes seconds here. */
  async cli({ args, stdin = "", hold = false }) {
    if (hold) latch = new Latch();
    const { runCli } = await import(pathToFileURL(`${root}/dist/cli/program.js`).href);
    const terminal = new Terminal(once(stdin), hold ? latch : undefined);
    const exit = await runCli(args, terminal);
    return { exit, out: Buffer.concat(terminal.out).toString("utf8"), err: terminal.err };
  },
  /** Until the run that is to be held writes its first result. */
  async held() {
    await latch.reached;
  },
  async release() {
    latch.open();
  },
  exec({ file, args, timeoutMs }) {
    return new Promise((resolve) => {
      const options = { timeout: timeoutMs, killSignal: "SIGKILL", maxBuffer: 1 << 24 };
      execFile(file, args, options, (error, out, err) => {
        const failed = error?.code ?? error?.signal ?? null;
        resolve({ exit: error === null ? 0 : failed, out, err });
      });
    });
  },
  /** Waits until a path is there, or is gone; true if that came. */
  async until({ path, present, timeoutMs }) {
    const end = performance.now() + timeoutMs;
    while (existsSync(path) !== present) {
      if (performance.now() > end) return false;
      await delay(POLL_MS);
    }
    return true;
  },
  async read({ path }) {
    return readFileSync(path).toString("base64");
  },
  async link({ path }) {
    return existsSync(path) ? readlinkSync(path) : null;
  },
  async quit() {
    setImmediate(() => process.exit(0));
  },
};

const socket = connect({ host, port: Number(port), noDelay: true });
socket.on("error", () => process.exit(1));
socket.on("close", () => process.exit(1));
for (const event of ["uncaughtException", "unhandledRejection"])
  process.on(event, (error) => {
    socket.write(`${JSON.stringify({ crashed: `${event}: ${error?.stack ?? error}` })}\n`);
    setTimeout(() => process.exit(1), 100);
  });

for await (const line of createInterface({ input: socket })) {
  const { id, command, ...parameters } = JSON.parse(line);
  const began = performance.now();
  const answer = (body) => {
    const ms = Math.round(performance.now() - began);
    socket.write(`${JSON.stringify({ id, ms, ...body })}\n`);
  };
  // Not awaited: the host may ask for several things at once.
  commands[command](parameters).then(
    (result) => answer({ result }),
    (error) => answer({ error: `${error?.stack ?? error}` }),
  );
}
