import { CardError } from "../spi/errors.js";
import type { Deadline } from "../util/deadline.js";
import type { CardLine } from "./card-line.js";
import { HINT, isNoise } from "./errors.js";
import { type CardRegisters, rereadCid } from "./inspect.js";
import { DEFAULT_MAX_HZ, TIMING } from "./timing.js";

const MAX_STEPS_DOWN = 6;

/**
 * Raises the clock to what was asked for, else to what the card's TRAN_SPEED allows, 25 MHz at most; and proves it by reading
 * the CID again, stepping down until that comes through.
 * @throws CardError CARD_CRC if no clock works
 */
export async function raiseClock(
  line: CardLine,
  { cid, csd }: CardRegisters,
  speedHz: number | undefined,
  deadline: Deadline,
): Promise<void> {
  // A reserved TRAN_SPEED says nothing: the clock of identification is known to work.
  const allowed = csd.maxFrequencyHz === 0 ? line.frequencyHz : csd.maxFrequencyHz;
  const target = speedHz ?? Math.min(allowed, DEFAULT_MAX_HZ);
  if (target > line.frequencyHz) await line.setFrequency(target);
  for (let steps = 0; steps <= MAX_STEPS_DOWN; steps++) {
    if (await works(line, cid, deadline)) return;
    if (!(await line.stepDown())) break;
    if (!line.bus.stateKnown) await line.bus.recover(line.within(deadline, TIMING.recoverMs));
  }
  throw new CardError("CARD_CRC", "the card's CID does not come through at any clock", {
    details: { frequencyHz: line.frequencyHz },
    hint: HINT.wiring,
  });
}

async function works(
  line: CardLine,
  cid: CardRegisters["cid"],
  deadline: Deadline,
): Promise<boolean> {
  try {
    return await rereadCid(line, cid, deadline);
  } catch (error) {
    if (!isNoise(error)) throw error;
    return false;
  }
}
