import type { Readable, Writable } from "node:stream";
import {
  type SerialPortInfo,
  type SerialTransport,
  TransportError,
} from "../../transport/types.js";
import type { Clock, Timer } from "../../util/clock.js";
import { type Deadline, remainingUs } from "../../util/deadline.js";

/** What belongs to the process, and lives on between ports. */
export interface StdioParts {
  readonly clock: Clock;
  readonly input: Writable;
  readonly output: Readable;
  readonly port: SerialPortInfo;
  readonly released: () => void;
}

interface Reader {
  readonly least: number;
  readonly most: number;
  readonly resolve: (bytes: Uint8Array) => void;
  readonly reject: (error: TransportError) => void;
  readonly timer: Timer;
}

/** The standard input and output of a process, as the serial port that they stand for. */
export class StdioPort implements SerialTransport {
  readonly port: SerialPortInfo;
  readonly closed: Promise<TransportError | undefined>;
  readonly #parts: StdioParts;
  readonly #onData: (bytes: Uint8Array) => void;
  #end: (reason: TransportError | undefined) => void = () => undefined;
  #kept: Uint8Array = new Uint8Array(0);
  #reader: Reader | undefined;
  #over: TransportError | undefined;

  constructor(parts: StdioParts) {
    this.#parts = parts;
    this.port = parts.port;
    this.closed = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.#onData = (bytes) => this.#received(bytes);
    parts.output.on("data", this.#onData);
  }

  write(data: Uint8Array, deadline: Deadline): Promise<void> {
    return this.#within(deadline, (done) => this.#parts.input.write(data, done));
  }

  read(length: number, deadline: Deadline): Promise<Uint8Array> {
    return this.#read(length, length, deadline);
  }

  readSome(most: number, deadline: Deadline): Promise<Uint8Array> {
    return this.#read(1, most, deadline);
  }

  /** A pipe has no rate. */
  async setBaudRate(): Promise<void> {
    this.#checkOpen();
  }

  drain(deadline: Deadline): Promise<void> {
    return this.write(new Uint8Array(0), deadline);
  }

  async close(): Promise<void> {
    if (this.#over !== undefined) return;
    this.#ended(new TransportError("TRANSPORT_CANCELLED", "the port was closed"), undefined);
  }

  /** The process is gone. */
  vanished(): void {
    if (this.#over !== undefined) return;
    const gone = new TransportError("TRANSPORT_DISCONNECTED", `${this.port.path} is gone`);
    this.#ended(gone, gone);
  }

  #ended(error: TransportError, reason: TransportError | undefined): void {
    this.#over = error;
    this.#parts.output.off("data", this.#onData);
    this.#take()?.reject(error);
    this.#end(reason);
    this.#parts.released();
  }

  #checkOpen(): void {
    if (this.#over !== undefined) throw this.#over;
  }

  #received(bytes: Uint8Array): void {
    this.#kept = Buffer.concat([this.#kept, bytes]);
    this.#serve();
  }

  async #read(least: number, most: number, deadline: Deadline): Promise<Uint8Array> {
    this.#checkOpen();
    if (this.#reader !== undefined)
      throw new TransportError("TRANSPORT_FAULT", "a read is under way already");
    return await new Promise<Uint8Array>((resolve, reject) => {
      const { clock } = this.#parts;
      const timer = clock.timer(remainingUs(clock, deadline), () =>
        this.#take()?.reject(late("the firmware stayed silent")),
      );
      this.#reader = { least, most, resolve, reject, timer };
      this.#serve();
    });
  }

  #serve(): void {
    const reader = this.#reader;
    if (reader === undefined || this.#kept.length < reader.least) return;
    this.#take();
    const bytes = this.#kept.slice(0, reader.most);
    this.#kept = this.#kept.slice(bytes.length);
    reader.resolve(bytes);
  }

  #take(): Reader | undefined {
    const reader = this.#reader;
    this.#reader = undefined;
    reader?.timer.cancel();
    return reader;
  }

  async #within(
    deadline: Deadline,
    start: (done: (error?: Error | null) => void) => void,
  ): Promise<void> {
    this.#checkOpen();
    const { clock } = this.#parts;
    await new Promise<void>((resolve, reject) => {
      const timer = clock.timer(remainingUs(clock, deadline), () =>
        reject(late("the firmware did not take all in time")),
      );
      start((cause) => {
        timer.cancel();
        if (cause)
          reject(new TransportError("TRANSPORT_DISCONNECTED", "the firmware is gone", { cause }));
        else resolve();
      });
    });
  }
}

function late(message: string): TransportError {
  return new TransportError("TRANSPORT_TIMEOUT", message);
}
