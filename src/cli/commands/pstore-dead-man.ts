import {
  type Clock,
  DeadmanRecord,
  type DeadmanStatus,
  deadlineIn,
  type PanicOutcome,
  type PstoreStore,
} from "../../index.js";
import { UsageError } from "../../util/errors.js";
import { type Context, note, type RunVerb, type VerbFlags, writeJson } from "../context.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { readLog } from "../kernel-log.js";
import { parseDuration } from "../options.js";
import { describeOutcome, exitOfVerdict, PANIC_DEADLINE_MS } from "../panic-report.js";
import { compressMode, parseReason } from "../pstore-options.js";
import { formatTime, type OpenedStore, withStore } from "../pstore-session.js";
import { operand } from "../session.js";

const HEARTBEAT_MS = 5000;
/** Below that a busy machine is taken for a dead one. */
const LEAST_HEARTBEAT_MS = 500;
const BEATS_A_HEARTBEAT = 3;
const ASK_MS = 2000;

/** `pstore dead-man FILE|-`: a record that the adapter writes when this program falls silent; Ctrl-C takes it back. */
export const run: RunVerb = async (context, operands, flags) => {
  const text = await readLog(context, operand(operands, 0, "file"));
  const reason = parseReason(flags["reason"]);
  const heartbeatMs = heartbeatOf(flags);
  const use = async (opened: OpenedStore): Promise<ExitCode> => {
    const { store, part, device } = opened;
    const record = await preparedRecord(store, device.clock, text, reason, flags);
    const options = { heartbeatMs, writeMs: context.settings.timeoutMs ?? PANIC_DEADLINE_MS };
    if (context.settings.dryRun) return tellPlan(context, record.armed.plan(record.record));
    const deadman = await DeadmanRecord.arm(
      part.view,
      record.armed,
      record.record,
      options,
      deadlineIn(device.clock, options.writeMs),
    );
    await tellArmed(context, deadman, heartbeatMs);
    return keepAlive(context, deadman, device.clock, heartbeatMs);
  };
  return withStore(context, "write", flags, use, { ownSignals: true });
};

function heartbeatOf({ heartbeat }: VerbFlags): number {
  const ms = typeof heartbeat === "string" ? parseDuration(heartbeat) : HEARTBEAT_MS;
  if (ms >= LEAST_HEARTBEAT_MS) return ms;
  throw new UsageError(`a heartbeat of ${ms} ms is too short`, {
    hint: `a busy machine would be taken for a dead one: ${LEAST_HEARTBEAT_MS}ms or more`,
  });
}

async function preparedRecord(
  store: PstoreStore,
  clock: Clock,
  text: Uint8Array,
  reason: number,
  flags: VerbFlags,
): Promise<{
  readonly armed: Awaited<ReturnType<PstoreStore["arm"]>>;
  readonly record: ReturnType<Awaited<ReturnType<PstoreStore["arm"]>>["prepare"]>;
}> {
  const armed = await store.arm(clock);
  return { armed, record: armed.prepare(text, { reason, compress: compressMode(flags) }) };
}

async function tellPlan(context: Context, plan: DeadmanRecord["plan"]): Promise<ExitCode> {
  await context.io.writeOut(`would arm ${plan.name}: #${plan.counter}\n`);
  return EXIT.ok;
}

async function tellArmed(
  context: Context,
  { plan }: DeadmanRecord,
  heartbeatMs: number,
): Promise<void> {
  const { name, counter, time } = plan;
  if (context.settings.json)
    await writeJson(context, "dead-man", {
      event: "armed",
      name,
      counter,
      time: formatTime(time),
      heartbeatMs,
    });
  else
    await context.io.writeOut(
      `armed ${name}: #${counter}, ${formatTime(time)}; the adapter writes it when this program is silent for ${heartbeatMs / 1000} s\n`,
    );
  note(context, "Ctrl-C takes it back");
}

/** Until a signal, or until the adapter has lost sight of this program. */
async function keepAlive(
  context: Context,
  deadman: DeadmanRecord,
  clock: Clock,
  heartbeatMs: number,
): Promise<ExitCode> {
  let isStopped = false;
  let wake: () => void = () => undefined;
  const off = context.io.onSignal(() => {
    isStopped = true;
    wake();
  });
  try {
    while (!isStopped) {
      const status = await deadman.beat(deadlineIn(clock, ASK_MS));
      if (status.state !== "armed") return await tellFired(context, deadman, status);
      const stopped = new Promise<void>((resolve) => {
        wake = resolve;
      });
      if (!isStopped)
        await Promise.race([stopped, clock.sleep((heartbeatMs * 1000) / BEATS_A_HEARTBEAT)]);
    }
    await deadman.disarm(deadlineIn(clock, ASK_MS));
    if (context.settings.json) await writeJson(context, "dead-man", { event: "disarmed" });
    else await context.io.writeOut("disarmed: nothing was written\n");
    return EXIT.ok;
  } finally {
    off();
  }
}

async function tellFired(
  context: Context,
  { plan }: DeadmanRecord,
  { outcome, ms, state }: DeadmanStatus,
): Promise<ExitCode> {
  const verdict: PanicOutcome = outcome ?? "bridge-gone";
  if (context.settings.json)
    await writeJson(context, "dead-man", { event: state, outcome: verdict, name: plan.name, ms });
  else
    await context.io.writeOut(
      `the adapter lost sight of this program: ${plan.name}: ${describeOutcome(verdict)}, in ${ms} ms\n`,
    );
  return exitOfVerdict(verdict);
}
