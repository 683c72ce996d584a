import { assert } from "../util/errors.js";
import type {
  BridgeCapabilities,
  ReceiveSegment,
  Segment,
  Transaction,
  TransactionResult,
} from "./bridge.js";
import { BridgeError } from "./errors.js";
import { MisoReader, takesStream } from "./miso-reader.js";
import type { Planner, PlannerStep } from "./plan.js";
import { type ReplyPart, StepBuilder } from "./step-builder.js";

/** A step clocks no more: room for a 64 KiB read with its tokens, CRCs and gaps in one. */
const MAX_STEP_BYTES = 96 * 1024;
/** Longer reads are cut into slices of this, so that one is parsed while the next is on the wire. */
const SLICE_BYTES = 64 * 1024;
/** No further slices while this much is still to come. */
const MAX_IN_FLIGHT_BYTES = 3 * SLICE_BYTES;

/** Polls grow with the time waited so far, up to this many round trips' worth of clocks. */
const MAX_POLL_ROUND_TRIPS = 8;
const MIN_POLL_BYTES = 16;
const MIN_LARGEST_POLL_BYTES = 256;
const MAX_POLL_BYTES = 16 * 1024;

/** Clocks of one hardware wait: 65536 x 8 is the most an MPSSE can count, 100 ms what a deadline can bear. */
const MAX_WAIT_BYTES = 65536;
const MAX_WAIT_SECONDS = 0.1;
/** Read behind a hardware wait besides what the parser needs: the edge may lie inside the first byte. */
const WAIT_SLACK_BYTES = 2;

interface Outstanding {
  readonly parts: readonly ReplyPart[];
  readonly replyBytes: number;
}

/**
 * The planner every raw SPI driver uses.
 *
 * Clocking FF is always safe, so reads and receives that follow each other are clocked ahead by their hints in one
 * step; anything that drives MOSI or CS (a barrier) waits until every receive before it is done.
 *
 * @param settings the clock as really set, asked when a step is made
 */
export function createPlanner(
  capabilities: BridgeCapabilities,
  settings: () => { readonly frequencyHz: number },
): Planner {
  return new SegmentPlanner(capabilities, settings);
}

class SegmentPlanner implements Planner {
  readonly #capabilities: BridgeCapabilities;
  readonly #settings: () => { readonly frequencyHz: number };
  readonly #maxStepBytes: number;
  readonly #reader = new MisoReader();
  readonly #outstanding: Outstanding[] = [];
  #segments: readonly Segment[] = [];
  #active = false;
  /** First segment of the frame that is being clocked; barriers before it are on the wire. */
  #frameStart = 0;
  #frame = 0;
  /** Bytes of that frame's stream that are on the wire and not yet fed. */
  #frameInFlight = 0;
  #inFlight = 0;
  /** Bytes of the next barrier that are on the wire: long writes are cut. */
  #barrierDone = 0;

  constructor(capabilities: BridgeCapabilities, settings: () => { readonly frequencyHz: number }) {
    this.#capabilities = capabilities;
    this.#settings = settings;
    this.#maxStepBytes = Math.min(capabilities.maxTransactionBytes, MAX_STEP_BYTES);
  }

  get result(): TransactionResult {
    assert(!this.#active, "the transaction is not over");
    return this.#reader.failed
      ? { status: "stopped", segment: this.#reader.cursor }
      : { status: "done", segment: this.#segments.length - 1 };
  }

  begin(transaction: Transaction): void {
    assert(!this.#active, "the transaction before is not over");
    this.#check(transaction);
    this.#segments = transaction.segments;
    this.#active = true;
    this.#frameStart = 0;
    this.#barrierDone = 0;
    this.#reader.begin(transaction.segments, this.#frame);
  }

  next(): PlannerStep | "await" | "done" {
    if (!this.#active) return "done";
    const step = this.#reader.failed ? undefined : this.#build();
    if (step !== undefined) return step;
    if (this.#outstanding.length > 0) return "await";
    this.#active = false;
    return "done";
  }

  feed(reply: Uint8Array): void {
    const step = this.#outstanding.shift();
    assert(step?.replyBytes === reply.length, "a reply that no step asked for");
    let at = 0;
    for (const part of step.parts) {
      this.#take(part, reply, at);
      at += part.length;
    }
    this.#reader.passBarriers(this.#frameStart);
  }

  reset(): void {
    this.#outstanding.length = 0;
    this.#segments = [];
    this.#active = false;
    this.#frame++;
    this.#frameInFlight = 0;
    this.#inFlight = 0;
    this.#reader.reset();
  }

  #check(transaction: Transaction): void {
    const { fullDuplex } = this.#capabilities;
    if (fullDuplex || !transaction.segments.some(({ kind }) => kind === "exchange")) return;
    throw new BridgeError(
      "BRIDGE_UNSUPPORTED",
      `this adapter cannot send and receive at once (${transaction.label})`,
    );
  }

  #take(part: ReplyPart, reply: Uint8Array, at: number): void {
    this.#inFlight -= part.length;
    if (part.into !== undefined) {
      part.into.set(reply.subarray(at, at + part.length));
      return;
    }
    if (part.frame === this.#frame) this.#frameInFlight -= part.length;
    this.#reader.passBarriers(this.#frameStart);
    this.#reader.push(reply, at, at + part.length, part.frame);
  }

  #build(): PlannerStep | undefined {
    const step = new StepBuilder(this.#maxStepBytes);
    while (this.#clockReads(step) && this.#crossBarrier(step));
    if (step.empty) return undefined;
    const plan = step.finish();
    this.#outstanding.push({ parts: step.parts, replyBytes: plan.replyBytes });
    return plan;
  }

  /** Clocks what the frame's reading segments need; true if the barrier behind them may follow. */
  #clockReads(step: StepBuilder): boolean {
    const ahead = this.#frameInFlight;
    let covered = ahead;
    let certain = true;
    for (let index = this.#firstOpen(); index < this.#segments.length; index++) {
      const segment = this.#segments[index] as Segment;
      if (segment.kind !== "read" && segment.kind !== "receive") break;
      if (segment.kind === "receive") certain = false;
      const demand = this.#demand(segment, index, ahead > 0);
      const missing = Math.max(0, demand - covered);
      covered = Math.max(0, covered - demand);
      if (missing > 0 && !this.#clock(step, segment, missing, ahead)) return false;
    }
    return certain;
  }

  #firstOpen(): number {
    return Math.max(this.#reader.cursor, this.#frameStart);
  }

  /** Bytes of the stream that the segment is going to take, as far as can be said now. */
  #demand(segment: Segment, index: number, inFlight: boolean): number {
    const taken = index === this.#reader.cursor ? this.#reader.taken : 0;
    if (segment.kind === "read") return segment.into.length - taken;
    const receive = segment as ReceiveSegment;
    if (receive.parser.status !== "more") return 0;
    const atLeast = Math.max(1, receive.parser.atLeast);
    if (this.#waitsInHardware(receive)) return atLeast + WAIT_SLACK_BYTES;
    const excess = taken - receive.hint;
    if (excess < 0) return Math.max(atLeast, -excess);
    return inFlight || taken === 0 ? atLeast : Math.max(atLeast, this.#pollBytes(excess));
  }

  /** `waited`: bytes clocked in vain since the hint ran out. */
  #pollBytes(waited: number): number {
    const { roundTripUs, bytesPerSecond = Infinity } = this.#capabilities;
    const perSecond = Math.min(this.#settings().frequencyHz / 8, bytesPerSecond);
    const roundTrip = Math.ceil((roundTripUs * perSecond) / 1e6);
    const grown = Math.max(waited, roundTrip, MIN_POLL_BYTES);
    const largest = Math.max(roundTrip * MAX_POLL_ROUND_TRIPS, MIN_LARGEST_POLL_BYTES);
    return Math.min(grown, largest, MAX_POLL_BYTES);
  }

  /** Puts reads on the step; false if not all of them fitted or they must wait for what is in flight. */
  #clock(step: StepBuilder, segment: Segment, missing: number, ahead: number): boolean {
    if (this.#waitsInHardware(segment)) {
      if (ahead > 0) return false;
      step.waitReady(this.#waitBytes());
    }
    const flightRoom = this.#inFlight > 0 ? MAX_IN_FLIGHT_BYTES - this.#inFlight : step.room;
    const fits = missing <= Math.min(step.room, flightRoom);
    const count = fits ? missing : Math.min(step.room, flightRoom, SLICE_BYTES);
    if (count <= 0) return false;
    step.read(count, this.#frame);
    this.#frameInFlight += count;
    this.#inFlight += count;
    return fits;
  }

  #waitsInHardware(segment: Segment): boolean {
    return (
      this.#capabilities.hardwareWait && segment.kind === "receive" && segment.wait === "ready"
    );
  }

  #waitBytes(): number {
    const longest = Math.floor((this.#settings().frequencyHz / 8) * MAX_WAIT_SECONDS);
    return Math.max(1, Math.min(MAX_WAIT_BYTES, longest));
  }

  /** Puts the next barrier on the step; true if it is wholly there, so that what follows may be too. */
  #crossBarrier(step: StepBuilder): boolean {
    const index = this.#nextBarrier();
    const segment = this.#segments[index];
    if (segment === undefined || !this.#putBarrier(step, segment)) return false;
    this.#frameStart = index + 1;
    this.#frame++;
    this.#frameInFlight = 0;
    this.#barrierDone = 0;
    this.#reader.passBarriers(this.#frameStart);
    return true;
  }

  #nextBarrier(): number {
    let index = this.#firstOpen();
    while (index < this.#segments.length && takesStream(this.#segments[index] as Segment)) index++;
    return index;
  }

  #putBarrier(step: StepBuilder, segment: Segment): boolean {
    if (segment.kind === "select" || segment.kind === "deselect") {
      step.cs(segment.kind === "select" ? "low" : "high");
      return true;
    }
    const from = this.#barrierDone;
    const total = barrierBytes(segment);
    const count = Math.min(total - from, step.room);
    if (count > 0) this.#putBytes(step, segment, from, from + count);
    this.#barrierDone = from + count;
    return this.#barrierDone === total;
  }

  #putBytes(step: StepBuilder, segment: Segment, from: number, to: number): void {
    if (segment.kind === "idle") step.idle(to - from);
    else if (segment.kind === "write") step.write(segment.data.subarray(from, to));
    else if (segment.kind === "exchange") {
      const into = segment.into.subarray(from, to);
      step.exchange(segment.data.subarray(from, to), into, this.#frame);
      this.#inFlight += to - from;
    }
  }
}

function barrierBytes(segment: Segment): number {
  if (segment.kind === "idle") return segment.bytes;
  return segment.kind === "write" || segment.kind === "exchange" ? segment.data.length : 0;
}
