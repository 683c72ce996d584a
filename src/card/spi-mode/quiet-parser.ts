import type { ReceiveParser } from "../../spi/bridge.js";

/** The line counts as quiet after this many FF: as long as the slowest response may take. */
const QUIET_BYTES = 8;
/** So many bytes that are neither 00 nor FF are no edge of busy: the card is sending. */
const STREAM_BYTES = 16;

/** Waits for a card of unknown state to fall silent, or to turn out to be streaming. Reused: {@link expect}. */
export class QuietParser implements ReceiveParser {
  status: "more" | "done" | "failed" = "more";
  streaming = false;
  /** Bytes taken, and those of them in which the card was busy. */
  bytes = 0;
  lowBytes = 0;
  #ones = 0;
  #mixed = 0;

  expect(): this {
    this.status = "more";
    this.streaming = false;
    this.bytes = 0;
    this.lowBytes = 0;
    this.#ones = 0;
    this.#mixed = 0;
    return this;
  }

  get atLeast(): number {
    return Math.min(QUIET_BYTES - this.#ones, STREAM_BYTES - this.#mixed);
  }

  push(bytes: Uint8Array, from: number, to: number): number {
    let at = from;
    while (at < to && this.status === "more") {
      if (bytes[at] === 0x00) at = this.#takeLow(bytes, at, to);
      else this.#take(bytes[at++] as number);
    }
    this.bytes += at - from;
    return at - from;
  }

  /** A busy card sends many of these. */
  #takeLow(bytes: Uint8Array, from: number, to: number): number {
    let at = from;
    while (at < to && bytes[at] === 0x00) at++;
    this.lowBytes += at - from;
    this.#ones = 0;
    return at;
  }

  #take(byte: number): void {
    this.#ones = byte === 0xff ? this.#ones + 1 : 0;
    if (byte !== 0xff) this.#mixed++;
    this.streaming = this.#mixed >= STREAM_BYTES;
    if (this.streaming || this.#ones >= QUIET_BYTES) this.status = "done";
  }
}
