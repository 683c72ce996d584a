import { connect } from "node:net";
import type { Duplex } from "node:stream";
import { TransportError, type UsbTransport } from "../../transport/types.js";
import type { Clock } from "../../util/clock.js";
import { type Deadline, deadlineIn } from "../../util/deadline.js";
import { errorCode, toError } from "../../util/errors.js";
import { PROTOCOL_VERSION } from "./frames.js";
import { SocketTransport } from "./socket-transport.js";

export interface ConnectOptions {
  /** Default 0. */
  readonly interfaceNumber?: number;
  /** For the connection and the handshake; default 5 s from now. */
  readonly deadline?: Deadline;
  /** The protocol version to claim; for tests. */
  readonly version?: number;
}

const HANDSHAKE_MS = 5000;

/**
 * Claims an interface of a chip model that another process serves (`-d sim:unix:PATH`).
 * @throws TransportError TRANSPORT_NOT_FOUND if nobody serves there, TRANSPORT_ACCESS, TRANSPORT_BUSY if another client
 * has the interface, TRANSPORT_TIMEOUT, TRANSPORT_FAULT if the other end speaks something else
 */
export async function connectSocketTransport(
  path: string,
  clock: Clock,
  options: ConnectOptions = {},
): Promise<UsbTransport> {
  const deadline = options.deadline ?? deadlineIn(clock, HANDSHAKE_MS);
  const stream = await clock.outside(openSocket(path));
  return connectTransport(stream, clock, { ...options, deadline });
}

/** The same over any stream that leads to a server. */
export async function connectTransport(
  stream: Duplex,
  clock: Clock,
  options: ConnectOptions = {},
): Promise<UsbTransport> {
  const deadline = options.deadline ?? deadlineIn(clock, HANDSHAKE_MS);
  const hello = {
    version: options.version ?? PROTOCOL_VERSION,
    interfaceNumber: options.interfaceNumber ?? 0,
  };
  return SocketTransport.open(stream, clock, hello, deadline);
}

function openSocket(path: string): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.removeAllListeners("error");
      resolve(socket);
    });
    socket.once("error", (cause) => reject(connectError(path, cause)));
  });
}

function connectError(path: string, cause: unknown): TransportError {
  const code = errorCode(cause);
  if (code === "ENOENT" || code === "ECONNREFUSED")
    return new TransportError("TRANSPORT_NOT_FOUND", `no simulator serves on ${path}`, {
      cause,
      hint: `start one: mmcpstore sim serve --socket ${path}`,
    });
  if (code === "EACCES" || code === "EPERM")
    return new TransportError("TRANSPORT_ACCESS", `${path} belongs to another user`, { cause });
  return new TransportError("TRANSPORT_FAULT", `${path}: ${toError(cause).message}`, { cause });
}
