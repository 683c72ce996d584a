import { BLOCK_SIZE, type BlockDevice } from "../block/device.js";
import {
  type ArmedPort,
  allEqual,
  checkExtents,
  describeError,
  type PanicExtent,
  type PanicOutcome,
  type PanicPort,
  type PanicRecovery,
  type PanicVerdict,
  type PanicWrite,
} from "../block/panic.js";
import { CardError } from "../spi/errors.js";
import type { Clock } from "../util/clock.js";
import { type Deadline, earlier, expired } from "../util/deadline.js";
import { errorCode, isMmcpstoreError } from "../util/errors.js";
import type { CardRecovery } from "./recovery/report.js";
import { type CardSession, isCrcError, PANIC_FAILURES_IN_A_ROW } from "./session.js";
import { BlockTransfer } from "./transfer.js";

/** What the card gives its port. */
export interface PanicCard extends BlockDevice {
  /** Takes the card from its regular users, whose calls reject with BLOCK_PREEMPTED; those made from here on wait for `done`. */
  takeOver(done: Promise<unknown>): CardSession;
}

/**
 * The first sector of what may be written, as it was when all was well, or as a panic has left it: the card in the slot must still
 * have it.
 */
interface Mark {
  readonly lba: number;
  /** One, or while it is being written two: each half of the sector is that of one of them. */
  mayBe: readonly Uint8Array[];
}

/** The port of a card behind any bus: frames, CRC, recovery and the bus alone. */
export function cardPanicPort(card: PanicCard, clock: Clock): PanicPort {
  return {
    prepare: async (extents, { changing = false } = {}) => {
      checkExtents(card, extents);
      const armed = new ArmedCard(
        card,
        clock,
        await readMark(card, changing ? undefined : extents[0]),
      );
      return { fire: (...shot) => armed.fire(...shot) };
    },
  };
}

async function readMark(
  card: BlockDevice,
  extent: PanicExtent | undefined,
): Promise<Mark | undefined> {
  if (extent === undefined) return undefined;
  const bytes = new Uint8Array(BLOCK_SIZE);
  await card.read(extent.lba, bytes);
  return { lba: extent.lba, mayBe: [bytes] };
}

class ArmedCard implements ArmedPort {
  readonly #card: PanicCard;
  readonly #clock: Clock;
  readonly #mark: Mark | undefined;
  /** One shot at a time. */
  #tail: Promise<unknown> = Promise.resolve();

  constructor(card: PanicCard, clock: Clock, mark: Mark | undefined) {
    this.#card = card;
    this.#clock = clock;
    this.#mark = mark;
  }

  fire(
    steps: readonly (readonly PanicWrite[])[],
    compare: readonly PanicWrite[],
    deadline: Deadline,
  ): Promise<PanicVerdict> {
    const shot = this.#tail.then(() => {
      let done: () => void = () => undefined;
      const over = new Promise<void>((resolve) => {
        done = resolve;
      });
      const session = this.#card.takeOver(over);
      return new Shot(session, this.#clock, this.#mark, deadline).run(steps, compare).finally(done);
    });
    this.#tail = shot.catch(() => undefined);
    return shot;
  }
}

function halfEqual(one: Uint8Array, other: Uint8Array, at: number): boolean {
  const end = at + BLOCK_SIZE / 2;
  return Buffer.compare(one.subarray(at, end), other.subarray(at, end)) === 0;
}

/** A card that is there, but is not the one that was armed. */
function wrongCard(lba: number): CardError {
  return new CardError("CARD_ABSENT", "another card, or one that was copied, is in the adapter", {
    details: { found: `other contents in block ${lba}` },
    hint: "put the card back that was armed, or start again with this one",
  });
}

/** One panic write. */
class Shot {
  readonly #session: CardSession;
  readonly #clock: Clock;
  readonly #mark: Mark | undefined;
  readonly #deadline: Deadline;
  readonly #startUs: number;
  #stepsDone = 0;
  #dataAtRisk = false;
  #recovery: PanicRecovery | undefined;

  constructor(session: CardSession, clock: Clock, mark: Mark | undefined, deadline: Deadline) {
    this.#session = session;
    this.#clock = clock;
    this.#mark = mark;
    this.#deadline = deadline;
    this.#startUs = clock.nowUs();
  }

  async run(
    steps: readonly (readonly PanicWrite[])[],
    compare: readonly PanicWrite[],
  ): Promise<PanicVerdict> {
    try {
      await this.#takeBack();
      const transfer = new BlockTransfer(this.#session, PANIC_FAILURES_IN_A_ROW);
      for (const step of steps) {
        for (const write of step) await this.#write(transfer, write);
        this.#stepsDone++;
      }
      return await this.#verify(transfer, compare);
    } catch (error) {
      return this.#verdict(this.#outcomeOf(error), error);
    }
  }

  /** A card that takes a command and then sends nothing, though there is time left, has gone in between. */
  #outcomeOf(error: unknown): PanicOutcome {
    const outcome = outcomeOf(error);
    const silent = isMmcpstoreError(error) && error.details["reason"] === "no-token";
    return silent && outcome === "deadline" && !expired(this.#clock, this.#deadline)
      ? "card-gone"
      : outcome;
  }

  /**
   * Each block is sent at most twice: once more, because nothing protects a response, so that a card that seems to refuse may not
   * have. One that was power-cycled, or another one in its place, shows only now: it is taken back once.
   */
  async #write(transfer: BlockTransfer, write: PanicWrite): Promise<void> {
    try {
      await this.#send(transfer, write);
    } catch (error) {
      const lost = !this.#session.stateKnown;
      if (isCrcError(error) || (lost && this.#recovery !== undefined)) throw error;
      if (lost) await this.#takeBack();
      await this.#send(transfer, write);
    }
  }

  async #send(transfer: BlockTransfer, { lba, bytes }: PanicWrite): Promise<void> {
    const mark = this.#mark;
    const at = mark === undefined ? -1 : (mark.lba - lba) * BLOCK_SIZE;
    const marked = at >= 0 && at < bytes.length;
    const next = bytes.subarray(at, at + BLOCK_SIZE);
    if (mark !== undefined && marked) mark.mayBe = [...mark.mayBe, next];
    await transfer.write(lba, bytes, this.#deadline);
    if (mark !== undefined && marked) mark.mayBe = [next];
  }

  /** A card in transfer state is not bothered. One that stays busy is reset when half of the time is gone. */
  async #takeBack(): Promise<void> {
    if (this.#session.stateKnown) return;
    const half = { atUs: this.#startUs + (this.#deadline.atUs - this.#startUs) / 2 };
    try {
      await this.#session.ensureReady(this.#deadline, earlier(half, this.#deadline));
    } catch (error) {
      if (errorCode(error) !== "CARD_BUSY") throw error;
      await this.#forceReset(error);
    }
    this.#recovery = summary(this.#session.lastRecovery);
    await this.#checkMark();
  }

  /** A card may take no CMD0 while it is busy: then that is what it is. */
  async #forceReset(busy: unknown): Promise<void> {
    this.#dataAtRisk = true;
    try {
      await this.#session.forceReset(this.#deadline);
    } catch (error) {
      const low = isMmcpstoreError(error) && error.details["miso"] === "low";
      throw low || expired(this.#clock, this.#deadline) ? busy : error;
    }
  }

  async #checkMark(): Promise<void> {
    if (this.#mark === undefined) return;
    const { lba, mayBe } = this.#mark;
    const transfer = new BlockTransfer(this.#session, PANIC_FAILURES_IN_A_ROW);
    const found = new Uint8Array(BLOCK_SIZE);
    await transfer.read(lba, found, this.#deadline);
    const known = [0, BLOCK_SIZE / 2].every((at) => mayBe.some((one) => halfEqual(one, found, at)));
    if (!known) throw wrongCard(lba);
  }

  async #verify(transfer: BlockTransfer, compare: readonly PanicWrite[]): Promise<PanicVerdict> {
    const compared = (): Promise<boolean> => allEqual(transfer, compare, this.#deadline);
    try {
      const equal = await compared().catch(compared);
      return this.#verdict(equal ? "committed" : "committed-unverified");
    } catch (error) {
      return this.#verdict("committed-unverified", error);
    }
  }

  #verdict(outcome: PanicOutcome, error?: unknown): PanicVerdict {
    return {
      outcome,
      stepsDone: this.#stepsDone,
      dataAtRisk: this.#dataAtRisk,
      us: this.#clock.nowUs() - this.#startUs,
      ...(this.#recovery === undefined ? {} : { recovery: this.#recovery }),
      ...(error === undefined ? {} : { error: describe(error) }),
    };
  }
}

/** From outside, a socket without a card and a card that hears nothing look the same. */
const SILENT =
  "if it is there, take its power away for a second: left in 1.8 V signalling, or waiting for data with CRC checking off, it answers nothing until then";

function describe(error: unknown): NonNullable<PanicVerdict["error"]> {
  const told = describeError(error);
  const silent = isMmcpstoreError(error) && error.details["miso"] === "high";
  return silent ? { ...told, hint: `${told.hint}; ${SILENT}` } : told;
}

function summary(recovery: CardRecovery | undefined): PanicRecovery | undefined {
  if (recovery === undefined) return undefined;
  const { steps, bytesClocked, waitBytes, us, integrityClass, how } = recovery;
  const all = how === "identified" ? [...steps, "identify"] : [...steps, "identity"];
  return { steps: all, bytesClocked, waitBytes, us, integrityClass };
}

const OUTCOMES: Readonly<Record<string, PanicOutcome>> = {
  CARD_BUSY: "card-busy",
  CARD_TIMEOUT: "deadline",
  BRIDGE_TIMEOUT: "deadline",
  CARD_ABSENT: "card-gone",
  CARD_NO_RESPONSE: "card-gone",
  CARD_LOCKED: "locked",
  CARD_WRITE_PROTECTED: "write-protected",
  CARD_REFUSED: "needs-power-cycle",
  CARD_UNUSABLE: "needs-power-cycle",
};

function outcomeOf(error: unknown): PanicOutcome {
  const code = errorCode(error) ?? "";
  if (isMmcpstoreError(error) && error.details["found"] !== undefined) return "wrong-card";
  const known = OUTCOMES[code];
  if (known !== undefined) return known;
  return code.startsWith("CARD_") ? "write-failed" : "bridge-gone";
}
