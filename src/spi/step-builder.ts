import type { BusOp, PlannerStep } from "./plan.js";

/** Where a stretch of a step's reply belongs. */
export interface ReplyPart {
  readonly length: number;
  /** The MISO stream between two barriers that it is part of. */
  readonly frame: number;
  /** An exchange's own destination; undefined: the frame's stream. */
  readonly into: Uint8Array | undefined;
}

/** Collects the ops of one step up to a number of clocked bytes. */
export class StepBuilder {
  readonly parts: ReplyPart[] = [];
  readonly #ops: BusOp[] = [];
  #room: number;
  #replyBytes = 0;

  constructor(maxBytes: number) {
    this.#room = maxBytes;
  }

  /** Bytes that may still be clocked in this step. */
  get room(): number {
    return this.#room;
  }

  get empty(): boolean {
    return this.#ops.length === 0;
  }

  cs(level: "high" | "low"): void {
    this.#ops.push({ kind: "cs", level });
  }

  write(data: Uint8Array): void {
    this.#room -= data.length;
    this.#ops.push({ kind: "write", data });
  }

  idle(bytes: number): void {
    this.#room -= bytes;
    this.#ops.push({ kind: "idle", bytes });
  }

  exchange(data: Uint8Array, into: Uint8Array, frame: number): void {
    this.#room -= data.length;
    this.#ops.push({ kind: "exchange", data });
    this.#expect(data.length, frame, into);
  }

  /** Adjacent reads become one op. */
  read(length: number, frame: number): void {
    this.#room -= length;
    const last = this.#ops.at(-1);
    if (last?.kind === "read") {
      this.#ops[this.#ops.length - 1] = { kind: "read", length: last.length + length };
    } else {
      this.#ops.push({ kind: "read", length });
    }
    this.#expect(length, frame, undefined);
  }

  waitReady(maxBytes: number): void {
    this.#ops.push({ kind: "waitReady", maxBytes });
  }

  finish(): PlannerStep {
    return { ops: this.#ops, replyBytes: this.#replyBytes };
  }

  #expect(length: number, frame: number, into: Uint8Array | undefined): void {
    this.#replyBytes += length;
    this.parts.push({ length, frame, into });
  }
}
