import type { Socket } from "node:net";
import { createInterface } from "node:readline";

/** How one run of a program in the guest ended. */
export interface GuestRun {
  /** The exit code; what it was killed by otherwise. */
  readonly exit: number | string;
  readonly out: string;
  readonly err: string;
  /** Of the guest's time. */
  readonly ms: number;
}

interface Answer {
  readonly id: number;
  readonly ms: number;
  readonly result?: unknown;
  readonly error?: string;
  readonly crashed?: string;
}

interface Waiting {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

const COMMAND_LIMIT_MS = 240_000;
const WAIT_MS = 60_000;

/** A node process in the guest (guest-agent.mjs), as the test sees it. */
export class Agent {
  readonly #socket: Socket;
  readonly #waiting: Map<number, Waiting> = new Map();
  #nextId = 1;
  #quitting = false;
  /** What it died of, if it did. */
  #death: string | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("error", () => undefined);
    socket.on("close", () => this.#gone());
    createInterface({ input: socket }).on("line", (line) => this.#line(JSON.parse(line) as Answer));
  }

  /** Plugs an exported device into the guest; the port of its virtual hub (0: port path `1-1`). */
  async attach(usbipPort: number, busid: string, hubPort?: number): Promise<number> {
    return (await this.#ask("attach", { usbipPort, busid, hubPort })).result as number;
  }

  async detach(hubPort: number): Promise<void> {
    await this.#ask("detach", { hubPort });
  }

  /** The real command line, in the agent's process. */
  async cli(args: readonly string[], stdin?: Uint8Array): Promise<GuestRun> {
    const input = stdin === undefined ? {} : { stdin: Buffer.from(stdin).toString("base64") };
    const { result, ms } = await this.#ask("cli", { args, ...input });
    return { ...(result as Omit<GuestRun, "ms">), ms };
  }

  /** The same, held at its first result with all that it has claimed, until {@link release}; resolves when it is held. */
  async heldCli(args: readonly string[]): Promise<{ readonly run: Promise<GuestRun> }> {
    const run = this.#ask("cli", { args, hold: true }).then(({ result, ms }) => ({
      ...(result as Omit<GuestRun, "ms">),
      ms,
    }));
    run.catch(() => undefined);
    await this.#ask("held", {});
    return { run };
  }

  async release(): Promise<void> {
    await this.#ask("release", {});
  }

  async exec(file: string, args: readonly string[], timeoutMs = 120_000): Promise<GuestRun> {
    const { result, ms } = await this.#ask("exec", { file, args, timeoutMs });
    return { ...(result as Omit<GuestRun, "ms">), ms };
  }

  /** Throws if the path does not come (or go). */
  async until(path: string, present = true): Promise<void> {
    const { result } = await this.#ask("until", { path, present, timeoutMs: WAIT_MS });
    if (result !== true) throw new Error(`${path} did not ${present ? "come" : "go"}`);
  }

  async read(path: string): Promise<Buffer> {
    return Buffer.from((await this.#ask("read", { path })).result as string, "base64");
  }

  /** Name of the driver that is bound to an interface (`1-1:1.0`); null: none. */
  async driver(usbInterface: string): Promise<string | null> {
    const path = `/sys/bus/usb/devices/${usbInterface}/driver`;
    const link = (await this.#ask("link", { path })).result as string | null;
    return link === null ? null : link.replace(/.*\//, "");
  }

  /** Ends this process; the guest starts the next one. */
  async quit(): Promise<void> {
    this.#quitting = true;
    await this.#ask("quit", {});
  }

  drop(): void {
    this.#quitting = true;
    this.#socket.destroy();
  }

  #ask(command: string, parameters: object): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#death !== undefined) {
        reject(new Error(this.#death));
        return;
      }
      const id = this.#nextId++;
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new Error(`no answer to ${command} ${JSON.stringify(parameters)}`));
      }, COMMAND_LIMIT_MS);
      this.#waiting.set(id, { resolve, reject, timer });
      this.#socket.write(`${JSON.stringify({ id, command, ...parameters })}\n`);
    });
  }

  #line(answer: Answer): void {
    if (answer.crashed !== undefined)
      this.#death = `the process in the guest died: ${answer.crashed}`;
    const waiting = this.#waiting.get(answer.id);
    if (waiting === undefined) return;
    this.#waiting.delete(answer.id);
    clearTimeout(waiting.timer);
    if (answer.error === undefined) waiting.resolve(answer);
    else waiting.reject(new Error(answer.error));
  }

  #gone(): void {
    this.#death ??= this.#quitting
      ? "it has been told to quit"
      : "the process in the guest is gone";
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(new Error(this.#death));
    }
    this.#waiting.clear();
  }
}
