import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { SerialTransport } from "../../../src/transport/types.js";
import type { Clock } from "../../../src/util/clock.js";
import { deadlineIn } from "../../../src/util/deadline.js";

const FOR_EVER_MS = 3_600_000;
const PIECE_BYTES = 4096;
const COME_MS = 10_000;
const POLL_MS = 5;

/** A board behind a pseudo terminal of this machine: whoever opens {@link path} talks to it. */
export class Pty {
  readonly path: string;
  readonly #child: ChildProcess;
  readonly #server: Server;

  private constructor(path: string, child: ChildProcess, server: Server) {
    this.path = path;
    this.#child = child;
    this.#server = server;
  }

  /** socat makes the terminal and carries its bytes; they are the board's as long as it runs. */
  static async open(dir: string, name: string, board: SerialTransport, clock: Clock): Promise<Pty> {
    const [path, address] = [join(dir, name), join(dir, `${name}.sock`)];
    const server = createServer((socket) => carry(socket, board, clock));
    await new Promise<void>((resolve) => server.listen(address, resolve));
    const ends = [`PTY,link=${path},rawer`, `UNIX-CONNECT:${address}`];
    const child = spawn("socat", ends, { stdio: ["ignore", "ignore", "inherit"] });
    const killed = (): void => void child.kill("SIGKILL");
    process.once("exit", killed);
    child.once("exit", () => process.off("exit", killed));
    for (let waited = 0; !existsSync(path); waited += POLL_MS) {
      if (waited > COME_MS) throw new Error(`socat made no ${path}`);
      await delay(POLL_MS);
    }
    return new Pty(path, child, server);
  }

  /** The terminal is gone, as a port whose cable was pulled. */
  async vanish(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGKILL");
    await exited;
  }

  async close(): Promise<void> {
    await this.vanish();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Bytes both ways until either end is gone; the board stays as it is. */
function carry(socket: Socket, board: SerialTransport, clock: Clock): void {
  const never = (): ReturnType<typeof deadlineIn> => deadlineIn(clock, FOR_EVER_MS);
  let writing: Promise<unknown> = Promise.resolve();
  socket.on("error", () => undefined);
  socket.on("close", () => void board.close());
  socket.on("data", (bytes) => {
    writing = writing.then(() => board.write(bytes, never())).catch(() => socket.destroy());
  });
  const readOn = async (): Promise<void> => {
    while (!socket.destroyed) socket.write(await board.readSome(PIECE_BYTES, never()));
  };
  readOn().catch(() => socket.destroy());
}
