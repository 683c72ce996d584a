import type { Clock, Timer } from "../util/clock.js";
import { type Deadline, deadlineIn } from "../util/deadline.js";
import { toError } from "../util/errors.js";
import { type Log, silentLog } from "../util/log.js";
import { bounded, Ending } from "./bounded.js";
import { Inbox } from "./inbox.js";
import { requireNode } from "./node-access.js";
import { loadSerial, type NativePort, type SerialLoader } from "./serial-module.js";
import { type SerialPortInfo, type SerialTransport, TransportError } from "./types.js";

export interface SerialOpenOptions {
  /** `/dev/ttyACM0`. */
  readonly path: string;
  readonly baudRate: number;
  readonly clock: Clock;
  readonly log?: Log;
  /** What is known of it besides; default: its path. */
  readonly port?: SerialPortInfo;
  /** Default 3 s. */
  readonly deadline?: Deadline;
  /** Default: the package `serialport`. */
  readonly load?: SerialLoader;
}

const OPEN_MS = 3000;
const CLOSE_MS = 1000;
/** Silence after which a port is asked whether it is still there. */
const ALIVE_US = 250_000;
/** Of a port that was unplugged, as the package and the system say it. */
const GONE = /bad file descriptor|input\/output error|no such device|destroyed|not open|EIO|ENXIO/i;
const RULE = {
  group: "dialout",
  udev: 'SUBSYSTEM=="tty", TAG+="uaccess"',
} as const;

/**
 * Opens a serial port: 8N1, raw, for this process alone.
 * @throws TransportError TRANSPORT_PACKAGE, TRANSPORT_NOT_FOUND, TRANSPORT_ACCESS (it is no serial port, too), TRANSPORT_BUSY,
 * TRANSPORT_FAULT (a rate that it has not), TRANSPORT_TIMEOUT
 */
export async function openSerial(options: SerialOpenOptions): Promise<SerialTransport> {
  const { path, clock, baudRate, log = silentLog } = options;
  await requireNode(path, RULE);
  const module = await (options.load ?? loadSerial)();
  const native = module.create({ path, baudRate });
  const transport = new OpenPort(native, options.port ?? { path }, clock, log);
  await transport.open(options.deadline ?? deadlineIn(clock, OPEN_MS));
  return transport;
}

class OpenPort implements SerialTransport {
  readonly port: SerialPortInfo;
  readonly closed: Promise<TransportError | undefined>;
  readonly #native: NativePort;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #inbox: Inbox;
  /** Why nothing works any more. */
  readonly #ending = new Ending();
  #closing: Promise<void> | undefined;

  constructor(native: NativePort, port: SerialPortInfo, clock: Clock, log: Log) {
    this.port = port;
    this.#native = native;
    this.#clock = clock;
    this.#log = log;
    this.#inbox = new Inbox(clock, port.path);
    this.closed = new Promise((resolve) => {
      this.#ending.tell((error) =>
        resolve(error.code === "TRANSPORT_CANCELLED" ? undefined : error),
      );
    });
    native.on("data", (data) => this.#inbox.push(data));
    native.on("close", () => this.#ended(disconnected(port.path)));
    native.on("error", (error) => this.#log.debug({ error: error.message }, "serial port"));
  }

  async open(deadline: Deadline): Promise<void> {
    try {
      await this.#bounded("opening", deadline, (done) => this.#native.open(done));
    } catch (error) {
      throw openFailure(error, this.port.path);
    }
    // The kernel raises DTR at open; ports that cannot be told (a pty; CDC-ACM without Send_Break) say so by an error.
    this.#native.set({ dtr: true, rts: true }, (error) => {
      if (error) this.#log.debug({ error: error.message }, "DTR cannot be set");
    });
  }

  write(data: Uint8Array, deadline: Deadline): Promise<void> {
    return this.#bounded("writing to", deadline, (done) => {
      this.#native.write(Buffer.from(data.buffer, data.byteOffset, data.length), done);
    });
  }

  read(length: number, deadline: Deadline): Promise<Uint8Array> {
    return this.#watched(this.#inbox.exactly(length, deadline));
  }

  readSome(most: number, deadline: Deadline): Promise<Uint8Array> {
    return this.#watched(this.#inbox.some(most, deadline));
  }

  setBaudRate(baudRate: number, deadline: Deadline): Promise<void> {
    return this.#bounded("setting the rate of", deadline, (done) =>
      this.#native.update({ baudRate }, done),
    );
  }

  drain(deadline: Deadline): Promise<void> {
    return this.#bounded("draining", deadline, (done) => this.#native.drain(done));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /**
   * Of a port that vanishes while it is being read, the package reads nothing for ever, without an event: so whoever waits has the port
   * itself asked. A pty has no modem lines, and is there nevertheless.
   */
  async #watched(reading: Promise<Uint8Array>): Promise<Uint8Array> {
    const { path } = this.port;
    const ask = (): Timer =>
      this.#clock.timer(ALIVE_US, () => {
        this.#native.get((error) => {
          if (error && GONE.test(error.message)) this.#ended(disconnected(path));
        });
        timer = ask();
      });
    let timer = ask();
    try {
      return await reading;
    } finally {
      timer.cancel();
    }
  }

  async #close(): Promise<void> {
    const wasOpen = this.#native.isOpen;
    this.#ended(new TransportError("TRANSPORT_CANCELLED", `${this.port.path} was closed`));
    if (!wasOpen) return;
    const work = new Promise<void>((resolve) => this.#native.close(() => resolve()));
    const deadline = deadlineIn(this.#clock, CLOSE_MS);
    await bounded(this.#clock, deadline, `closing ${this.port.path}`, work).catch(
      (error: unknown) => this.#log.debug({ error: toError(error).message }, "serial port"),
    );
  }

  #ended(error: TransportError): void {
    this.#ending.end(error);
    this.#inbox.fail(error);
  }

  #bounded(
    doing: string,
    deadline: Deadline,
    start: (done: (error?: Error | null) => void) => void,
  ): Promise<void> {
    const { path } = this.port;
    const work = new Promise<void>((resolve, reject) => {
      start((error) => {
        if (error) reject(failed(`${doing} ${path}`, error));
        else resolve();
      });
    });
    return bounded(this.#clock, deadline, `${doing} ${path}`, work, this.#ending);
  }
}

function disconnected(path: string): TransportError {
  return new TransportError("TRANSPORT_DISCONNECTED", `${path} is gone`, {
    hint: "plug it in again",
  });
}

function failed(doing: string, cause: Error): TransportError {
  return new TransportError(
    GONE.test(cause.message) ? "TRANSPORT_DISCONNECTED" : "TRANSPORT_FAULT",
    `${doing}: ${cause.message}`,
    { cause },
  );
}

/** What the package says when a port does not open: it has messages only. */
function openFailure(error: unknown, path: string): unknown {
  const { message } = toError(error);
  if (/cannot lock port|EBUSY|resource busy/i.test(message))
    return new TransportError("TRANSPORT_BUSY", `${path} is in use`, {
      cause: error,
      hint: "another program has it (fuser names it; ModemManager is one that tries every port)",
    });
  if (/inappropriate ioctl|not a typewriter|is a directory|ENOTTY|EISDIR/i.test(message))
    return new TransportError("TRANSPORT_ACCESS", `${path} is no serial port`, {
      cause: error,
      hint: "mmcpstore list shows those that are there",
    });
  return error;
}
