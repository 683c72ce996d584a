import { UsageError } from "../util/errors.js";

/** A device string, parsed. */
export type DeviceSpec =
  | { readonly kind: "image"; readonly path: string }
  | { readonly kind: "sim"; readonly path: string; readonly options: SimOptionTexts }
  | { readonly kind: "sim-socket"; readonly path: string }
  | { readonly kind: "replay"; readonly path: string }
  | {
      readonly kind: "adapter";
      /** Chip family, or undefined for `usb:PORT`. */
      readonly chip: AdapterChip | undefined;
      readonly serialNumber: string | undefined;
      readonly portPath: string | undefined;
      /** `A` or `B`; undefined: the chip's first. */
      readonly channel: string | undefined;
      /** MISO is wired to GPIOL1 too, and the chip may wait for the card by itself. */
      readonly hardwareWait: boolean;
    };

/** What stands behind `?` in `sim:card.img?card=sdhc&ncr=8`. */
export type SimOptionTexts = Readonly<Record<string, string>>;

export const ADAPTER_CHIPS = ["ft232h", "ft2232h", "ft4232h"] as const;
export type AdapterChip = (typeof ADAPTER_CHIPS)[number];

const FORMS =
  "ft232h[:SERIAL], ft2232h[:SERIAL][/B], ft4232h[:SERIAL][/B], usb:1-3.4, sim:card.img, sim:unix:PATH, image:card.img, replay:FILE";

/** @throws UsageError if it is none of the forms */
export function parseDeviceSpec(text: string): DeviceSpec {
  const [head, ...tail] = text.split(":");
  const rest = tail.join(":");
  if (head === "image") return { kind: "image", path: required(text, rest) };
  if (head === "replay") return { kind: "replay", path: required(text, rest) };
  if (head === "sim") return parseSim(text, rest);
  return parseAdapterWithOptions(text);
}

/** Adapters have one option: `?wait=on`. */
function parseAdapterWithOptions(text: string): DeviceSpec {
  const [plain = "", query = ""] = text.split("?", 2);
  const { wait = "off", ...others } = parseQuery(text, query);
  const unknown = Object.keys(others)[0];
  if (unknown !== undefined)
    throw malformed(text, `an adapter has no option '${unknown}', only wait`);
  if (wait !== "on" && wait !== "off") throw malformed(text, "wait is on or off");
  const [head = "", ...tail] = plain.split(":");
  return { ...parseAdapter(text, head.toLowerCase(), tail.join(":")), hardwareWait: wait === "on" };
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

type AdapterParts = Omit<Extract<DeviceSpec, { kind: "adapter" }>, "hardwareWait">;

function parseAdapter(text: string, head: string, rest: string): AdapterParts {
  const { selector, channel } = splitChannel(rest === "" ? head : rest);
  if (head === "usb") {
    if (!/^\d+-\d+(\.\d+)*$/.test(selector)) throw malformed(text, "a port path looks like 1-3.4");
    return {
      kind: "adapter",
      chip: undefined,
      serialNumber: undefined,
      portPath: selector,
      channel,
    };
  }
  const chip = ADAPTER_CHIPS.find((known) => known === (rest === "" ? selector : head));
  if (chip === undefined) throw malformed(text, "no such adapter");
  return {
    kind: "adapter",
    chip,
    serialNumber: rest === "" || selector === "" ? undefined : selector,
    portPath: undefined,
    channel,
  };
}

function splitChannel(text: string): { selector: string; channel: string | undefined } {
  const match = /^(.*)\/([ABab])$/.exec(text);
  return match === null
    ? { selector: text, channel: undefined }
    : { selector: match[1] ?? "", channel: match[2]?.toUpperCase() };
}
