import type { CompressMode, RecordTime } from "../index.js";
import { UsageError } from "../util/errors.js";
import type { VerbFlags } from "./context.js";

const REASONS = ["panic", "oops", "emergency", "shutdown"];

/** The kernel's number of a reason, 1..4. @throws UsageError */
export function parseReason(text: unknown): number {
  const at = REASONS.indexOf(String(text ?? "panic").toLowerCase());
  if (at >= 0) return at + 1;
  throw new UsageError(`there is no reason '${String(text)}'`, { hint: REASONS.join(", ") });
}

/** Date and time with up to nine digits of a second; UTC unless it says otherwise. */
const TIME =
  /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:?\d\d)?)?$/i;

/** @throws UsageError unless it is an ISO 8601 time */
export function parseTime(text: unknown): RecordTime | undefined {
  if (text === undefined) return undefined;
  const [, date, clock = "00:00", second = "00", fraction = "", zone = "Z"] =
    TIME.exec(String(text)) ?? [];
  const ms = Date.parse(`${date}T${clock}:${second}${isoZone(zone)}`);
  if (Number.isNaN(ms))
    throw new UsageError(`'${String(text)}' is not a time`, {
      hint: "write 2026-11-20T07:31:12Z",
    });
  return { seconds: BigInt(ms / 1000), nanoseconds: Number(fraction.padEnd(9, "0")) };
}

function isoZone(zone: string): string {
  return /^[+-]\d{4}$/.test(zone) ? `${zone.slice(0, 3)}:${zone.slice(3)}` : zone.toUpperCase();
}

/** `--compress`, `--no-compress`, neither. */
export function compressMode({ compress }: VerbFlags): CompressMode {
  if (compress === undefined) return "auto";
  return compress === true ? "always" : "never";
}
