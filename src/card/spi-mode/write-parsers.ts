import type { ReceiveParser } from "../../spi/bridge.js";
import { DATA_RESPONSE } from "../../spi/card-errors.js";

const RESPONSE_MASK = 0x1f;
/** Normally the byte behind the CRC; Linux looks at four. */
const MAX_RESPONSE_WAIT = 8;

/** The card's verdict on a block sent. `failed` for all but "accepted". Reused: {@link expect}. */
export class DataResponseParser implements ReceiveParser {
  status: "more" | "done" | "failed" = "more";
  /** The masked byte; undefined: nothing but FF came. */
  response: number | undefined;
  #waited = 0;
  readonly atLeast = 1;

  expect(): this {
    this.status = "more";
    this.response = undefined;
    this.#waited = 0;
    return this;
  }

  /** Bytes from the CRC's end on, the response included. */
  get responseBytes(): number {
    return this.#waited + 1;
  }

  push(bytes: Uint8Array, from: number, to: number): number {
    let at = from;
    while (at < to && this.status === "more") this.#take(bytes[at++] as number);
    return at - from;
  }

  #take(byte: number): void {
    if (byte !== 0xff) {
      this.response = byte & RESPONSE_MASK;
      this.status = this.response === DATA_RESPONSE.accepted ? "done" : "failed";
    } else if (++this.#waited >= MAX_RESPONSE_WAIT) this.status = "failed";
  }
}

/** FF seen twice in succession: the first byte that is not 00 may hold the edge. Reused: {@link expect}. */
export class BusyParser implements ReceiveParser {
  status: "more" | "done" | "failed" = "more";
  /** Bytes taken, the two FF included. */
  bytes = 0;
  #ones = 0;

  expect(): this {
    this.status = "more";
    this.bytes = 0;
    this.#ones = 0;
    return this;
  }

  get atLeast(): number {
    return 2 - this.#ones;
  }

  push(bytes: Uint8Array, from: number, to: number): number {
    let at = from;
    while (at < to && this.status === "more") {
      this.#ones = bytes[at++] === 0xff ? this.#ones + 1 : 0;
      if (this.#ones === 2) this.status = "done";
    }
    this.bytes += at - from;
    return at - from;
  }
}
