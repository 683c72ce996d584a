import { BlockError } from "../../block/device.js";
import type {
  BridgeCapabilities,
  ReceiveSegment,
  Segment,
  SpiBridge,
  Transaction,
  TransactionResult,
} from "../../spi/bridge.js";
import { BridgeError } from "../../spi/errors.js";
import type { Clock } from "../../util/clock.js";
import type { Deadline } from "../../util/deadline.js";
import { errorCode } from "../../util/errors.js";
import type { Log } from "../../util/log.js";
import { ByteEstimate } from "./estimate.js";
import { BusyParser } from "./write-parsers.js";

/** Largest estimates: longer waits are rare, and polling them costs little beside them. */
const MAX_RESPONSE_ESTIMATE = 18;
const MAX_ACCESS_ESTIMATE = 4096;
const MAX_BUSY_ESTIMATE = 4096;

/** Before anything was seen: NCR 1; NAC and busy of a quick card. */
const FIRST_RESPONSE_ESTIMATE = 2;
const FIRST_ACCESS_ESTIMATE = 16;
const FIRST_BUSY_ESTIMATE = 18;
/** Busy is clocked for at least this, if a round trip costs more. */
const MIN_BUSY_ESTIMATE = 19;
/** 512 bytes with command, response, token, CRC16, and what may stand between them. */
const LEAST_OPERATION_BYTES = 640;
const FIRST_GAP_ESTIMATE = 128;
const MAX_GAP_ESTIMATE = 8192;

const ALL_ONES_BYTE: Segment = { kind: "idle", bytes: 1 };
const SELECT: Segment = { kind: "select" };
const DESELECT: Segment = { kind: "deselect" };

/** What was learned about this card. */
export interface Estimates {
  /** Command end to R1, R1 included. */
  readonly response: ByteEstimate;
  /** NAC. */
  readonly access: ByteEstimate;
  /** Bytes between blocks, in 128 of them. */
  readonly gaps: ByteEstimate;
  /** Busy after a block, the two FF included. */
  readonly busy: ByteEstimate;
}

/**
 * The card's end of a SpiBridge: knows whether CS is low, whether the card's state is known, and what was learned
 * about it. CS stays low behind a command; the next one raises it, gives the card its 8 clocks and lowers it again,
 * all in its own step.
 */
export class CardLink {
  readonly bridge: SpiBridge;
  readonly clock: Clock;
  readonly log: Log;
  readonly busy: BusyParser = new BusyParser();
  readonly estimates: Estimates = {
    response: new ByteEstimate(FIRST_RESPONSE_ESTIMATE, MAX_RESPONSE_ESTIMATE),
    access: new ByteEstimate(FIRST_ACCESS_ESTIMATE, MAX_ACCESS_ESTIMATE),
    gaps: new ByteEstimate(FIRST_GAP_ESTIMATE, MAX_GAP_ESTIMATE),
    busy: new ByteEstimate(FIRST_BUSY_ESTIMATE, MAX_BUSY_ESTIMATE),
  };
  stateKnown = true;
  /** What the card may be in the middle of, as far as this process knows. */
  doing: "nothing" | "reading" | "writing" | "unknown" = "unknown";
  /** False from a failure of the bridge until it has been brought back. */
  reachable = true;
  /** Off for good once its stop was seen not to be at a byte border. */
  hardwareWait: boolean;
  /** True also where it is not known: raising and lowering it is right in both cases. */
  csLow = true;
  frequencyHz: number;
  /** Transactions under way. */
  #running = 0;
  #revoked = false;

  constructor(bridge: SpiBridge, clock: Clock, log: Log) {
    this.bridge = bridge;
    this.clock = clock;
    this.log = log;
    this.hardwareWait = bridge.capabilities.hardwareWait;
    this.frequencyHz = bridge.capabilities.maxFrequencyHz;
  }

  /** The same card for another user; nothing goes through this link any more. What it was in the middle of is not known. */
  successor(): CardLink {
    this.#revoked = true;
    const next = new CardLink(this.bridge, this.clock, this.log);
    const idle = this.#running === 0 && this.doing === "nothing";
    next.stateKnown = this.stateKnown && idle;
    next.reachable = this.reachable && idle;
    next.doing = this.doing;
    next.hardwareWait = this.hardwareWait;
    next.csLow = next.stateKnown ? this.csLow : true;
    next.frequencyHz = this.frequencyHz;
    return next;
  }

  /** Bytes that clock and adapter move in a round trip. */
  get roundTripBytes(): number {
    const { roundTripUs, bytesPerSecond = Infinity } = this.bridge.capabilities;
    return Math.min(this.bytesIn(roundTripUs), Math.ceil((roundTripUs * bytesPerSecond) / 1e6));
  }

  /** Bytes that the clock moves in `us` microseconds. */
  bytesIn(us: number): number {
    return Math.ceil((us * this.frequencyHz) / 8e6);
  }

  /** Segments that open a CS frame of its own. */
  open(): Segment[] {
    return this.csLow ? [DESELECT, ALL_ONES_BYTE, SELECT] : [SELECT];
  }

  /** Segments that raise CS and let the card go of MISO. */
  release(): Segment[] {
    return this.bridge.capabilities.clocksWithCsHigh ? [DESELECT, ALL_ONES_BYTE] : [DESELECT];
  }

  /** Busy until FF twice, behind a command or a block. */
  awaitReady(hint: number): ReceiveSegment {
    const parser = this.busy.expect();
    const segment = { kind: "receive", parser, hint, resumable: true } as const;
    return this.hardwareWait ? { ...segment, wait: "ready" } : segment;
  }

  busyHint(): number {
    const least = Math.min(MIN_BUSY_ESTIMATE, Math.max(2, this.roundTripBytes));
    return Math.max(least, this.estimates.busy.best(this.roundTripBytes));
  }

  /** Whatever the bridge throws leaves CS and card where nobody knows. */
  async run(transaction: Transaction, deadline: Deadline): Promise<TransactionResult> {
    this.#checkOwner();
    if (!this.reachable) await this.abort(deadline);
    this.#trackCs(transaction.segments);
    this.#running++;
    try {
      return await this.bridge.submit(transaction, deadline);
    } catch (error) {
      this.stateKnown = false;
      this.reachable = false;
      this.csLow = true;
      throw error;
    } finally {
      this.#running--;
    }
  }

  /** Brings the bridge back after a failure; the card is as it was. */
  async abort(deadline: Deadline): Promise<void> {
    this.#checkOwner();
    await this.bridge.abort(deadline);
    this.reachable = true;
    this.csLow = true;
  }

  #checkOwner(): void {
    if (this.#revoked)
      throw new BlockError("BLOCK_PREEMPTED", "the card was taken for a panic record");
  }

  /** All segments that move CS precede every receive here, so a stopped transaction has moved it too. */
  #trackCs(segments: readonly Segment[]): void {
    for (const { kind } of segments) {
      if (kind === "select") this.csLow = true;
      else if (kind === "deselect") this.csLow = false;
    }
  }
}

/** The bridge says that the deadline passed, and nothing worse. */
export function isDeadline(error: unknown): boolean {
  return errorCode(error) === "BRIDGE_TIMEOUT";
}

/**
 * @throws BridgeError BRIDGE_UNSUPPORTED for a bridge that neither holds CS, so that SPI mode can poll within a CS frame, nor has
 * operations in which a whole block fits
 */
export function checkBridge(bridge: SpiBridge): void {
  const { csHold, offers, operation } = bridge.capabilities;
  if (offers === "spi" && (csHold || (operation !== undefined && holdsBlocks(operation)))) return;
  throw new BridgeError(
    "BRIDGE_UNSUPPORTED",
    "this adapter cannot keep chip select low between transfers, which an SD card in SPI mode needs",
    {
      details: { ...operation },
      hint: "wire chip select to a pin that the adapter drives on its own, or use other firmware",
    },
  );
}

/** A block with its command, what stands between them, and a little time. */
function holdsBlocks(operation: NonNullable<BridgeCapabilities["operation"]>): boolean {
  return (
    operation.maxWriteBytes >= LEAST_OPERATION_BYTES &&
    operation.maxReadBytes >= LEAST_OPERATION_BYTES
  );
}
