import { UsageError } from "../util/errors.js";
import { type OptionValues, parseDuration, parseSpeed } from "./options.js";

/** The common options, parsed. */
export interface Settings {
  readonly device: string | undefined;
  readonly part: string | undefined;
  readonly json: boolean;
  /** Hz; undefined: automatic. */
  readonly speedHz: number | undefined;
  readonly crc: boolean;
  readonly readOnly: boolean;
  /** The signals of the adapter have been measured. */
  readonly voltageChecked: boolean;
  readonly timeoutMs: number | undefined;
  /** undefined: do not wait. */
  readonly waitMs: number | undefined;
  readonly dryRun: boolean;
  readonly yes: boolean;
  readonly verbose: boolean;
  readonly quiet: boolean;
  readonly logFile: string | undefined;
}

/** How long a bare `--wait` waits. */
const WAIT_DEFAULT_MS = 60_000;

/** @throws UsageError for a malformed value */
export function parseSettings(values: OptionValues): Settings {
  return {
    device: text(values["device"]),
    part: text(values["part"]),
    json: values["json"] === true,
    speedHz: parseSpeed(text(values["speed"]) ?? "auto"),
    crc: parseOnOff("crc", text(values["crc"]) ?? "on"),
    readOnly: values["read-only"] === true,
    voltageChecked: values["i-checked-3v3"] === true,
    timeoutMs: duration(values["timeout"]),
    waitMs: values["wait"] === true ? WAIT_DEFAULT_MS : duration(values["wait"]),
    dryRun: values["dry-run"] === true,
    yes: values["yes"] === true,
    verbose: values["verbose"] === true,
    quiet: values["quiet"] === true,
    logFile: text(values["log-file"]),
  };
}

function text(value: string | boolean | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function duration(value: string | boolean | undefined): number | undefined {
  return typeof value === "string" ? parseDuration(value) : undefined;
}

function parseOnOff(name: string, value: string): boolean {
  if (value === "on" || value === "off") return value === "on";
  throw new UsageError(`--${name} takes on or off, not '${value}'`);
}
