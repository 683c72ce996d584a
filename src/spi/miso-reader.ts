import { assert } from "../util/errors.js";
import type { ReceiveParser, Segment } from "./bridge.js";

const FIRST_SURPLUS_BYTES = 1024;

/** True for segments that take bytes of the frame's MISO stream; all others are barriers between frames. */
export function takesStream(segment: Segment): boolean {
  return segment.kind === "read" || segment.kind === "receive";
}

/**
 * Hands MISO bytes to the `read` and `receive` segments that wait for them, in order, and keeps what
 * was clocked too much (surplus) until the next barrier.
 */
export class MisoReader {
  #segments: readonly Segment[] = [];
  #cursor = 0;
  #taken = 0;
  #frame = 0;
  #failed = false;
  #surplus = new Uint8Array(FIRST_SURPLUS_BYTES);
  #surplusLength = 0;

  /** First segment that is not over. */
  get cursor(): number {
    return this.#cursor;
  }

  /** Bytes that the segment at the cursor has taken. */
  get taken(): number {
    return this.#taken;
  }

  /** The parser at the cursor failed. */
  get failed(): boolean {
    return this.#failed;
  }

  /** The surplus of the frame that the last transaction left open goes first. */
  begin(segments: readonly Segment[], frame: number): void {
    this.#start(segments, frame);
    this.#leaveFinished();
    const length = this.#surplusLength;
    if (length === 0) return;
    const rest = this.#deal(this.#surplus, 0, length);
    this.#surplus.copyWithin(0, rest, length);
    this.#surplusLength = length - rest;
  }

  /** Forgets segments and surplus. */
  reset(): void {
    this.#start([], this.#frame);
    this.#surplusLength = 0;
  }

  /** Takes `bytes[from..to)` of a frame; what comes for a frame already left is dropped. */
  push(bytes: Uint8Array, from: number, to: number, frame: number): void {
    if (frame < this.#frame) return;
    const rest = this.#deal(bytes, from, to);
    if (rest < to) this.#keep(bytes, rest, to);
  }

  /** Barriers before index `issued` are on the wire: the cursor passes those that have nothing open before them. */
  passBarriers(issued: number): void {
    while (this.#cursor < issued && !this.#failed) {
      if (takesStream(this.#segments[this.#cursor] as Segment)) return;
      this.#frame++;
      this.#surplusLength = 0;
      this.#leave();
      this.#leaveFinished();
    }
  }

  #start(segments: readonly Segment[], frame: number): void {
    this.#segments = segments;
    this.#frame = frame;
    this.#cursor = 0;
    this.#taken = 0;
    this.#failed = false;
  }

  /** Gives bytes to the segments from the cursor on; returns where the first untaken one is. */
  #deal(bytes: Uint8Array, from: number, to: number): number {
    let at = from;
    while (at < to && !this.#failed) {
      const segment = this.#segments[this.#cursor];
      if (segment?.kind === "read") at += this.#fill(segment.into, bytes, at, to);
      else if (segment?.kind === "receive") at += this.#parse(segment.parser, bytes, at, to);
      else break;
      this.#leaveFinished();
    }
    return at;
  }

  #fill(into: Uint8Array, bytes: Uint8Array, from: number, to: number): number {
    const count = Math.min(into.length - this.#taken, to - from);
    into.set(bytes.subarray(from, from + count), this.#taken);
    this.#taken += count;
    return count;
  }

  #parse(parser: ReceiveParser, bytes: Uint8Array, from: number, to: number): number {
    const count = parser.push(bytes, from, to);
    const sound = count >= 0 && count <= to - from;
    assert(sound && (count === to - from || parser.status !== "more"), "a parser left bytes");
    this.#taken += count;
    return count;
  }

  /** Leaves reading segments that need no (further) byte. */
  #leaveFinished(): void {
    for (;;) {
      const segment = this.#segments[this.#cursor];
      if (segment?.kind === "receive") {
        this.#failed = segment.parser.status === "failed";
        if (segment.parser.status !== "done") return;
      } else if (segment?.kind !== "read" || this.#taken < segment.into.length) return;
      this.#leave();
    }
  }

  #leave(): void {
    this.#cursor++;
    this.#taken = 0;
  }

  #keep(bytes: Uint8Array, from: number, to: number): void {
    const length = this.#surplusLength + to - from;
    if (length > this.#surplus.length) {
      const larger = new Uint8Array(length * 2);
      larger.set(this.#surplus.subarray(0, this.#surplusLength));
      this.#surplus = larger;
    }
    this.#surplus.set(bytes.subarray(from, to), this.#surplusLength);
    this.#surplusLength = length;
  }
}
