import {
  type AppendReport,
  type AppendRequest,
  BLOCK_SIZE,
  type BlockDevice,
  type Clock,
  deadlineIn,
  holdsForeignData,
  type PstoreStore,
  type Zone,
} from "../../index.js";
import { UsageError } from "../../util/errors.js";
import { type Context, note, type RunVerb, writeJson } from "../context.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { readLog } from "../kernel-log.js";
import {
  describePanic,
  exitOfVerdict,
  notePanic,
  PANIC_DEADLINE_MS,
  panicJson,
} from "../panic-report.js";
import { compressMode, parseReason, parseTime } from "../pstore-options.js";
import { formatTime, withStore } from "../pstore-session.js";
import { confirmDestruction, operand } from "../session.js";

/** `pstore write FILE|-`: a record, written so that a power cut leaves the old records or the new one. */
export const run: RunVerb = async (context, operands, flags) => {
  const path = operand(operands, 0, "file");
  const time = parseTime(flags["time"]);
  const reason = parseReason(flags["reason"]);
  const text = await readLog(context, path);
  if (
    flags["compress"] !== undefined &&
    context.args.includes("--compress") &&
    context.args.includes("--no-compress")
  )
    throw new UsageError("--compress and --no-compress exclude each other");
  return withStore(context, "write", flags, async ({ store, part, device: { clock } }) => {
    const request = {
      text,
      reason,
      compress: compressMode(flags),
      ...(time === undefined ? {} : { time }),
    };
    const { dryRun } = context.settings;
    const { zone } = (await store.planAppend(request)).report;
    if (await isForeign(part.view, zone)) {
      const what = `${zone.type} zone ${zone.index} on ${part.part.description} holds data that is no record: this overwrites it`;
      await clock.outside(confirmDestruction(context, what));
    }
    if (flags["panic"] === true && !dryRun) return panicWrite(context, store, clock, request);
    const report = dryRun ? (await store.planAppend(request)).report : await store.append(request);
    await tell(context, report);
    return EXIT.ok;
  });
};

/** The panic path: past the regular one, against one deadline, with a verdict instead of errors. */
async function panicWrite(
  context: Context,
  store: PstoreStore,
  clock: Clock,
  { text, ...options }: AppendRequest,
): Promise<ExitCode> {
  const armed = await store.arm(clock);
  const record = armed.prepare(text, options);
  const deadline = deadlineIn(clock, context.settings.timeoutMs ?? PANIC_DEADLINE_MS);
  const report = await armed.fire(record, deadline);
  if (context.settings.json) await writeJson(context, "pstore-panic", panicJson(report));
  else await context.io.writeOut(`${describePanic(report)}\n`);
  notePanic(context, report);
  return exitOfVerdict(report.verdict.outcome);
}

/** Enough of a zone to tell what is in it. */
const HEAD_BYTES = 2048;

async function isForeign(view: BlockDevice, zone: Zone): Promise<boolean> {
  const bytes = new Uint8Array(HEAD_BYTES);
  await view.read(zone.offset / BLOCK_SIZE, bytes);
  return holdsForeignData(bytes);
}

async function tell(context: Context, report: AppendReport): Promise<void> {
  const { dryRun, json } = context.settings;
  if (json) {
    const { time, raisedFrom, zone, replaced, hiddenBehind, ...plain } = report;
    await writeJson(context, "pstore-write", {
      ...plain,
      zone: zone.index,
      offset: zone.offset,
      time: formatTime(time),
      raisedFrom: raisedFrom === undefined ? null : formatTime(raisedFrom),
      replaced: replaced === undefined ? null : { ...replaced, time: formatTime(replaced.time) },
      hiddenBehind: hiddenBehind?.index ?? null,
      dryRun,
      verified: !dryRun,
    });
  } else {
    await context.io.writeOut(summary(report, dryRun));
  }
  for (const line of remarks(report)) note(context, line);
}

function summary(report: AppendReport, dryRun: boolean): string {
  const { name, reason, counter, time, compressed, storedBytes, textBytes } = report;
  const packed = compressed ? `deflated to ${storedBytes}` : "raw";
  const what = `${name}: ${reason} #${counter}, ${textBytes} bytes (${packed}), ${formatTime(time)}`;
  return dryRun ? `would write ${what}\n` : `wrote ${what}; read back and verified\n`;
}

function remarks(report: AppendReport): string[] {
  const { raisedFrom, droppedLines, droppedBytes, addedDumpLine, replaced, hiddenBehind } = report;
  return [
    ...(raisedFrom === undefined
      ? []
      : [`note: the time was raised from ${formatTime(raisedFrom)}: a newer record is there`]),
    ...(droppedLines === 0
      ? []
      : [`note: the oldest ${droppedLines} lines (${droppedBytes} bytes) did not fit`]),
    ...(addedDumpLine ? ["note: the line that a kernel puts in front of a dump was added"] : []),
    ...(replaced === undefined
      ? []
      : [`note: no zone was free: ${replaced.reason} #${replaced.counter} went`]),
    ...(hiddenBehind === undefined
      ? []
      : [
          `warning: a kernel stops its listing at the damaged ${hiddenBehind.type} zone ${hiddenBehind.index} and will not show this record`,
        ]),
  ];
}
