import {
  type SerialPortInfo,
  type SerialTransport,
  TransportError,
} from "../../transport/types.js";
import { concatBytes } from "../../util/bytes.js";
import type { Clock, Timer } from "../../util/clock.js";
import type { Deadline } from "../../util/deadline.js";

/** What a port needs of its model. */
export interface PortParts {
  readonly port: SerialPortInfo;
  readonly clock: Clock;
  /** Hands bytes to the line; says in how many microseconds it has taken them. */
  readonly send: (bytes: Uint8Array) => number;
  readonly untilSentUs: () => number;
  readonly baudRate: (baudRate: number) => void;
  /** Called before each call: the model may be unplugged by it. */
  readonly submitting: () => void;
  readonly wrote: (bytes: number) => void;
  readonly read: (bytes: number) => void;
  readonly secondRead: () => void;
  readonly released: () => void;
}

interface Pending {
  readonly least: number;
  readonly most: number;
  readonly resolve: (bytes: Uint8Array) => void;
  readonly reject: (error: Error) => void;
  readonly timer: Timer;
}

type Reject = (error: Error) => void;

/** One opened port of the model, as a driver sees it. */
export class SerprogPort implements SerialTransport {
  readonly port: SerialPortInfo;
  readonly closed: Promise<TransportError | undefined>;
  readonly #parts: PortParts;
  #ended: (error: TransportError | undefined) => void = () => undefined;
  #kept: Uint8Array = new Uint8Array(0);
  #reading: Pending | undefined;
  readonly #sending = new Set<Reject>();
  #over: TransportError | undefined;

  constructor(parts: PortParts) {
    this.#parts = parts;
    this.port = parts.port;
    this.closed = new Promise((resolve) => {
      this.#ended = resolve;
    });
  }

  async write(data: Uint8Array, deadline: Deadline): Promise<void> {
    this.#submit();
    this.#parts.wrote(data.length);
    await this.#within(this.#parts.send(data), deadline);
  }

  read(length: number, deadline: Deadline): Promise<Uint8Array> {
    return this.#read(length, length, deadline);
  }

  readSome(most: number, deadline: Deadline): Promise<Uint8Array> {
    return this.#read(1, most, deadline);
  }

  async setBaudRate(baudRate: number, deadline: Deadline): Promise<void> {
    this.#submit();
    this.#parts.baudRate(baudRate);
    await this.#within(0, deadline);
  }

  async drain(deadline: Deadline): Promise<void> {
    this.#submit();
    await this.#within(this.#parts.untilSentUs(), deadline);
  }

  async close(): Promise<void> {
    if (this.#over !== undefined) return;
    this.#end(new TransportError("TRANSPORT_CANCELLED", "the port was closed"), undefined);
    this.#parts.released();
  }

  /** The board has vanished. */
  unplugged(): void {
    if (this.#over !== undefined) return;
    const gone = new TransportError("TRANSPORT_DISCONNECTED", "the serial port has vanished");
    this.#end(gone, gone);
    this.#parts.released();
  }

  /** Bytes come from the line. */
  receive(bytes: Uint8Array): void {
    if (this.#over !== undefined) return;
    this.#kept = concatBytes([this.#kept, bytes]);
    this.#serve();
  }

  #end(error: TransportError, reason: TransportError | undefined): void {
    this.#over = error;
    const reading = this.#takeReading();
    reading?.reject(error);
    for (const reject of this.#sending) reject(error);
    this.#sending.clear();
    this.#ended(reason);
  }

  #submit(): void {
    this.#parts.submitting();
    if (this.#over !== undefined) throw this.#over;
  }

  async #read(least: number, most: number, deadline: Deadline): Promise<Uint8Array> {
    this.#submit();
    if (this.#reading !== undefined) {
      this.#parts.secondRead();
      throw new TransportError("TRANSPORT_FAULT", "a read is under way already");
    }
    return await new Promise<Uint8Array>((resolve, reject) => {
      const timer = this.#parts.clock.timer(this.#leftUs(deadline), () => {
        this.#takeReading()?.reject(late("the serial port stayed silent"));
      });
      this.#reading = { least, most, resolve, reject, timer };
      this.#serve();
    });
  }

  #serve(): void {
    const reading = this.#reading;
    if (reading === undefined || this.#kept.length < reading.least) return;
    this.#takeReading();
    const bytes = this.#kept.slice(0, reading.most);
    this.#kept = this.#kept.slice(bytes.length);
    this.#parts.read(bytes.length);
    reading.resolve(bytes);
  }

  #takeReading(): Pending | undefined {
    const reading = this.#reading;
    this.#reading = undefined;
    reading?.timer.cancel();
    return reading;
  }

  #leftUs(deadline: Deadline): number {
    return Math.max(0, deadline.atUs - this.#parts.clock.nowUs());
  }

  /** Resolves in `us` microseconds, if the deadline allows. */
  #within(us: number, deadline: Deadline): Promise<void> {
    if (this.#over !== undefined) return Promise.reject(this.#over);
    const left = this.#leftUs(deadline);
    return new Promise((resolve, reject) => {
      this.#sending.add(reject);
      this.#parts.clock.timer(Math.min(us, left), () => {
        this.#sending.delete(reject);
        if (us <= left) resolve();
        else reject(late("the serial port did not take all in time"));
      });
    });
  }
}

function late(message: string): TransportError {
  return new TransportError("TRANSPORT_TIMEOUT", message);
}
