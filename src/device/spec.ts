import { UsageError } from "../util/errors.js";

/** A device string, parsed. */
export type DeviceSpec =
  | { readonly kind: "image"; readonly path: string }
  | { readonly kind: "sim"; readonly path: string; readonly options: SimOptionTexts }
  | { readonly kind: "sim-socket"; readonly path: string }
  | { readonly kind: "replay"; readonly path: string }
  | AdapterSpec;

/** An adapter, as far as the device string tells which one. */
export interface AdapterSpec {
  readonly kind: "adapter";
  /** undefined: any. */
  readonly chip: AdapterChip | undefined;
  readonly serialNumber: string | undefined;
  /** Of `usb:1-3.4`. */
  readonly portPath: string | undefined;
  /** Node of a serial port, of `serprog:/dev/ttyACM0`. */
  readonly path: string | undefined;
  /** Of `serprog:/dev/ttyUSB0@115200`. */
  readonly baudRate: number | undefined;
  /** FTDI: `A` or `B`; undefined: that of the board, or the chip's first. */
  readonly channel: string | undefined;
  /** FTDI: MISO is wired to GPIOL1 too, and the chip may wait for the card by itself. */
  readonly hardwareWait: boolean;
  /** CH341A: identification at the chip's own clock. */
  readonly fastIdentification: boolean;
}

/** Any adapter, if there is just one. */
export const ANY_ADAPTER: AdapterSpec = {
  kind: "adapter",
  chip: undefined,
  serialNumber: undefined,
  portPath: undefined,
  path: undefined,
  baudRate: undefined,
  channel: undefined,
  hardwareWait: false,
  fastIdentification: false,
};

/** What stands behind `?` in `sim:card.img?card=sdhc&ncr=8`. */
export type SimOptionTexts = Readonly<Record<string, string>>;

/** Adapters as device strings name them. */
export const ADAPTER_CHIPS = [
  "ft232h",
  "ft2232h",
  "ft4232h",
  "ch341a",
  "ch347",
  "mcp2210",
  "serprog",
] as const;
export type AdapterChip = (typeof ADAPTER_CHIPS)[number];

/** Boards by name: what their makers have decided. */
const BOARDS: Readonly<Record<string, Pick<AdapterSpec, "chip" | "channel">>> = {
  /** SPI header on channel B (Tigard's README). */
  tigard: { chip: "ft2232h", channel: "B" },
};

const FORMS =
  "ft232h[:SERIAL], ft2232h[:SERIAL][/B], ft4232h[:SERIAL][/B], tigard[:SERIAL], ch341a, ch347[:SERIAL], mcp2210[:SERIAL], serprog:/dev/ttyACM0[@BAUD], serprog:SERIAL, usb:1-3.4, sim:card.img, sim:unix:PATH, image:card.img, replay:FILE";

/** @throws UsageError if it is none of the forms */
export function parseDeviceSpec(text: string): DeviceSpec {
  const [head, ...tail] = text.split(":");
  const rest = tail.join(":");
  if (head === "image") return { kind: "image", path: required(text, rest) };
  if (head === "replay") return { kind: "replay", path: required(text, rest) };
  if (head === "sim") return parseSim(text, rest);
  return parseAdapterWithOptions(text);
}

/** Adapters have few options: `?wait=on`, `?ident=fast`. */
function parseAdapterWithOptions(text: string): AdapterSpec {
  const [plain = "", query = ""] = text.split("?", 2);
  const { wait = "off", ident = "slow", ...others } = parseQuery(text, query);
  const unknown = Object.keys(others)[0];
  if (unknown !== undefined)
    throw malformed(text, `an adapter has no option '${unknown}', only wait and ident`);
  if (wait !== "on" && wait !== "off") throw malformed(text, "wait is on or off");
  if (ident !== "fast" && ident !== "slow") throw malformed(text, "ident is fast or slow");
  const [head = "", ...tail] = plain.split(":");
  return {
    ...ANY_ADAPTER,
    ...parseAdapter(text, head.toLowerCase(), tail.join(":")),
    hardwareWait: wait === "on",
    fastIdentification: ident === "fast",
  };
}

function required(text: string, rest: string): string {
  if (rest !== "") return rest;
  throw malformed(text, "the path is missing");
}

function malformed(text: string, what: string): UsageError {
  return new UsageError(`'${text}' is no device: ${what}`, {
    details: { device: text },
    hint: `the forms are ${FORMS}`,
  });
}

function parseSim(text: string, rest: string): DeviceSpec {
  if (rest.startsWith("unix:"))
    return { kind: "sim-socket", path: required(text, rest.slice("unix:".length)) };
  const [path = "", query] = rest.split("?", 2);
  return { kind: "sim", path: required(text, path), options: parseQuery(text, query ?? "") };
}

function parseQuery(text: string, query: string): SimOptionTexts {
  const options: Record<string, string> = {};
  for (const pair of query.split(/[&,]/).filter((part) => part !== "")) {
    const [name = "", value = "on"] = pair.split("=", 2);
    if (name in options) throw malformed(text, `the option '${name}' is given twice`);
    options[name] = value;
  }
  return options;
}

function parseAdapter(text: string, head: string, rest: string): Partial<AdapterSpec> {
  if (head === "serprog") return parseSerprog(text, rest);
  const { selector, channel } = splitChannel(rest === "" ? head : rest);
  if (head === "usb") {
    if (!/^\d+-\d+(\.\d+)*$/.test(selector)) throw malformed(text, "a port path looks like 1-3.4");
    return { portPath: selector, channel };
  }
  const name = rest === "" ? selector : head;
  const board = BOARDS[name];
  const chip = board?.chip ?? ADAPTER_CHIPS.find((known) => known === name);
  if (chip === undefined) throw malformed(text, "no such adapter");
  if (channel !== undefined && !chip.startsWith("ft"))
    throw malformed(text, "only FTDI chips have channels");
  return {
    chip,
    serialNumber: rest === "" || selector === "" ? undefined : selector,
    channel: channel ?? board?.channel,
  };
}

/** `/dev/ttyACM0`, `/dev/ttyUSB0@115200`, or the serial number of a board that is known by its ids. */
function parseSerprog(text: string, rest: string): Partial<AdapterSpec> {
  if (rest === "") return { chip: "serprog" };
  const [, which = "", baud] = /^(.*?)(?:@(\d+))?$/.exec(rest) ?? [];
  if (which === "" || which.includes("@") || Number(baud ?? 1) === 0)
    throw malformed(text, "a serial port looks like /dev/ttyACM0 or /dev/ttyUSB0@115200");
  const board = which.includes("/") ? { path: which } : { serialNumber: which };
  return { chip: "serprog", ...board, baudRate: baud === undefined ? undefined : Number(baud) };
}

function splitChannel(text: string): { selector: string; channel: string | undefined } {
  const match = /^(.*)\/([ABab])$/.exec(text);
  return match === null
    ? { selector: text, channel: undefined }
    : { selector: match[1] ?? "", channel: match[2]?.toUpperCase() };
}
