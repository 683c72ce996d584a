import { MISO_FAULTS, type MisoFault } from "../sim/bad-wire.js";
import type { CutState } from "../sim/card/cells.js";
import {
  type CardModelKind,
  type CardModelOptions,
  type Latency,
  QUIRKS,
} from "../sim/card/options.js";
import { CH347_PARTS, type Ch347Part } from "../sim/ch347/options.js";
import { BOARDS as SERPROG_BOARDS, type SerprogBoardName } from "../sim/serprog/options.js";
import { UsageError } from "../util/errors.js";
import { parseSize } from "../util/size.js";
import type { SimOptionTexts } from "./spec.js";

/** Adapters that there is a model of. */
export const SIM_CHIPS = [
  "ft232h",
  "ft2232h",
  "ft4232h",
  "ch341a",
  "ch347",
  "mcp2210",
  "serprog",
] as const;
/** Those, and the project's own firmware, which runs itself. */
const OWN_FIRMWARE = "mmcpstore";
export type SimChip = (typeof SIM_CHIPS)[number] | typeof OWN_FIRMWARE;

/** What stands behind `?` in `sim:card.img?...`, parsed. */
export interface SimOptions {
  readonly chip: SimChip;
  /** Of a CH347: which part, in which mode. */
  readonly part: Ch347Part;
  /** Of a serprog programmer. */
  readonly board: SerprogBoardName | undefined;
  /** Own firmware: its program for this machine, where it is not in the usual place. */
  readonly firmware: string | undefined;
  /** Own firmware: blocks of a write that may be on their way; as an ATmega has it: 1. */
  readonly window: number | undefined;
  /** CH341A: identification at the chip's own clock. */
  readonly fastIdentification: boolean;
  readonly createBytes: number | undefined;
  /** Of the adapter's descriptors. */
  readonly serialNumber: string | undefined;
  /** The adapter is pulled when the transfer of this index (from 0) is submitted. */
  readonly unplugAt: number | undefined;
  readonly packetSize: 512 | 64;
  readonly roundTripUs: number | undefined;
  /** MISO also on GPIOL1, and the driver uses it; where the chip's wait stops. */
  readonly hardwareWait: "byte" | "clock" | undefined;
  /** What is wrong with the wire of MISO. */
  readonly miso: MisoFault | undefined;
  /** Above this clock, in Hz, bits are lost. */
  readonly cleanHz: number | undefined;
  /** Power goes at this clocked byte, or while this written sector (from 1) is being programmed. */
  readonly cut:
    | { readonly at: "byte" | "write"; readonly number: number; readonly state: CutState }
    | undefined;
  readonly card: Partial<CardModelOptions>;
}

interface Draft {
  chip: SimChip;
  part: Ch347Part;
  board: SerprogBoardName | undefined;
  firmware: string | undefined;
  window: number | undefined;
  fastIdentification: boolean;
  createBytes: number | undefined;
  serialNumber: string | undefined;
  unplugAt: number | undefined;
  packetSize: 512 | 64;
  roundTripUs: number | undefined;
  hardwareWait: "byte" | "clock" | undefined;
  miso: MisoFault | undefined;
  cleanHz: number | undefined;
  cut: SimOptions["cut"];
  card: Partial<{ -readonly [K in keyof CardModelOptions]: CardModelOptions[K] }>;
}

type Parse = (draft: Draft, name: string, text: string) => void;

/** Each option of a `sim:` string: one that is not here is a usage error. */
const OPTIONS: Readonly<Record<string, Parse>> = {
  bridge: (draft, name, text) => {
    const part = CH347_PARTS.find((one) => one === text);
    draft.part = part ?? draft.part;
    draft.chip =
      part === undefined ? oneOf(name, text, [...SIM_CHIPS, OWN_FIRMWARE] as const) : "ch347";
  },
  board: (draft, name, text) => {
    draft.board = oneOf(name, text, Object.keys(SERPROG_BOARDS) as SerprogBoardName[]);
  },
  firmware: (draft, _name, text) => {
    draft.firmware = text;
  },
  window: (draft, name, text) => {
    draft.window = count(name, text, 64);
  },
  ident: (draft, name, text) => {
    draft.fastIdentification = oneOf(name, text, ["fast", "slow"] as const) === "fast";
  },
  card: (draft, name, text) => {
    draft.card.kind = oneOf(name, text, [
      "sdsc",
      "sdhc",
      "sdxc",
      "mmc",
    ] as const satisfies readonly CardModelKind[]);
  },
  create: (draft, _name, text) => {
    draft.createBytes = parseSize(text);
  },
  serial: (draft, _name, text) => {
    draft.serialNumber = text;
  },
  unplug: (draft, name, text) => {
    draft.unplugAt = count(name, text);
  },
  packet: (draft, name, text) => {
    draft.packetSize = oneOf(name, text, ["512", "64"] as const) === "64" ? 64 : 512;
  },
  rtt: (draft, name, text) => {
    draft.roundTripUs = latencyUs(name, text);
  },
  wait: (draft, name, text) => {
    draft.hardwareWait = oneOf(name, text, ["byte", "clock"] as const);
  },
  miso: (draft, name, text) => {
    draft.miso = oneOf(name, text, MISO_FAULTS);
  },
  clean: (draft, name, text) => {
    draft.cleanHz = frequency(name, text);
  },
  cut: (draft, name, text) => {
    const [at = "", state = "old"] = text.split(":", 2);
    const write = at.startsWith("w");
    draft.cut = {
      at: write ? "write" : "byte",
      number: count(name, write ? at.slice(1) : at),
      state: oneOf(name, state, ["old", "new", "first-half", "second-half"] as const),
    };
  },
  ncr: (draft, name, text) => {
    draft.card.ncr = count(name, text, 8);
  },
  nac: (draft, name, text) => {
    draft.card.nac = latency(name, text);
  },
  gap: (draft, name, text) => {
    draft.card.gap = count(name, text);
  },
  busy: (draft, name, text) => {
    draft.card.busy = latency(name, text);
  },
  stopbusy: (draft, name, text) => {
    draft.card.stopBusy = latency(name, text);
  },
  erasebusy: (draft, name, text) => {
    draft.card.eraseBusy = latency(name, text);
  },
  delay: (draft, name, text) => {
    draft.card.dataResponseDelay = count(name, text, 3);
  },
  init: (draft, name, text) => {
    draft.card.initialisationUs = latencyUs(name, text);
  },
  cs: (draft, name, text) => {
    draft.card.csRise = oneOf(name, text, ["reset", "freeze"] as const);
  },
  receive: (draft, name, text) => {
    draft.card.commandsInReceive = oneOf(name, text, ["ignore", "stop"] as const);
  },
  protect: (draft, name, text) => {
    draft.card.writeProtect = oneOf(name, text, ["permanent", "temporary"] as const);
  },
  startup: (draft, name, text) => {
    draft.card.requireStartUpClocks = oneOf(name, text, ["strict", "lax"] as const) === "strict";
  },
  locked: (draft, name, text) => {
    draft.card.locked = oneOf(name, text, ["on", "off"] as const) === "on";
  },
  erased: (draft, name, text) => {
    draft.card.erasedByte = oneOf(name, text, ["00", "ff"] as const) === "ff" ? 0xff : 0;
  },
  quirk: (draft, name, text) => {
    draft.card.quirks = text.split("+").map((one) => oneOf(name, one, QUIRKS));
  },
};

/** @throws UsageError for an option that does not exist, or a value that it cannot have */
export function parseSimOptions(texts: SimOptionTexts): SimOptions {
  const draft: Draft = {
    chip: "ft232h",
    part: "ch347t",
    board: undefined,
    firmware: undefined,
    window: undefined,
    fastIdentification: false,
    createBytes: undefined,
    serialNumber: undefined,
    unplugAt: undefined,
    packetSize: 512,
    roundTripUs: undefined,
    hardwareWait: undefined,
    miso: undefined,
    cleanHz: undefined,
    cut: undefined,
    card: {},
  };
  for (const [name, text] of Object.entries(texts)) {
    const parse = OPTIONS[name];
    if (parse === undefined) {
      throw new UsageError(`sim: has no option '${name}'`, {
        details: { option: name },
        hint: `the options are ${Object.keys(OPTIONS).join(", ")}`,
      });
    }
    parse(draft, name, text);
  }
  return draft;
}

function oneOf<T extends string>(name: string, text: string, values: readonly T[]): T {
  const value = values.find((one) => one === text);
  if (value !== undefined) return value;
  throw new UsageError(`'${text}' is no value for the option ${name} of sim:`, {
    hint: `it is one of ${values.join(", ")}`,
  });
}

function count(name: string, text: string, most: number = Number.MAX_SAFE_INTEGER): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value <= most) return value;
  throw new UsageError(`'${text}' is no value for the option ${name} of sim:`, {
    hint: `it is a number${most < 100 ? ` up to ${most}` : ""}`,
  });
}

/** `400k`, `12M`, `7500000`. */
function frequency(name: string, text: string): number {
  const match = /^(\d+)([kM]?)$/.exec(text);
  const hertz =
    Number(match?.[1]) * { k: 1e3, M: 1e6, "": 1 }[(match?.[2] ?? "") as "k" | "M" | ""];
  if (hertz >= 1) return hertz;
  throw new UsageError(`'${text}' is no value for the option ${name} of sim:`, {
    hint: "write 400k or 12M",
  });
}

const US: Readonly<Record<string, number>> = { us: 1, ms: 1000, s: 1e6 };

function latencyUs(name: string, text: string): number {
  const match = /^(\d+)(us|ms|s)$/.exec(text);
  if (match !== null) return Number(match[1]) * (US[match[2] ?? ""] ?? 1);
  throw new UsageError(`'${text}' is no value for the option ${name} of sim:`, {
    hint: "write 500us or 5ms",
  });
}

/** `8` is clocked bytes, `500us` is time. */
function latency(name: string, text: string): Latency {
  return /^\d+$/.test(text) ? { bytes: Number(text) } : { us: latencyUs(name, text) };
}
