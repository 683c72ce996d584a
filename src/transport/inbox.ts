import { concatBytes } from "../util/bytes.js";
import type { Clock, Timer } from "../util/clock.js";
import { type Deadline, remainingUs } from "../util/deadline.js";
import { TransportError } from "./types.js";

interface Reader {
  /** Takes what it wants; undefined: not enough yet. */
  readonly take: () => Uint8Array | undefined;
  readonly resolve: (data: Uint8Array) => void;
  readonly reject: (error: unknown) => void;
  readonly timer: Timer;
}

/**
 * What a device has sent and nobody has taken yet, in pieces as they came. One reader at a time; a reader that is too late loses
 * nothing.
 */
export class Inbox {
  readonly #clock: Clock;
  readonly #what: string;
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  #reader: Reader | undefined;
  #failure: TransportError | undefined;

  /** @param what for messages: `/dev/ttyACM0` */
  constructor(clock: Clock, what: string) {
    this.#clock = clock;
    this.#what = what;
  }

  push(piece: Uint8Array): void {
    if (piece.length === 0) return;
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    this.#serve();
  }

  /** Nothing more comes: readers that want more than is there reject with this. */
  fail(error: TransportError): void {
    this.#failure ??= error;
    this.#serve();
  }

  /** Exactly `length` bytes. */
  exactly(length: number, deadline: Deadline): Promise<Uint8Array> {
    return this.#read(deadline, () => (this.#bytes >= length ? this.#cut(length) : undefined));
  }

  /** 1 to `most` bytes. */
  some(most: number, deadline: Deadline): Promise<Uint8Array> {
    return this.#read(deadline, () =>
      this.#bytes > 0 ? this.#cut(Math.min(most, this.#bytes)) : undefined,
    );
  }

  /** The next piece, whole. */
  piece(deadline: Deadline): Promise<Uint8Array> {
    return this.#read(deadline, () => {
      const piece = this.#pieces.shift();
      this.#bytes -= piece?.length ?? 0;
      return piece;
    });
  }

  #read(deadline: Deadline, take: () => Uint8Array | undefined): Promise<Uint8Array> {
    if (this.#reader !== undefined)
      return Promise.reject(
        new TransportError("TRANSPORT_FAULT", `${this.#what}: two reads at once`),
      );
    return new Promise((resolve, reject) => {
      const timer = this.#clock.timer(remainingUs(this.#clock, deadline), () => this.#late());
      this.#reader = { take, resolve, reject, timer };
      this.#serve();
    });
  }

  #serve(): void {
    const reader = this.#reader;
    if (reader === undefined) return;
    const data = reader.take();
    if (data !== undefined) this.#end(reader).resolve(data);
    else if (this.#failure !== undefined) this.#end(reader).reject(this.#failure);
  }

  #late(): void {
    const reader = this.#reader;
    if (reader === undefined) return;
    const error = new TransportError(
      "TRANSPORT_TIMEOUT",
      `${this.#what} did not send what was awaited in time`,
      { details: { bytes: this.#bytes } },
    );
    this.#end(reader).reject(error);
  }

  #end(reader: Reader): Reader {
    reader.timer.cancel();
    this.#reader = undefined;
    return reader;
  }

  #cut(length: number): Uint8Array {
    const all =
      this.#pieces.length === 1 ? (this.#pieces[0] as Uint8Array) : concatBytes(this.#pieces);
    const rest = all.subarray(length);
    this.#pieces = rest.length > 0 ? [rest] : [];
    this.#bytes = rest.length;
    return all.slice(0, length);
  }
}
