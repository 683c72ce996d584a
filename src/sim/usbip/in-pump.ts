import { TransportError, type UsbTransfer } from "../../transport/types.js";
import { errorCode, toError } from "../../util/errors.js";

interface Waiting {
  readonly length: number;
  readonly resolve: (data: Uint8Array) => void;
  readonly reject: (error: Error) => void;
}

/**
 * An IN endpoint over a source that gives one thing at a time and cannot be called back: reads only while the host waits, and keeps what
 * comes for a transfer that was cancelled until the next one.
 */
export class InPump {
  readonly #read: () => Promise<Uint8Array>;
  readonly #whole: boolean;
  readonly #waiting: Waiting[] = [];
  #held: Uint8Array | undefined;
  #reading = false;
  #closed = false;

  /**
   * `read`: the next report, or the bytes that have come; rejects with TRANSPORT_TIMEOUT if there is none, and is asked again.
   * `whole`: what it gives fits into one transfer or is an error; else it is cut to pieces.
   */
  constructor(read: () => Promise<Uint8Array>, whole: boolean) {
    this.#read = read;
    this.#whole = whole;
  }

  receive(length: number): UsbTransfer<Uint8Array> {
    let cancel = (): void => undefined;
    const done = new Promise<Uint8Array>((resolve, reject) => {
      const waiting: Waiting = { length, resolve, reject };
      cancel = () => this.#cancel(waiting);
      this.#waiting.push(waiting);
    });
    this.#deliver();
    return { done, cancel };
  }

  /** Ends what waits. */
  close(): void {
    this.#closed = true;
    for (const waiting of [...this.#waiting]) this.#cancel(waiting);
  }

  #cancel(waiting: Waiting): void {
    const at = this.#waiting.indexOf(waiting);
    if (at < 0) return;
    this.#waiting.splice(at, 1);
    waiting.reject(new TransportError("TRANSPORT_CANCELLED", "the transfer was cancelled"));
  }

  #deliver(): void {
    while (this.#held !== undefined && this.#waiting.length > 0) {
      const { length, resolve, reject } = this.#waiting.shift() as Waiting;
      const data = this.#held;
      this.#held = data.length > length && !this.#whole ? data.subarray(length) : undefined;
      if (data.length > length && this.#whole) reject(overflow(data.length, length));
      else resolve(data.slice(0, length));
    }
    if (this.#waiting.length > 0) this.#fetch();
  }

  #fetch(): void {
    if (this.#reading || this.#closed) return;
    this.#reading = true;
    this.#read().then(
      (data) => {
        this.#reading = false;
        this.#held = data;
        this.#deliver();
      },
      (error: unknown) => this.#failed(error),
    );
  }

  #failed(error: unknown): void {
    this.#reading = false;
    if (errorCode(error) === "TRANSPORT_TIMEOUT") this.#deliver();
    else for (const { reject } of this.#waiting.splice(0)) reject(toError(error));
  }
}

function overflow(came: number, asked: number): TransportError {
  return new TransportError("TRANSPORT_FAULT", `${came} bytes came, ${asked} were asked for`);
}
