import { describeClock } from "../../device/doctor/card-text.js";
import type { ClockTrial } from "../../device/doctor/clock-search.js";
import { type TuneReport, tune } from "../../device/doctor/tune.js";
import { UsageError } from "../../util/errors.js";
import { formatSize, parseSize } from "../../util/size.js";
import { withTarget } from "../bench-session.js";
import { note, type RunVerb, type VerbFlags, writeJson } from "../context.js";
import { EXIT } from "../exit-codes.js";
import { formatPairs } from "../format/table.js";
import { parseSpeed } from "../options.js";

const DEFAULT_BYTES = 1 << 20;

const LIMITS: Readonly<Record<TuneReport["limitedBy"], string>> = {
  errors: "the next clock up gives errors",
  adapter: "the adapter has no higher clock",
  card: "the card allows no more; --max tries higher clocks all the same",
  asked: "no higher clock was asked for (--max, --speed)",
};

/** `tune`: the highest clock at which so much comes back without an error, and what share of that clock's rate is reached. */
export const run: RunVerb = async (context, _operands, flags) => {
  const { json, crc, timeoutMs, speedHz } = context.settings;
  const bytes = sizeOf(flags);
  const maxHz = highestOf(flags) ?? speedHz;
  const report = await withTarget(context, (target) =>
    tune(target, {
      bytes,
      crc,
      ...(maxHz === undefined ? {} : { maxHz }),
      ...(timeoutMs === undefined ? {} : { deadlineMs: timeoutMs }),
      onTrial: (trial) => note(context, trialText(trial)),
    }),
  );
  if (json) await writeJson(context, "tune", asJson(report));
  else await context.io.writeOut(reportText(report));
  return EXIT.ok;
};

function sizeOf({ size }: VerbFlags): number {
  const bytes = typeof size === "string" ? parseSize(size) : DEFAULT_BYTES;
  if (bytes > 0) return bytes;
  throw new UsageError("--size must be more than nothing", { hint: "write 1M" });
}

function highestOf({ max }: VerbFlags): number | undefined {
  return typeof max === "string" ? parseSpeed(max) : undefined;
}

/** A clock as `--speed` takes it: rounded up, since a bridge rounds down. */
function asSpeed(hz: number): number {
  return Math.ceil(hz);
}

function trialText({ frequencyHz, bytes, error }: ClockTrial): string {
  const how = error === undefined ? "no error" : `${error.message} (after ${bytes} bytes)`;
  return `${describeClock(frequencyHz)}: ${how}`;
}

function asJson({ trials, ...report }: TuneReport): object {
  return {
    ...report,
    speed: asSpeed(report.frequencyHz),
    trials: trials.map(({ error, ...trial }) => ({
      ...trial,
      ok: error === undefined,
      error: error === undefined ? null : { code: error.code, message: error.message },
    })),
  };
}

function reportText(report: TuneReport): string {
  const { frequencyHz, limitedBy, bytes, bytesPerSecond, limitBytesPerSecond, share } = report;
  const mb = (value: number): string => `${(value / 1e6).toPrecision(3)} MB/s`;
  return formatPairs([
    ["adapter", `${report.adapter} (${report.device})`],
    ["card", report.card],
    ["clock", `${describeClock(frequencyHz)}: ${formatSize(bytes)} read without an error`],
    ["limit", LIMITS[limitedBy]],
    [
      "rate",
      `${mb(bytesPerSecond)}, ${(share * 100).toFixed(1)} % of the ${mb(limitBytesPerSecond)} of this clock`,
    ],
    ["use it", `--speed ${asSpeed(frequencyHz)}`],
  ]);
}
