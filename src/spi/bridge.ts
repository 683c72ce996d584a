import type { Deadline } from "../util/deadline.js";

/** What a bridge can do, as data; the planner and the card layer derive the rest from it. */
export interface BridgeCapabilities {
  /** Bytes that one SPI transaction may clock at most. */
  readonly maxTransactionBytes: number;
  readonly fullDuplex: boolean;
  /** CS stays as it is between transactions. */
  readonly csHold: boolean;
  /** The chip itself can clock until MISO is high (bounded); see `wait` in {@link ReceiveSegment}. */
  readonly hardwareWait: boolean;
  /** Can clock while CS is high (the >= 74 start-up clocks). */
  readonly clocksWithCsHigh: boolean;
  readonly minFrequencyHz: number;
  readonly maxFrequencyHz: number;
  /** Submits that may be outstanding. */
  readonly queueDepth: number;
  /** Typical time from a request to its answer, in microseconds: sizes polls. */
  readonly roundTripUs: number;
  /** What the way to the host moves each way, in bytes a second, where a clock may be faster than that; absent: the clock is the limit. */
  readonly bytesPerSecond?: number;
  /**
   * Only where CS is not held: every transaction has to be `select`, one `write`, one `read`, `deselect`, and these are the bytes that the two
   * may have. Anything else is refused with BRIDGE_UNSUPPORTED.
   */
  readonly operation?: { readonly maxWriteBytes: number; readonly maxReadBytes: number };
  /** How the bridge offers the card: as raw SPI, or polling the card itself ({@link import("./card-bus.js").CardBus}). */
  readonly offers: "spi" | "card-bus";
}

/**
 * A pure automaton fed with MISO bytes: R1, tokens, data blocks and busy are all of this kind.
 * It is fed every byte once, in order, and says where it stops.
 */
export interface ReceiveParser {
  /** Takes `bytes[from..to)`; returns how many of them belonged to it. Fewer than `to - from` only when it is no longer `more`. */
  push(bytes: Uint8Array, from: number, to: number): number;
  /** `failed` ends the transaction: segments after it are not run. */
  readonly status: "more" | "done" | "failed";
  /** It cannot end in `done` before this many further bytes; >= 1 while `more`. */
  readonly atLeast: number;
}

/** Clock with MOSI all ones and feed MISO to the parser until it is done. */
export interface ReceiveSegment {
  readonly kind: "receive";
  readonly parser: ReceiveParser;
  /**
   * How many bytes it will probably take: that many are clocked at once instead of polling. What was clocked
   * too much is surplus: the next receive of the same CS frame is fed with it first.
   */
  readonly hint: number;
  /** `ready`: MISO is low (busy) and the parser ends soon after it goes high, so a chip with hardware wait may be used. */
  readonly wait?: "ready";
  /** CS may rise and fall again while it waits: what it waits for (busy, silence) shows again then. */
  readonly resumable?: true;
}

/**
 * One step of a transaction. MOSI is all ones whenever no data is given. Everything but `read` and `receive` is a
 * barrier: it waits until every receive before it is done, and drops surplus.
 */
export type Segment =
  | { readonly kind: "select" }
  | { readonly kind: "deselect" }
  /** MISO is dropped. */
  | { readonly kind: "write"; readonly data: Uint8Array }
  /** Exactly `into.length` bytes, surplus first. */
  | { readonly kind: "read"; readonly into: Uint8Array }
  /** Both directions at once; `into.length === data.length`. */
  | { readonly kind: "exchange"; readonly data: Uint8Array; readonly into: Uint8Array }
  /** `bytes` x 8 clocks, CS as it is, MISO dropped. */
  | { readonly kind: "idle"; readonly bytes: number }
  | ReceiveSegment;

/** Segments run as one unit; CS stays as they leave it, also for the next transaction. */
export interface Transaction {
  /** For logs and traces: `CMD18 lba=2048`. */
  readonly label: string;
  readonly segments: readonly Segment[];
}

export interface TransactionResult {
  /** `stopped`: a parser failed; segments after `segment` were not run. */
  readonly status: "done" | "stopped";
  /** Index of the last segment that ran. */
  readonly segment: number;
}

export type CsLevel = "high" | "low" | "unknown";

/**
 * A chip that clocks SPI mode 0, MSB first. No call moves a single byte by itself: callers describe whole
 * transactions and bridges run them in as few round trips as their capabilities allow.
 */
export interface SpiBridge {
  readonly capabilities: BridgeCapabilities;
  /** Sets the clock, rounding down; returns what was really set. CS must be high (some cards lose sync otherwise). */
  configure(settings: { readonly frequencyHz: number }): Promise<{ readonly frequencyHz: number }>;
  /**
   * Runs a transaction. Up to `queueDepth` may be outstanding; they run in order. A failure rejects with
   * BridgeError (or TransportError) and fails those queued behind it; CS is then at its last known level,
   * which {@link abort} tells.
   */
  submit(transaction: Transaction, deadline: Deadline): Promise<TransactionResult>;
  /**
   * Cancels what is in flight, purges, re-synchronises the chip. Never changes CS on purpose; says its last known level.
   */
  abort(deadline: Deadline): Promise<CsLevel>;
  /** Leaves CS high, clock stopped, the chip free for others. Idempotent. */
  close(): Promise<void>;
}

/** An adapter with raw SPI, opened. */
export interface AdapterBridge extends SpiBridge {
  /** `name` as the maker writes it: `FT232H`. */
  readonly chip: { readonly name: string };
}
