import type { RecoveryReport } from "../spi/card-bus.js";
import { CardError } from "../spi/errors.js";
import { type Deadline, deadlineIn, earlier, expired } from "../util/deadline.js";
import { errorCode, isMmcpstoreError } from "../util/errors.js";
import type { CardLine } from "./card-line.js";
import { HINT, wasReset } from "./errors.js";
import { type IdentifyOptions, identifyCard } from "./identify.js";
import type { CardIdentity } from "./identity.js";
import { R1 } from "./r1.js";
import type { CardRecovery } from "./recovery/report.js";
import { isSameCard } from "./recovery/same-card.js";
import { type CardStatus, describeStatus, R2 } from "./status.js";
import { TIMING } from "./timing.js";

/** CRC errors in a row without a block going through, and in all, before an operation gives up. */
const MAX_FAILURES_IN_A_ROW = 4;
const MAX_FAILURES = 16;
/** For whom: a panic sends each block at most twice. */
export const PANIC_FAILURES_IN_A_ROW = 2;

const NEVER: Deadline = { atUs: Number.NEGATIVE_INFINITY };

/** What one operation may still go wrong. */
export class RetryBudget {
  #inARow = 0;
  #total = 0;
  readonly #inARowAllowed: number;

  constructor(inARowAllowed: number = MAX_FAILURES_IN_A_ROW) {
    this.#inARowAllowed = inARowAllowed;
  }

  /** Counts a failure behind which `blocksDone` more blocks are good; false: no further try. */
  allow(blocksDone: number): boolean {
    this.#inARow = blocksDone > 0 ? 1 : this.#inARow + 1;
    this.#total++;
    return this.#inARow < this.#inARowAllowed && this.#total < MAX_FAILURES;
  }
}

/** An identified card: knows whether it can be spoken to, and brings it back if not. */
export class CardSession {
  readonly line: CardLine;
  readonly #options: IdentifyOptions;
  #identity: CardIdentity;
  /** An identification has failed, or is under way: only another one helps. */
  #wasReset = false;
  /** The card was seen in idle state. Nothing protects a response, so that it may be in the middle of a transfer instead. */
  #idleSeen = false;
  /** An erase may be running until then, whatever became of its caller. */
  #eraseUntil: Deadline = NEVER;
  /** Set once the clock was stepped down: never faster again. */
  #cappedHz: number | undefined;
  #lastRecovery: CardRecovery | undefined;

  /** @param recovery what was done before the identification, if anything */
  constructor(
    line: CardLine,
    options: IdentifyOptions,
    identity: CardIdentity,
    recovery?: CardRecovery,
  ) {
    this.#lastRecovery = recovery;
    this.line = line;
    this.#options = options;
    this.#identity = identity;
  }

  /** The card for another user; whoever uses this session is turned away. */
  preempt(): CardSession {
    const next = new CardSession(this.line.preempt(), this.#options, this.#identity);
    next.#wasReset = this.#wasReset;
    next.#idleSeen = this.#idleSeen;
    next.#eraseUntil = this.#eraseUntil;
    next.#cappedHz = this.#cappedHz;
    return next;
  }

  /** Resets a card that stays busy: what it is programming may be damaged. @throws as identification */
  async forceReset(deadline: Deadline): Promise<void> {
    await this.#identifyAgain(deadline, true);
  }

  get identity(): CardIdentity {
    return this.#identity;
  }

  /** False: the next operation begins with a recovery. */
  get stateKnown(): boolean {
    return this.line.bus.stateKnown && !this.#wasReset && !this.#idleSeen;
  }

  /** Byte or block address of a block, as the argument of a data command. */
  address(lba: number): number {
    return this.#identity.addressing === "byte" ? lba * 512 : lba;
  }

  /** Recoveries wait for this erase; undefined: it is over. */
  eraseMayRunUntil(deadline: Deadline | undefined): void {
    this.#eraseUntil = deadline ?? NEVER;
  }

  /**
   * Before every operation: recovers a card of unknown state, and identifies it again if it needs that. True if
   * it was identified again, so that what it counted is gone. Without a deadline each of the two has its own. `busyUntil`: a card
   * that is still busy then is given up.
   * @throws CardError CARD_ABSENT if it is gone or another one, CARD_BUSY, CARD_TIMEOUT
   */
  async ensureReady(
    asked: Deadline | undefined,
    busyUntil: Deadline | undefined = asked,
  ): Promise<boolean> {
    if (asked !== undefined && expired(this.line.clock, asked)) throw tooLate();
    if (this.stateKnown) return false;
    const startUs = this.line.clock.nowUs();
    const { integrityClass } = this.#identity;
    const report = this.#wasReset ? undefined : await this.#recover(busyUntil);
    const how = report?.same === true ? "ready" : "identified";
    if (how === "identified")
      await this.#identifyAgain(asked ?? deadlineIn(this.line.clock, TIMING.identifyMs));
    const us = this.line.clock.nowUs() - startUs;
    if (report !== undefined) this.#lastRecovery = { ...report.report, how, us, integrityClass };
    return how === "identified";
  }

  /** What the last recovery did, if there was one. */
  get lastRecovery(): CardRecovery | undefined {
    return this.#lastRecovery;
  }

  /**
   * Judges a status that must be clean.
   * @throws CardError CARD_ABSENT, CARD_LOCKED, CARD_WRITE_PROTECTED, CARD_ERROR
   */
  checkStatus(status: CardStatus, doing: string): void {
    const error = this.statusError(status, doing);
    if (error !== undefined) throw error;
  }

  /** What a status complains about, as an error; undefined for a clean one. */
  statusError({ r1, r2 }: CardStatus, doing: string): CardError | undefined {
    if (r1 & R1.idle) return this.resetSeen(doing);
    if (r1 === 0 && r2 === 0) return undefined;
    const details = { r1, r2 };
    const message = `${doing}: the card reports ${describeStatus({ r1, r2 })}`;
    if (r2 & (R2.writeProtectViolation | R2.eraseSkipOrLockFailed)) {
      return new CardError("CARD_WRITE_PROTECTED", message, {
        details,
        hint: "these blocks are write-protected on the card itself",
      });
    }
    if (r2 & R2.locked)
      return new CardError("CARD_LOCKED", message, { details, hint: HINT.locked });
    return new CardError("CARD_ERROR", message, { details, hint: HINT.powerCycle });
  }

  /** The card says "idle" where it must not: the next operation begins with a recovery, which tells noise from a reset. */
  resetSeen(doing: string): CardError {
    this.#idleSeen = true;
    return wasReset(doing);
  }

  /** After a CRC error, before the next try. */
  async slowDown(error: unknown): Promise<void> {
    this.line.counters.crcErrors++;
    // The bus has given up hardware wait by itself; the clock was not at fault.
    if (isMmcpstoreError(error) && error.details["reason"] === "hardware-wait") return;
    if (await this.line.stepDown()) this.#cappedHz = this.line.frequencyHz;
  }

  async #recover(
    asked: Deadline | undefined,
  ): Promise<{ readonly report: RecoveryReport; readonly same: boolean }> {
    const { line } = this;
    const own = deadlineIn(line.clock, TIMING.recoverMs);
    const bound = own.atUs > this.#eraseUntil.atUs ? own : this.#eraseUntil;
    const deadline = asked === undefined ? bound : earlier(asked, bound);
    line.counters.recoveries++;
    const report = await line.bus.recover(deadline, {
      crcProved: this.#identity.integrityClass === "A",
    });
    line.log.warn({ ...report }, "card recovered from an unknown state");
    if (report.outcome === "ready") {
      const same = await isSameCard(line, this.#identity, deadline);
      if (same) this.#idleSeen = false;
      return { report, same };
    }
    if (report.outcome !== "busy") return { report, same: false };
    throw new CardError("CARD_BUSY", "the card is still busy with what it did before", {
      details: { stateKnown: false },
      hint: "leave it powered and try again later: a reset now could destroy data",
    });
  }

  async #identifyAgain(deadline: Deadline, atOnce = false): Promise<void> {
    const before = this.#identity;
    this.#wasReset = true;
    const capped = this.#cappedHz === undefined ? {} : { speedHz: this.#cappedHz };
    const options = { ...this.#options, ...capped, atOnce };
    const found = await identifyCard(this.line, options, deadline);
    if (found.cid.raw !== before.cid.raw) {
      throw new CardError("CARD_ABSENT", "another card is in the adapter now", {
        details: { expected: before.cid.raw, found: found.cid.raw },
        hint: "put the first card back, or start again with this one",
      });
    }
    this.#wasReset = false;
    this.#idleSeen = false;
    this.#identity = found;
    this.line.log.warn({ cid: found.cid.raw }, "the card was identified again");
  }
}

function tooLate(): CardError {
  return new CardError("CARD_TIMEOUT", "the deadline passed before the card was asked", {
    hint: "give it more time (--timeout)",
  });
}

/** A CRC error, so that the same may be tried again. */
export function isCrcError(error: unknown): boolean {
  return errorCode(error) === "CARD_CRC";
}
