import {
  DEFAULT_GEOMETRY,
  type Geometry,
  LAYOUT_BE64,
  LAYOUT_I386,
  LAYOUT_LE64,
  type RecordLayout,
  type RecordTime,
} from "../index.js";
import { UsageError } from "../util/errors.js";
import type { Context, VerbFlags } from "./context.js";
import { camelCase, parseZoneSize } from "./options.js";

/** The geometry as the user gave it: sizes (missing ones are a kernel's defaults), or to be found. */
export type GeometryChoice = Geometry | "auto";

const SIZES = ["kmsg-size", "pmsg-size", "console-size", "ftrace-size", "cpus"] as const;

/**
 * Sizes on the command line beat a `--geometry auto` of the environment or the configuration file, and the other way round.
 * @throws UsageError for malformed values, or both on the command line
 */
export function parseGeometry({ values }: Context, flags: VerbFlags): GeometryChoice {
  const wanted = values["geometry"];
  if (wanted !== undefined && wanted !== "auto")
    throw new UsageError(`--geometry takes auto, not '${wanted}'`, {
      hint: "or give the sizes: --kmsg-size, --pmsg-size, --console-size, --ftrace-size, --cpus",
    });
  const sized = SIZES.find((name) => flags[camelCase(name)] !== undefined);
  const autoFlag = flags["geometry"] !== undefined;
  if (sized !== undefined && autoFlag)
    throw new UsageError(`--geometry auto finds the sizes itself: leave out --${sized}`);
  if (wanted === "auto" && sized === undefined) return "auto";
  return sizesFrom(values);
}

function sizesFrom(values: Context["values"]): Geometry {
  const size = (name: (typeof SIZES)[number], otherwise: number): number => {
    const text = values[name];
    return typeof text === "string" ? parseZoneSize(name, text) : otherwise;
  };
  return {
    kmsgSize: size("kmsg-size", DEFAULT_GEOMETRY.kmsgSize),
    pmsgSize: size("pmsg-size", DEFAULT_GEOMETRY.pmsgSize),
    consoleSize: size("console-size", DEFAULT_GEOMETRY.consoleSize),
    ftraceSize: size("ftrace-size", DEFAULT_GEOMETRY.ftraceSize),
    cpus: parseCpus(values["cpus"]),
  };
}

function parseCpus(text: string | boolean | undefined): number {
  if (text === undefined) return DEFAULT_GEOMETRY.cpus;
  if (typeof text === "string" && /^[1-9]\d{0,3}$/.test(text)) return Number(text);
  throw new UsageError(`'${text}' is no number of CPUs`, { hint: "--cpus 4" });
}

const LAYOUTS: Readonly<Record<string, RecordLayout>> = {
  le64: LAYOUT_LE64,
  be64: LAYOUT_BE64,
  i386: LAYOUT_I386,
};

/** @throws UsageError */
export function parseLayout(text: unknown): RecordLayout | undefined {
  if (text === undefined) return undefined;
  const layout = Object.hasOwn(LAYOUTS, String(text)) ? LAYOUTS[String(text)] : undefined;
  if (layout !== undefined) return layout;
  throw new UsageError(`there is no layout '${String(text)}'`, { hint: "le64, be64 or i386" });
}

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
