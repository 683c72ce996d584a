import type { AdapterBridge } from "../../spi/bridge.js";
import { deadlineIn } from "../../util/deadline.js";
import { type CardStepOptions, examineCard } from "./card-steps.js";
import { describeClock } from "./card-text.js";
import { Examination, type OnStep } from "./examination.js";
import { isLoopbackFailure } from "./start.js";
import type { BenchTarget, DoctorReport } from "./types.js";

export interface DoctorOptions extends Omit<CardStepOptions, "deadline"> {
  readonly deadlineMs?: number;
  /** Told of each step as it is over, those that are not reached last. */
  readonly onStep?: OnStep;
}

/**
 * Goes from the name of an adapter to a card at its highest clock, a step at a time; says of each what was seen, and what to do
 * about it. Nothing is written. The target is closed by the caller.
 * @throws what is no finding: UsageError, InternalError
 */
export async function runDoctor(
  target: BenchTarget,
  { deadlineMs, onStep, ...options }: DoctorOptions,
): Promise<DoctorReport> {
  const examination = new Examination(onStep);
  await examination.take("package", () => target.load());
  await examination.take("device", () => target.find());
  await examination.take("permission", () => target.permission());
  await examination.take("kernel-driver", () => target.kernelDriver());
  await examination.take("open", () => target.open());
  const bridge = await start(examination, target);
  const deadline =
    deadlineMs === undefined ? {} : { deadline: deadlineIn(target.clock, deadlineMs) };
  const findings =
    bridge === undefined
      ? {}
      : await examineCard(examination, bridge, target, { ...options, ...deadline });
  const adapter = bridge === undefined ? {} : { adapter: bridge.chip.name };
  return { device: target.name, ...adapter, ...findings, steps: await examination.end() };
}

/** Getting in step and the loopback are one to the driver. */
async function start(
  examination: Examination,
  target: BenchTarget,
): Promise<AdapterBridge | undefined> {
  if (examination.isOver) return undefined;
  try {
    const { bridge, loopback } = await target.start();
    const { minFrequencyHz, maxFrequencyHz } = bridge.capabilities;
    const clocks = `${describeClock(minFrequencyHz)} to ${describeClock(maxFrequencyHz)}`;
    await examination.found("sync", { finding: `${bridge.chip.name}, ${clocks}` });
    await examination.found("loopback", loopback);
    return bridge;
  } catch (error) {
    if (isLoopbackFailure(error)) {
      await examination.found("sync", { finding: "the chip answers" });
      await examination.fail("loopback", error);
    } else await examination.fail("sync", error);
    return undefined;
  }
}
