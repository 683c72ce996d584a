import type { BridgeCapabilities, ReceiveParser, Segment } from "../../src/spi/bridge.js";
import type { BusOp, PlannerStep } from "../../src/spi/plan.js";

export const CAPABILITIES: BridgeCapabilities = {
  maxTransactionBytes: Number.POSITIVE_INFINITY,
  fullDuplex: true,
  csHold: true,
  hardwareWait: false,
  clocksWithCsHigh: true,
  minFrequencyHz: 100,
  maxFrequencyHz: 30e6,
  queueDepth: 4,
  roundTripUs: 125,
  offers: "spi",
};

/** Ends after `length` bytes; promises `honesty` (0..1) of what it knows about that. */
export class CountingParser implements ReceiveParser {
  status: "more" | "done" | "failed" = "more";
  readonly seen: number[] = [];
  readonly #length: number;
  readonly #end: "done" | "failed";
  readonly #honesty: number;

  constructor(length: number, end: "done" | "failed" = "done", honesty = 0) {
    this.#length = length;
    this.#end = end;
    this.#honesty = honesty;
    if (length === 0) this.status = end;
  }

  get atLeast(): number {
    return Math.max(1, Math.floor((this.#length - this.seen.length) * this.#honesty));
  }

  push(bytes: Uint8Array, from: number, to: number): number {
    const count = Math.min(to - from, this.#length - this.seen.length);
    for (let at = from; at < from + count; at++) this.seen.push(bytes[at] as number);
    if (this.seen.length === this.#length) this.status = this.#end;
    return count;
  }
}

/** MISO of a device that starts anew at each barrier: depends on nothing but the barrier and the position behind it. */
export function misoAt(barrier: number, position: number): number {
  return (barrier * 73 + position * 29 + (position >> 8) * 5) & 0xff;
}

/** Runs steps at that device and checks that no barrier overtakes a receive. */
export class FrameDevice {
  readonly log: string[] = [];
  /** The barriers reached so far, over all transactions. */
  barriers = 0;
  #position = 0;
  #segments: readonly Segment[] = [];
  #index = 0;
  #done = 0;

  begin(segments: readonly Segment[]): void {
    this.#segments = segments;
    this.#index = 0;
    this.#done = 0;
  }

  run(step: PlannerStep): Uint8Array {
    const reply: number[] = [];
    for (const op of step.ops) reply.push(...this.#op(op));
    if (reply.length !== step.replyBytes) throw new Error("replyBytes does not match the ops");
    return Uint8Array.from(reply);
  }

  #op(op: BusOp): number[] {
    if (op.kind === "read") return this.#stream(op.length);
    if (op.kind === "waitReady") return [];
    const segment = this.#nextBarrier();
    if (op.kind === "cs") {
      this.#expect(segment.kind === (op.level === "low" ? "select" : "deselect"));
      this.#enter(segment, 1, 1);
      return [];
    }
    this.#expect(segment.kind === op.kind);
    const count = op.kind === "idle" ? op.bytes : op.data.length;
    const total =
      segment.kind === "idle" ? segment.bytes : "data" in segment ? segment.data.length : 0;
    const first = this.#done;
    this.#enter(segment, count, total, op.kind === "idle" ? undefined : op.data);
    if (op.kind !== "exchange") return [];
    return Array.from({ length: count }, (_, at) => misoAt(~this.barriers, first + at));
  }

  /** The next barrier with anything to clock. All receives before it must be done: the rule of the planner. */
  #nextBarrier(): Segment {
    for (;;) {
      const segment = this.#segments[this.#index];
      if (segment === undefined) throw new Error("an op too many");
      if (segment.kind === "receive") this.#expect(segment.parser.status === "done");
      else if (segment.kind !== "read") return segment;
      this.#index++;
    }
  }

  #enter(segment: Segment, count: number, total: number, data?: Uint8Array): void {
    if (this.#done === 0) this.#count();
    this.log.push(...(data === undefined ? [`${segment.kind}${count}`] : Array.from(data, String)));
    this.#done += count;
    this.#expect(this.#done <= total);
    if (this.#done < total) return;
    this.#done = 0;
    this.#index++;
  }

  #count(): void {
    this.barriers++;
    this.#position = 0;
  }

  #stream(length: number): number[] {
    const from = this.#position;
    this.#position += length;
    return Array.from({ length }, (_, at) => misoAt(this.barriers, from + at));
  }

  #expect(condition: boolean): void {
    if (!condition) throw new Error(`segment ${this.#index}: an op that the rules forbid`);
  }
}
