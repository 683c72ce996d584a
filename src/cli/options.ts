import { UsageError } from "../util/errors.js";
import { parseSize } from "../util/size.js";

/** Where an option's value comes from, best first. */
export interface OptionSources {
  readonly flags: Readonly<Record<string, unknown>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly config: Readonly<Record<string, unknown>>;
}

export interface OptionSpec {
  /** Long name as typed, without dashes. */
  readonly name: string;
  readonly flags: string;
  readonly help: string;
  /** `flag` takes no value, `optional` may take one. */
  readonly kind: "flag" | "text" | "optional";
}

const option = (
  name: string,
  kind: OptionSpec["kind"],
  flags: string,
  help: string,
): OptionSpec => ({ name, kind, flags, help });

/** Options that every verb takes; each is also `MMCPSTORE_<NAME>` and a key of config.toml. */
export const COMMON_OPTIONS: readonly OptionSpec[] = [
  option(
    "device",
    "text",
    "-d, --device <device>",
    "ft232h[:SERIAL], ft2232h[:SERIAL][/B], ft4232h, tigard, ch341a, ch347, mcp2210, serprog:/dev/ttyACM0[@BAUD], usb:1-3.4, sim:card.img, sim:unix:PATH, image:card.img, replay:FILE",
  ),
  option(
    "part",
    "text",
    "-p, --part <part>",
    "p2, label=pstore, PARTUUID=..., /dev/mmcblk0p2, 179:2, b302, START+LENGTH, whole",
  ),
  option("json", "flag", "--json", "results (and errors) as JSON"),
  option(
    "speed",
    "text",
    "--speed <hz>",
    "SPI clock (400k, 15M) or auto: the card's own rate, at most 25 MHz",
  ),
  option("crc", "text", "--crc <on|off>", "CRC checking by the card (on)"),
  option("read-only", "flag", "--read-only", "refuse everything that writes"),
  option(
    "i-checked-3v3",
    "flag",
    "--i-checked-3v3",
    "the signals of this CH341A have been measured: 3.3 V, not 5 V",
  ),
  option("timeout", "text", "--timeout <duration>", "give up after this time (500ms, 5s, 2m)"),
  option("wait", "optional", "--wait [duration]", "wait for the device to appear"),
  option("dry-run", "flag", "--dry-run", "say what would be written, write nothing"),
  option("yes", "flag", "-y, --yes", "do not ask before destroying data"),
  option("verbose", "flag", "-v, --verbose", "tell more on stderr"),
  option("quiet", "flag", "-q, --quiet", "tell only errors"),
  option("log-file", "text", "--log-file <file>", "log in full detail (JSON lines)"),
];

/** Options of the pstore verbs: the kernel's own parameters. */
export const PSTORE_OPTIONS: readonly OptionSpec[] = [
  option("kmsg-size", "text", "--kmsg-size <size>", "size of one dmesg zone (64K)"),
  option("pmsg-size", "text", "--pmsg-size <size>", "size of the pmsg zone (0)"),
  option("console-size", "text", "--console-size <size>", "size of the console zone (0)"),
  option("ftrace-size", "text", "--ftrace-size <size>", "size of the ftrace area (0)"),
  option("cpus", "text", "--cpus <n>", "possible CPUs of the kernel (1)"),
  option(
    "geometry",
    "text",
    "--geometry <auto>",
    "auto: find the sizes from the zones' signatures",
  ),
];

/** Values of the options as text or boolean, from the best source that has each. */
export type OptionValues = Readonly<Record<string, string | boolean | undefined>>;

/** @throws UsageError for an unknown key of the configuration file, or a value of the wrong type */
export function gatherOptions(specs: readonly OptionSpec[], sources: OptionSources): OptionValues {
  return Object.fromEntries(specs.map((spec) => [spec.name, gatherOne(spec, sources)]));
}

function gatherOne(
  spec: OptionSpec,
  { flags, env, config }: OptionSources,
): string | boolean | undefined {
  const flag = flags[camelCase(spec.name)];
  if (flag !== undefined) return typeof flag === "boolean" ? flag : String(flag);
  const variable = env[environmentName(spec.name)];
  if (variable !== undefined && variable !== "")
    return spec.kind === "flag" ? parseFlag(spec, variable) : variable;
  const configured = config[spec.name];
  if (configured === undefined) return undefined;
  if (spec.kind === "flag") return parseFlag(spec, String(configured));
  return typeof configured === "boolean" && spec.name === "crc"
    ? configured
      ? "on"
      : "off"
    : String(configured);
}

function parseFlag(spec: OptionSpec, text: string): boolean {
  if (/^(1|true|yes|on)$/i.test(text)) return true;
  if (/^(0|false|no|off)$/i.test(text)) return false;
  throw new UsageError(`'${text}' is no value for ${spec.name}: it is on or off`);
}

/** `kmsg-size` → `MMCPSTORE_KMSG_SIZE` */
export function environmentName(name: string): string {
  return `MMCPSTORE_${name.toUpperCase().replaceAll("-", "_")}`;
}

/** `kmsg-size` → `kmsgSize`, as commander names it. */
export function camelCase(name: string): string {
  return name.replaceAll(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

const DURATION_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  "": 1000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
};

/** Milliseconds of `500ms`, `5s`, `5`, `2m`. @throws UsageError */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([a-z]*)$/.exec(text.trim());
  const unit = DURATION_UNITS[match?.[2] ?? "?"];
  if (match !== null && unit !== undefined) return Number(match[1]) * unit;
  throw new UsageError(`'${text}' is not a duration`, { hint: "write 500ms, 5s or 2m" });
}

const FREQUENCY_UNITS: Readonly<Record<string, number>> = {
  "": 1,
  hz: 1,
  k: 1e3,
  khz: 1e3,
  m: 1e6,
  mhz: 1e6,
};

/** Hertz of `400k`, `15M`, `25000000`; undefined for `auto`. @throws UsageError */
export function parseSpeed(text: string): number | undefined {
  if (text === "auto") return undefined;
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim());
  const hertz =
    Number(match?.[1]) * (FREQUENCY_UNITS[(match?.[2] ?? "?").toLowerCase()] ?? Number.NaN);
  if (Number.isFinite(hertz) && hertz >= 1) return Math.floor(hertz);
  throw new UsageError(`'${text}' is not a speed`, { hint: "write 400k, 15M, 25MHz or auto" });
}

/** A zone size of the kernel. The kernel counts in KiB, people copy its bare numbers: they get a hint. @throws UsageError */
export function parseZoneSize(name: string, text: string): number {
  const bytes = parseSize(text);
  if (/^\d+$/.test(text) && bytes > 0 && bytes < 4096) {
    throw new UsageError(`--${name} ${text} is ${text} bytes, which is less than a zone can have`, {
      hint: `the kernel counts in KiB, this program in bytes: write --${name} ${text}K`,
    });
  }
  return bytes;
}
