import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { SerialTransport } from "../../../src/transport/types.js";
import type { Clock } from "../../../src/util/clock.js";
import { type Deadline, deadlineIn } from "../../../src/util/deadline.js";

const FOR_EVER_MS = 3_600_000;
const PIECE_BYTES = 4096;
const COME_MS = 10_000;
const POLL_MS = 5;

/** What is at the other end of a terminal. */
export type Carrier = (socket: Socket) => void;
/** A board, whose port is opened with the terminal. */
export interface BoardEnd {
  readonly board: () => SerialTransport;
  readonly clock: Clock;
}

export const carryEcho: Carrier = (socket) => void socket.pipe(socket);
export const carrySilence: Carrier = (socket) => void socket.resume();

/** A pseudo terminal of this machine, and what is behind it: whoever opens {@link path} talks to that. */
export class Pty {
  readonly path: string;
  readonly #child: ChildProcess;
  readonly #server: Server;
  readonly #sockets: readonly Socket[];

  private constructor(path: string, child: ChildProcess, server: Server, sockets: Socket[]) {
    this.path = path;
    this.#child = child;
    this.#server = server;
    this.#sockets = sockets;
  }

  /** socat makes the terminal and carries its bytes. */
  static async open(dir: string, name: string, end: BoardEnd | Carrier): Promise<Pty> {
    const [path, address] = [join(dir, name), join(dir, `${name}.sock`)];
    const carry = typeof end === "function" ? end : carrierOf(end.board(), end.clock);
    const sockets: Socket[] = [];
    const server = createServer((socket) => {
      sockets.push(socket);
      socket.on("error", () => undefined);
      carry(socket);
    });
    await new Promise<void>((resolve) => server.listen(address, resolve));
    const ends = [`PTY,link=${path},rawer`, `UNIX-CONNECT:${address}`];
    const child = spawn("socat", ends, { stdio: ["ignore", "ignore", "inherit"] });
    const killed = (): void => void child.kill("SIGKILL");
    process.once("exit", killed);
    child.once("exit", () => process.off("exit", killed));
    for (let waited = 0; !existsSync(path) || sockets.length === 0; waited += POLL_MS) {
      if (waited > COME_MS) throw new Error(`socat made no ${path}`);
      await delay(POLL_MS);
    }
    return new Pty(path, child, server, sockets);
  }

  /** The terminal is gone, as a port whose cable was pulled; its board is free. */
  async close(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const exited = new Promise((resolve) => this.#child.once("exit", resolve));
      this.#child.kill("SIGKILL");
      await exited;
    }
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

/** Bytes both ways until the terminal is gone; the board stays as it is. */
function carrierOf(board: SerialTransport, clock: Clock): Carrier {
  const never = (): Deadline => deadlineIn(clock, FOR_EVER_MS);
  return (socket) => {
    let writing: Promise<unknown> = Promise.resolve();
    socket.on("close", () => void board.close());
    socket.on("data", (bytes) => {
      writing = writing.then(() => board.write(bytes, never())).catch(() => socket.destroy());
    });
    const readOn = async (): Promise<void> => {
      while (!socket.destroyed) socket.write(await board.readSome(PIECE_BYTES, never()));
    };
    readOn().catch(() => socket.destroy());
  };
}
