import type { WaitJob } from "./clock-job.js";
import type { FtdiSettings } from "./options.js";
import type { SpiWire } from "./wire.js";

const BYTE_BITS = 8;
const SLACK = 1e-6;
/** A wait is looked at after this part of the time that it has taken already. */
const LOOK_PART = 64;
const MIN_LOOK_US = 20;

export interface WaitRunContext {
  readonly atUs: number;
  readonly untilUs: number;
  readonly usPerBit: number;
  /** It may stop after any clock, not only after whole bytes. */
  readonly byClock: boolean;
}

/**
 * In how many microseconds a wait may be over at the earliest, as far as the link must know: it looks half a round trip
 * later. The end is found to the clock all the same; only after a long wait the host may see it a little late.
 */
export function waitLookUs(job: WaitJob, settings: FtdiSettings, usPerBit: number): number {
  const unitUs = job.clocking ? BYTE_BITS * usPerBit : 0;
  const lookUs = Math.max(MIN_LOOK_US, job.waitedUs / LOOK_PART);
  return Math.max(unitUs, lookUs - settings.roundTripUs / 2);
}

/** Waits up to `untilUs`. */
export function runWaitJob(
  job: WaitJob,
  wire: SpiWire,
  context: WaitRunContext,
): { readonly atUs: number; readonly over: boolean; readonly clockedBytes: number } {
  if (!job.clocking) {
    const over = wire.gpiol1(context.untilUs) === (job.level === "high");
    job.waitedUs += context.untilUs - context.atUs;
    return { atUs: context.untilUs, over, clockedBytes: 0 };
  }
  const unit = context.byClock ? 1 : BYTE_BITS;
  let atUs = context.atUs;
  let bits = 0;
  let over = false;
  for (;;) {
    over = job.bitsLeft <= 0 || wire.gpiol1(atUs) === (job.level === "high");
    if (over || atUs + unit * context.usPerBit > context.untilUs + SLACK) break;
    const run = { atUs, usPerBit: context.usPerBit };
    if (context.byClock) wire.bits(undefined, unit, run);
    else wire.bytes(undefined, undefined, 1, run);
    atUs += unit * context.usPerBit;
    job.bitsLeft -= unit;
    bits += unit;
  }
  job.waitedUs += atUs - context.atUs;
  return { atUs, over, clockedBytes: bits / BYTE_BITS };
}
