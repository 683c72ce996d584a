import type { Transaction, TransactionResult } from "./bridge.js";

/** What a driver has to put on the wire, in order. MOSI is all ones where no data is given. */
export type BusOp =
  | { readonly kind: "cs"; readonly level: "high" | "low" }
  /** MISO is dropped: no reply bytes. */
  | { readonly kind: "write"; readonly data: Uint8Array }
  /** `data.length` reply bytes. */
  | { readonly kind: "exchange"; readonly data: Uint8Array }
  /** `length` reply bytes. */
  | { readonly kind: "read"; readonly length: number }
  /** `bytes` x 8 clocks, no reply bytes. */
  | { readonly kind: "idle"; readonly bytes: number }
  /** Only where `capabilities.hardwareWait`: clock until MISO is high, at most `maxBytes` x 8 clocks; no reply bytes. */
  | { readonly kind: "waitReady"; readonly maxBytes: number };

/** One round trip: ops, and the number of MISO bytes that they bring back. */
export interface PlannerStep {
  readonly ops: readonly BusOp[];
  readonly replyBytes: number;
}

/**
 * Turns transactions into steps: a pure, resumable state machine, without I/O, time or randomness, so that the same
 * capabilities and the same replies always give the same steps (replay depends on it).
 *
 * A driver loops: take steps from {@link next} while it gives any (several may be in flight), run them, hand each
 * step's reply to {@link feed} in the same order.
 */
export interface Planner {
  /** Starts a transaction; the one before must have ended. */
  begin(transaction: Transaction): void;
  /** The next step to run; `await` if that depends on replies still out; `done` when the transaction is over. */
  next(): PlannerStep | "await" | "done";
  /** The reply of the oldest step not yet answered; exactly its `replyBytes` long. May be kept only until the next call. */
  feed(reply: Uint8Array): void;
  /** Valid once {@link next} gave `done`. */
  readonly result: TransactionResult;
  /** Forgets the transaction and all surplus: after an abort. */
  reset(): void;
}
