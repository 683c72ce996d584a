import type { CardBusCapabilities, RecoveryReport } from "../spi/card-bus.js";
import { CardError } from "../spi/errors.js";
import { type Deadline, deadlineIn, earlier, expired } from "../util/deadline.js";
import { type ErrorCode, errorCode } from "../util/errors.js";
import type { CardLine } from "./card-line.js";
import { buildCommand } from "./commands.js";
import { HINT } from "./errors.js";
import { describeR1, R1 } from "./r1.js";
import { START_UP_BYTES, TIMING } from "./timing.js";

const TRIES_BEFORE_RECOVERY = 5;
/** A card that answers at all gives one or two R1s, after some garbage of an interrupted transfer. */
const MAX_DIFFERENT_ANSWERS = 6;
const MAX_PAUSE_US = 10_000;

/** Power-up clocks, the card left alone while it programs (not with `atOnce`), CMD0 until it says "idle". */
export async function wakeCard(
  line: CardLine,
  deadline: Deadline,
  { atOnce = false }: { readonly atOnce?: boolean } = {},
): Promise<void> {
  await line.bus.startUp(START_UP_BYTES, line.within(deadline, TIMING.responseMs));
  if (!atOnce) await letFinish(line, deadline);
  await resetCard(line, deadline);
}

/**
 * CMD0 until R1 is 01; nothing else counts. Garbage comes first when the card was left in a transfer, 00 when it
 * was already initialised, nothing when it takes the frames for data: then it is drained in between.
 * @throws CardError CARD_ABSENT, CARD_CRC, CARD_REFUSED
 */
export async function resetCard(line: CardLine, deadline: Deadline): Promise<void> {
  const seen = new ResetEvidence();
  let phase = line.within(deadline, TIMING.resetMs);
  for (let tries = 1; tries <= TIMING.resetTries && !expired(line.clock, phase); tries++) {
    const r1 = await tryReset(line, deadline);
    if (r1 === R1.idle) return;
    seen.add(r1);
    if (tries === TRIES_BEFORE_RECOVERY) {
      seen.recovery = await drain(line, deadline);
      phase = earlier(deadline, deadlineIn(line.clock, TIMING.resetMs));
    } else await line.clock.sleep(Math.min(tries * 1000, MAX_PAUSE_US));
  }
  throw seen.verdict(line.bus.capabilities);
}

/** A reset while it programs may destroy the card's format. Bounded: without a pull-up MISO is low before CMD0. */
async function letFinish(line: CardLine, deadline: Deadline): Promise<void> {
  try {
    await line.bus.wait(line.within(deadline, TIMING.busyBeforeResetMs));
  } catch (error) {
    if (!isCardFailure(error)) throw error;
    line.log.debug({ code: errorCode(error) }, "MISO is low before CMD0");
    await drain(line, deadline);
  }
}

async function tryReset(line: CardLine, deadline: Deadline): Promise<number | undefined> {
  try {
    const command = buildCommand("CMD0_GO_IDLE_STATE");
    const { r1 } = await line.bus.command(command, line.within(deadline, TIMING.responseMs));
    return r1;
  } catch (error) {
    if (!isCardFailure(error)) throw error;
    return undefined;
  }
}

async function drain(line: CardLine, deadline: Deadline): Promise<RecoveryReport["outcome"]> {
  line.counters.recoveries++;
  const report = await line.bus.recover(line.within(deadline, TIMING.busyBeforeResetMs));
  return report.outcome;
}

function isCardFailure(error: unknown): boolean {
  const code = errorCode(error);
  return code === "CARD_NO_RESPONSE" || code === "CARD_BUSY" || code === "CARD_TIMEOUT";
}

/** Why no CMD0 was answered with 01. */
class ResetEvidence {
  recovery: RecoveryReport["outcome"] | undefined;
  #last: number | undefined;
  #answers = 0;
  #crcErrors = 0;
  readonly #different = new Set<number>();

  add(r1: number | undefined): void {
    if (r1 === undefined) return;
    this.#last = r1;
    this.#answers++;
    this.#different.add(r1);
    if (r1 & R1.crcError) this.#crcErrors++;
  }

  verdict({ noStartUpClocks }: CardBusCapabilities): CardError {
    if (this.recovery === "busy") {
      return this.#error("CARD_ABSENT", "no card answers: MISO stays low", HINT.stuckLow, "low");
    }
    if (this.#last === undefined) {
      const hint = noStartUpClocks === true ? `${HINT.absent}; ${HINT.noStartUp}` : HINT.absent;
      return this.#error("CARD_ABSENT", "no card answers: MISO stays high", hint, "high");
    }
    if (this.#different.size > MAX_DIFFERENT_ANSWERS) {
      const message = "what comes on MISO makes no sense: noise, or no card";
      return this.#error("CARD_CRC", message, HINT.wiring);
    }
    if (this.#crcErrors * 2 > this.#answers) {
      return this.#error("CARD_CRC", "the card finds a CRC error in every CMD0", HINT.wiring);
    }
    const answer = describeR1(this.#last);
    const message = `the card does not go into idle state: CMD0 is answered with ${answer}`;
    return this.#error("CARD_REFUSED", message, HINT.powerCycle);
  }

  #error(code: ErrorCode, message: string, hint: string, miso?: "low" | "high"): CardError {
    const { recovery } = this;
    const details = { answers: this.#answers, lastR1: this.#last, recovery };
    return new CardError(code, message, { details: { ...details, ...(miso && { miso }) }, hint });
  }
}
