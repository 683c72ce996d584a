import type { DeadmanPort } from "../block/deadman.js";
import {
  BLOCK_SIZE,
  BlockError,
  type BlockGeometryHints,
  checkRange,
  checkWritable,
} from "../block/device.js";
import type { PanicPort } from "../block/panic.js";
import type { CardBus, RecoveryKnowledge } from "../spi/card-bus.js";
import { CardError } from "../spi/errors.js";
import type { Clock } from "../util/clock.js";
import { type Deadline, deadlineIn } from "../util/deadline.js";
import { toError } from "../util/errors.js";
import { type Log, silentLog } from "../util/log.js";
import { CardLine, type LineCounters } from "./card-line.js";
import { cardDeadmanPort } from "./deadman.js";
import { canErase, eraseBlocks, eraseBudgetMs } from "./erase.js";
import { identifyCard } from "./identify.js";
import type { CardIdentity } from "./identity.js";
import type { CardIntent, IntentSink } from "./intent.js";
import { cardPanicPort, type PanicCard } from "./panic.js";
import type { CardRecovery } from "./recovery/report.js";
import { CardSession } from "./session.js";
import { TIMING } from "./timing.js";
import { BlockTransfer } from "./transfer.js";

/** Larger calls gain nothing: the next slice is in flight while the last is taken. */
const PREFERRED_TRANSFER_BLOCKS = 2048;

export interface CardOptions {
  /** Ask the card to check CRCs; default true. Without it torn writes are possible (integrity class B). */
  readonly crc?: boolean;
  /** Hz, exactly as asked for (more than 25 MHz too); undefined: what the card allows, 25 MHz at most. */
  readonly speedHz?: number;
  /** Refuse every write and erase with BLOCK_READ_ONLY. */
  readonly readOnly?: boolean;
  /** The user before was interrupted: the card is taken back first, with what is known of it. */
  readonly interrupted?: Interruption;
  /** Told of every operation. */
  readonly intents?: IntentSink;
}

/** What is known of an interrupted user of the card. */
export interface Interruption extends RecoveryKnowledge {
  /** How long the card may still be busy, ms; at least the usual time is waited. */
  readonly busyMs?: number;
}

/** Keeps no journal. */
const NOBODY: IntentSink = { begin: () => undefined, end: () => undefined };

export interface CardDeps {
  readonly bus: CardBus;
  readonly clock: Clock;
  readonly log?: Log;
  readonly options?: CardOptions;
}

/**
 * Identifies the card on a bus. `deadline` bounds the identification, 15 s if there is none. The bus belongs to the card
 * afterwards ({@link SdCard.close}); if this throws, it still belongs to the caller.
 *
 * @throws CardError CARD_ABSENT, CARD_UNUSABLE, CARD_REFUSED, CARD_LOCKED, CARD_CRC, CARD_ERROR, CARD_TIMEOUT
 * @throws BridgeError, TransportError from below
 */
export async function openCard(
  { bus, clock, log = silentLog, options = {} }: CardDeps,
  deadline?: Deadline,
): Promise<SdCard> {
  const line = new CardLine(bus, clock, log);
  const { crc = true, speedHz, readOnly = false } = options;
  const how = { crc, ...(speedHz !== undefined && { speedHz }) };
  const bound = deadline ?? deadlineIn(clock, TIMING.identifyMs);
  const before = options.interrupted;
  const report = before === undefined ? undefined : await takeBack(line, before, bound);
  const identity = await identifyCard(line, how, bound);
  log.info({ kind: identity.kind, cid: identity.cid.raw, hz: identity.frequencyHz }, "card opened");
  const session = new CardSession(line, how, identity, report);
  return new SdCard(session, { readOnly, intents: options.intents ?? NOBODY });
}

/**
 * An SD or MMC card as blocks of 512 bytes. Calls queue first in, first out. A call without a deadline gets one for
 * its amount of work (SD Physical Layer 4.6.2).
 *
 * After a failure that left the card in an unknown state the next call begins with a recovery and, if the card was reset, with a
 * new identification: the same card goes on, another one is CARD_ABSENT.
 *
 * Throws BlockError (BLOCK_RANGE, BLOCK_READ_ONLY, BLOCK_PREEMPTED after close) and CardError CARD_WRITE_PROTECTED before
 * anything is sent; CardError with `details.lba`, `blocks`, `blocksDone` and `stateKnown`; BridgeError, TransportError.
 */
export class SdCard implements PanicCard {
  readonly blockSize: typeof BLOCK_SIZE = BLOCK_SIZE;
  readonly blockCount: number;
  readonly readOnly: boolean;
  readonly hints: BlockGeometryHints;
  /** Absent where the card has no erase commands. Erases more finely than the card can by writing zeros. */
  readonly erase?: (lba: number, count: number, deadline?: Deadline) => Promise<void>;
  readonly panic: PanicPort;
  /** Absent where the adapter has no firmware that could write by itself. */
  readonly deadman?: DeadmanPort;
  #session: CardSession;
  #transfer: BlockTransfer;
  readonly #askedReadOnly: boolean;
  readonly #intents: IntentSink;
  /** Panics so far: calls from before one are over. */
  #generation = 0;
  #tail: Promise<unknown> = Promise.resolve();
  #closing: Promise<void> | undefined;

  /** Use {@link openCard}. */
  constructor(
    session: CardSession,
    { readOnly, intents }: { readonly readOnly: boolean; readonly intents: IntentSink },
  ) {
    const { identity } = session;
    this.#session = session;
    this.#transfer = new BlockTransfer(session);
    this.#askedReadOnly = readOnly;
    this.#intents = intents;
    this.blockCount = addressableBlocks(identity);
    this.readOnly = readOnly || identity.writeProtected !== "no";
    this.hints = hintsOf(identity);
    this.panic = cardPanicPort(this, session.line.clock);
    const { deadman } = session.line.bus;
    if (deadman !== undefined) this.deadman = cardDeadmanPort(this, deadman);
    if (canErase(identity))
      this.erase = (lba, count, deadline) => this.#erase(lba, count, deadline);
  }

  /** Registers and bus settings, as of the last identification. */
  get identity(): CardIdentity {
    return this.#session.identity;
  }

  /** The clock now, in Hz: lower than the identity's after CRC errors. */
  get frequencyHz(): number {
    return this.#session.line.frequencyHz;
  }

  /** False after a failure that the next call has to recover from. */
  get stateKnown(): boolean {
    return this.#session.stateKnown;
  }

  /** What the last recovery did, if there was one. */
  get lastRecovery(): CardRecovery | undefined {
    return this.#session.lastRecovery;
  }

  takeOver(done: Promise<unknown>): CardSession {
    this.#generation++;
    this.#session = this.#session.preempt();
    this.#transfer = new BlockTransfer(this.#session);
    const before = this.#tail;
    this.#intents.begin({ doing: "writing", lba: 0, blocks: this.blockCount });
    this.#tail = done.then(() => {
      this.#intents.end();
      return before;
    });
    return this.#session;
  }

  /** CRC errors, recoveries and clock reductions since the card was opened. */
  get counters(): Readonly<LineCounters> {
    return { ...this.#session.line.counters };
  }

  async read(lba: number, into: Uint8Array, deadline?: Deadline): Promise<void> {
    checkRange(this, lba, into.length);
    const intent = { doing: "reading", lba, blocks: into.length / BLOCK_SIZE } as const;
    await this.#enqueue(intent, () => this.#transfer.read(lba, into, deadline));
  }

  /** Accepted by the card, busy over, CMD13 clean; no proof by reading back. */
  async write(lba: number, data: Uint8Array, deadline?: Deadline): Promise<void> {
    checkRange(this, lba, data.length);
    this.#checkWritable();
    const intent = { doing: "writing", lba, blocks: data.length / BLOCK_SIZE } as const;
    await this.#enqueue(intent, () => this.#transfer.write(lba, data, deadline));
  }

  /** Waits for the calls before it: in SPI mode a card has no cache that could be flushed, and a write ends with its busy. */
  async flush(): Promise<void> {
    await this.#enqueue(undefined, async () => undefined);
  }

  /** After what is queued: CS high, the card let go, the bus closed. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#tail.then(() => this.#release());
    return this.#closing;
  }

  async #erase(lba: number, count: number, deadline?: Deadline): Promise<void> {
    checkRange(this, lba, count * BLOCK_SIZE);
    this.#checkWritable();
    const eraseMs = eraseBudgetMs(this.identity, count);
    await this.#enqueue({ doing: "erasing", lba, blocks: count, eraseMs }, () =>
      eraseBlocks(this.#session, this.#transfer, { lba, count }, deadline),
    );
  }

  #enqueue(intent: CardIntent | undefined, work: () => Promise<void>): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(closed());
    const generation = this.#generation;
    const preempted = (cause?: unknown): BlockError =>
      new BlockError("BLOCK_PREEMPTED", "the card was taken for a panic record", { cause });
    const result = this.#tail.then(async () => {
      if (generation !== this.#generation) throw preempted();
      if (intent !== undefined) this.#intents.begin(intent);
      await work().catch((error: unknown) => {
        throw generation === this.#generation ? error : preempted(error);
      });
      // What has failed may have left something open: the entry stays.
      if (intent !== undefined) this.#intents.end();
    });
    this.#tail = result.catch(() => undefined);
    return result;
  }

  #checkWritable(): void {
    const { writeProtected } = this.identity;
    if (writeProtected === "no" || this.#askedReadOnly) {
      checkWritable(this);
      return;
    }
    throw new CardError("CARD_WRITE_PROTECTED", `the card is write-protected (${writeProtected})`, {
      details: { writeProtected, csd: this.identity.csd.raw },
      hint:
        writeProtected === "permanent"
          ? "bit 13 of its CSD cannot be taken back: use another card"
          : "bit 12 of its CSD is set: clear it in the device that set it",
    });
  }

  async #release(): Promise<void> {
    const { bus, clock, log } = this.#session.line;
    try {
      await bus.release(deadlineIn(clock, TIMING.responseMs));
    } catch (error) {
      log.debug({ err: toError(error) }, "the card could not be released");
    } finally {
      await bus.close();
    }
  }
}

/** Before CMD0: a card in the middle of a block would take that for data. */
async function takeBack(
  line: CardLine,
  known: Interruption,
  deadline: Deadline,
): Promise<CardRecovery> {
  const startUs = line.clock.nowUs();
  line.counters.recoveries++;
  const busyMs = Math.max(TIMING.recoverMs, known.busyMs ?? 0);
  const report = await line.bus.recover(line.within(deadline, busyMs), known);
  line.log.warn({ ...report }, "card recovered from an interrupted user");
  const integrityClass = known.crcProved ? "A" : "C";
  return { ...report, how: "identified", us: line.clock.nowUs() - startUs, integrityClass };
}

/** A 32-bit argument reaches this far (more needs CMD22, which SPI mode lacks). */
function addressableBlocks({ addressing, blockCount }: CardIdentity): number {
  return Math.min(blockCount, 2 ** 32 / (addressing === "byte" ? BLOCK_SIZE : 1));
}

function hintsOf({ csd, ssr, kind }: CardIdentity): BlockGeometryHints {
  const unit = kind === "MMC" ? csd.eraseUnitBlocks : ssr?.allocationUnitBlocks;
  return {
    ...(unit !== undefined && { allocationUnitBlocks: unit }),
    preferredTransferBlocks: PREFERRED_TRANSFER_BLOCKS,
  };
}

function closed(): BlockError {
  return new BlockError("BLOCK_PREEMPTED", "the card was closed");
}
