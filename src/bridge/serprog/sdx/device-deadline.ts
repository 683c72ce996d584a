import type { Clock } from "../../../util/clock.js";
import { type Deadline, remainingUs } from "../../../util/deadline.js";

/** For the reply to come back, ms; of a short deadline a part. */
const RESERVE_MS = 20;
const RESERVE_SHARE = 8;
/** 256 ms, 1 s, 4 s, 16 s, ... */
const COARSE_START_MS = 256;
const COARSE_FACTOR = 4;

/**
 * Milliseconds that the firmware may take, so that its answer is here by `deadline`; at least 1.
 * @param coarse rounded up so far that a replay, whose clock is not quite the recorded one, asks for the same
 */
export function deviceMs(clock: Clock, deadline: Deadline, coarse: boolean): number {
  const left = remainingUs(clock, deadline) / 1000;
  if (!coarse) return Math.max(1, Math.floor(left - Math.min(RESERVE_MS, left / RESERVE_SHARE)));
  let ms = COARSE_START_MS;
  while (ms < left) ms *= COARSE_FACTOR;
  return ms;
}
