import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Clock } from "../../util/clock.js";
import { errorCode, IoError, LockedError, toError } from "../../util/errors.js";
import { type Log, silentLog } from "../../util/log.js";
import { recordOf } from "./descriptors.js";
import type { ExportedDevice, PlacedDevice } from "./exported-device.js";
import { type DeviceRecord, USBIP_PORT } from "./protocol.js";
import { UsbipSession } from "./session.js";

export interface UsbipOptions {
  /** In the order of their places: bus ids `1-1`, `1-2`, ... */
  readonly devices: readonly ExportedDevice[];
  /** The models' own clock: a real one, for the other side has no other. */
  readonly clock: Clock;
  /** Default: the loopback address. The protocol knows no passwords: whoever reaches the port has the devices. */
  readonly host?: string;
  /** Default 3240; 0: any free one. */
  readonly port?: number;
  readonly log?: Log;
}

export interface UsbipServer {
  readonly host: string;
  readonly port: number;
  readonly records: readonly DeviceRecord[];
  /** Bus ids of the devices that clients have at the moment. */
  readonly imported: readonly string[];
  /** Serves any other stream that leads to a client. */
  accept(stream: Duplex): void;
  /** Ends the connection of whoever has the device: it is unplugged there. True if somebody had it. */
  disconnect(busid: string): boolean;
  /** Ends all connections and lets go of the devices. Idempotent. */
  close(): Promise<void>;
}

const LOOPBACK = "127.0.0.1";
/** A bench has few clients; whoever opens more is no client. */
const MAX_CONNECTIONS = 64;
const KEEP_ALIVE_MS = 30_000;

/**
 * Exports chip models over USB/IP, so that a Linux with vhci_hcd sees them as devices of its own. A device has one client at a time; when
 * its connection ends, chip and card live on.
 * @throws LockedError if the port is taken; IoError if it cannot be listened on
 */
export async function serveUsbip(options: UsbipOptions): Promise<UsbipServer> {
  const serving = new Serving(options);
  await serving.listen();
  return serving;
}

class Serving implements UsbipServer {
  readonly #options: UsbipOptions;
  readonly #devices: readonly PlacedDevice[];
  readonly #server: Server;
  readonly #sessions: Set<UsbipSession> = new Set();

  constructor(options: UsbipOptions) {
    this.#options = options;
    this.#devices = options.devices.map((device, at) => ({
      device,
      record: recordOf(device.table, at + 1),
    }));
    this.#server = createServer({ noDelay: true }, (socket) => this.#connected(socket));
  }

  get host(): string {
    return this.#options.host ?? LOOPBACK;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get records(): readonly DeviceRecord[] {
    return this.#devices.map(({ record }) => record);
  }

  get imported(): readonly string[] {
    return [...this.#sessions].flatMap(({ busid, over }) =>
      busid === undefined || over ? [] : [busid],
    );
  }

  listen(): Promise<void> {
    const { port = USBIP_PORT } = this.#options;
    return new Promise((resolve, reject) => {
      this.#server.once("error", (cause) => reject(listenError(`${this.host}:${port}`, cause)));
      this.#server.listen({ host: this.host, port }, resolve);
    });
  }

  accept(stream: Duplex): void {
    const { clock, log = silentLog } = this.#options;
    const turn = (): Promise<void> => this.#leaving();
    const session = new UsbipSession({ stream, devices: this.#devices, clock, log, turn });
    this.#sessions.add(session);
    const over = (): void => {
      this.#sessions.delete(session);
    };
    session.ended.then(over, over);
  }

  disconnect(busid: string): boolean {
    const session = [...this.#sessions].find((one) => one.busid === busid && !one.over);
    session?.destroy();
    return session !== undefined;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const sessions = [...this.#sessions];
    for (const session of sessions) session.destroy();
    await Promise.allSettled(sessions.map((session) => session.ended));
    await closed;
  }

  #connected(socket: Socket): void {
    if (this.#sessions.size >= MAX_CONNECTIONS) {
      socket.destroy();
      return;
    }
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    this.accept(socket);
  }

  /** Clients whose connection is over may still be closing: whoever comes next waits for them. */
  async #leaving(): Promise<void> {
    const leaving = [...this.#sessions].filter((session) => session.over);
    await Promise.allSettled(leaving.map((session) => session.ended));
  }
}

function listenError(address: string, cause: unknown): Error {
  const hint = "choose another port: --usbip 127.0.0.1:3241";
  if (errorCode(cause) === "EADDRINUSE")
    return new LockedError(`something else listens on ${address}`, { cause, hint });
  return new IoError(`cannot listen on ${address}: ${toError(cause).message}`, { cause });
}
