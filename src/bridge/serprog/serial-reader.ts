import { isLate } from "../../spi/engine-errors.js";
import { type SerialTransport, TransportError } from "../../transport/types.js";
import type { Clock } from "../../util/clock.js";
import type { Deadline } from "../../util/deadline.js";

const READ_BYTES = 65536;

interface Waiter {
  readonly resolve: (bytes: Uint8Array) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * The bytes that come, for one consumer at a time. A serial read cannot be cancelled: when a consumer is sent away the read that it
 * started goes on, and serves the next one.
 */
export class SerialReader {
  readonly #transport: SerialTransport;
  readonly #clock: Clock;
  #reading = false;
  #waiter: Waiter | undefined;
  #kept: Uint8Array[] = [];

  constructor(transport: SerialTransport, clock: Clock) {
    this.#transport = transport;
    this.#clock = clock;
  }

  /**
   * What has come since the last call, at least a byte.
   * @throws TransportError; TRANSPORT_TIMEOUT if nothing comes
   */
  async some(deadline: Deadline): Promise<Uint8Array> {
    const kept = this.#kept.shift();
    if (kept !== undefined) return kept;
    const bytes = new Promise<Uint8Array>((resolve, reject) => {
      this.#waiter = { resolve, reject };
    });
    if (!this.#reading) {
      this.#read(deadline);
      return bytes;
    }
    // A read of somebody else's is under way, with a deadline of its own.
    const timer = this.#clock.timer(Math.max(0, deadline.atUs - this.#clock.nowUs()), () =>
      this.#timeOut(),
    );
    try {
      return await bytes;
    } catch (error) {
      const isOwn = deadline.atUs <= this.#clock.nowUs();
      if (!isLate(error) || isOwn) throw error;
      return await this.some(deadline);
    } finally {
      timer.cancel();
    }
  }

  /** Sends the consumer away with `error`. */
  interrupt(error: unknown): void {
    this.#take()?.reject(error);
  }

  #timeOut(): void {
    this.interrupt(new TransportError("TRANSPORT_TIMEOUT", "the serial port stayed silent"));
  }

  #read(deadline: Deadline): void {
    this.#reading = true;
    this.#transport.readSome(READ_BYTES, deadline).then(
      (bytes) => {
        this.#reading = false;
        const waiter = this.#take();
        if (waiter === undefined) this.#kept.push(bytes);
        else waiter.resolve(bytes);
      },
      (error: unknown) => {
        this.#reading = false;
        this.interrupt(error);
      },
    );
  }

  #take(): Waiter | undefined {
    const waiter = this.#waiter;
    this.#waiter = undefined;
    return waiter;
  }
}
