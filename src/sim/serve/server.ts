import { lstat, unlink } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import type { Duplex } from "node:stream";
import type { Clock } from "../../util/clock.js";
import { errorCode, IoError, LockedError, RefusedError, UsageError } from "../../util/errors.js";
import { type Log, silentLog } from "../../util/log.js";
import type { ServableModel } from "./model.js";
import { ServeSession } from "./session.js";

export type { ServableModel } from "./model.js";

export interface ServeOptions {
  /** Where the unix socket is made; at most 107 bytes long. */
  readonly path: string;
  readonly model: ServableModel;
  /** The model's own clock: a real one, for the other side has no other. */
  readonly clock: Clock;
  readonly log?: Log;
}

export interface ModelServer {
  readonly path: string;
  /** Clients that have not let go of the model yet. */
  readonly clients: number;
  /** Serves any other stream that leads to a client. */
  accept(stream: Duplex): void;
  /** Drops all clients, frees the model, removes the socket. Idempotent. */
  close(): Promise<void>;
}

/** sizeof(sun_path) - 1 on Linux (unix(7)). */
const MAX_PATH_BYTES = 107;

/**
 * Exports a chip model on a unix socket, for `connectSocketTransport` in another process. One client at a time has
 * an interface; others get TRANSPORT_BUSY. A socket that a dead server left behind is replaced.
 * @throws LockedError if another server is alive on it; RefusedError if the path is something else; UsageError if it
 * is too long; IoError if it cannot be made
 */
export async function serveModel(options: ServeOptions): Promise<ModelServer> {
  const { path } = options;
  if (Buffer.byteLength(path) > MAX_PATH_BYTES)
    throw new UsageError(`socket path of more than ${MAX_PATH_BYTES} bytes: ${path}`, {
      hint: "choose a shorter path",
    });
  await clearStale(path);
  const serving = new Serving(options);
  await serving.listen();
  return serving;
}

class Serving implements ModelServer {
  readonly path: string;
  readonly #options: ServeOptions;
  readonly #server: Server;
  readonly #sessions: Set<ServeSession> = new Set();

  constructor(options: ServeOptions) {
    this.path = options.path;
    this.#options = options;
    this.#server = createServer((socket) => this.accept(socket));
  }

  get clients(): number {
    return this.#sessions.size;
  }

  listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", (cause) => {
        reject(new IoError(`cannot serve on ${this.path}: ${cause.message}`, { cause }));
      });
      this.#server.listen({ path: this.path, readableAll: false, writableAll: false }, resolve);
    });
  }

  accept(stream: Duplex): void {
    const { model, clock, log = silentLog } = this.#options;
    const turn = (): Promise<void> => this.#leaving();
    const session = new ServeSession({ stream, model, clock, log, turn });
    this.#sessions.add(session);
    const over = (): void => {
      this.#sessions.delete(session);
    };
    session.ended.then(over, over);
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const sessions = [...this.#sessions];
    for (const session of sessions) session.destroy();
    await Promise.allSettled(sessions.map((session) => session.ended));
    await closed;
  }

  /** Clients whose stream is over may still be closing: whoever comes next waits for them. */
  async #leaving(): Promise<void> {
    const leaving = [...this.#sessions].filter((session) => session.over);
    await Promise.allSettled(leaving.map((session) => session.ended));
  }
}

/** Removes a socket that nobody listens on. */
async function clearStale(path: string): Promise<void> {
  let isSocket: boolean;
  try {
    isSocket = (await lstat(path)).isSocket();
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return;
    throw new IoError(`cannot look at ${path}`, { cause });
  }
  if (!isSocket)
    throw new RefusedError(`${path} exists and is no socket`, { hint: "choose another path" });
  if (await isServed(path))
    throw new LockedError(`another simulator serves on ${path}`, {
      hint: "stop it, or choose another path",
    });
  await unlink(path);
}

function isServed(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const answer = (served: boolean) => () => {
      socket.destroy();
      resolve(served);
    };
    socket.once("connect", answer(true));
    socket.once("error", answer(false));
  });
}
