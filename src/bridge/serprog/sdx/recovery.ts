import type { RecoveryKnowledge, RecoveryReport, RecoveryStep } from "../../../spi/card-bus.js";
import { describeFailure } from "../../../spi/engine-errors.js";
import { BridgeError } from "../../../spi/errors.js";
import type { Deadline } from "../../../util/deadline.js";
import { errorCode } from "../../../util/errors.js";
import { encodeAbortPayload, type SdxAborted } from "./codec.js";
import { SDX } from "./protocol.js";
import type { SdxSession } from "./session.js";

const STEPS: ReadonlyMap<number, RecoveryStep> = new Map<number, RecoveryStep>([
  [SDX.STEP_BRIDGE, "bridge"],
  [SDX.STEP_DRAIN, "drain"],
  [SDX.STEP_BUSY, "busy"],
  [SDX.STEP_ACCESS, "access"],
  [SDX.STEP_CMD12, "CMD12"],
  [SDX.STEP_STOP_TOKEN, "stop-token"],
  [SDX.STEP_PROBE, "probe"],
  [SDX.STEP_POISON, "poison"],
]);

const OUTCOMES: ReadonlyMap<number, RecoveryReport["outcome"]> = new Map<
  number,
  RecoveryReport["outcome"]
>([
  [SDX.READY, "ready"],
  [SDX.REINITIALISE, "reinitialise"],
  [SDX.SILENT, "silent"],
  [SDX.STAYS_BUSY, "busy"],
]);

/**
 * The firmware brings the card back: {@link CardBus.recover}.
 * @throws what the link throws, but for a deadline that passes: outcome `silent`
 */
export async function recoverBy(
  session: SdxSession,
  ms: number,
  deadline: Deadline,
  known: RecoveryKnowledge = { crcProved: false },
): Promise<RecoveryReport> {
  try {
    return reportOf(await session.abort(encodeAbortPayload(ms, known), deadline));
  } catch (cause) {
    const error = describeFailure(cause, "recovery");
    if (errorCode(error) !== "BRIDGE_TIMEOUT") throw error;
    return { outcome: "silent", steps: ["bridge"], bytesClocked: 0, waitBytes: 0 };
  }
}

function reportOf(aborted: SdxAborted): RecoveryReport {
  const { probe, bytesClocked, waitBytes } = aborted;
  const outcome = OUTCOMES.get(aborted.outcome);
  if (outcome === undefined) {
    throw new BridgeError("BRIDGE_PROTOCOL", "the adapter's firmware did not recover the card", {
      details: { outcome: aborted.outcome },
    });
  }
  const steps = aborted.steps.flatMap((step) => STEPS.get(step) ?? []);
  return { outcome, steps, bytesClocked, waitBytes, ...(probe && { status: probe }) };
}
