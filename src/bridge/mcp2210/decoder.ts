/**
 * HID reports of an MCP2210, from bytes to events: what a host sends, and what the chip answers. Pure: used by the chip model, by
 * `trace` and in tests. Sources as in reports.ts.
 */
import { viewOf } from "../../util/bytes.js";
import {
  CHUNK_BYTES,
  type ChipSettings,
  type ChipStatus,
  COMMAND,
  commandName,
  DATA_OFFSET,
  ENGINE,
  REPORT_BYTES,
  type SpiSettings,
  STATUS,
  takeChipSettings,
  takeSpiSettings,
} from "./reports.js";

export {
  ALL_PINS,
  BUS_OWNER,
  CHUNK_BYTES,
  type ChipSettings,
  type ChipStatus,
  COMMAND,
  DATA_OFFSET,
  describeCommand,
  ENGINE,
  PIN_MODE,
  putChipSettings,
  putSpiSettings,
  REPORT_BYTES,
  type SpiSettings,
  STATUS,
} from "./reports.js";

/** A report that is none: of a wrong length, or with more data than it holds. */
export interface MalformedReport {
  readonly kind: "malformed";
  readonly why: string;
}

/** What a host asks for. */
export type Mcp2210Command =
  | MalformedReport
  | {
      readonly kind:
        | "status"
        | "cancel"
        | "getChipSettings"
        | "getPins"
        | "getDirections"
        | "getSpiSettings";
    }
  | { readonly kind: "password" }
  | { readonly kind: "interruptCounter"; readonly clear: boolean }
  | {
      readonly kind: "setChipSettings";
      readonly settings: ChipSettings;
      /** 0x40: password, 0x80: locked for ever. */
      readonly accessControl: number;
      readonly password: Uint8Array;
    }
  /** Bit n = level of GPn. */
  | { readonly kind: "setPins"; readonly levels: number }
  /** Bit n = 1: GPn is an input. */
  | { readonly kind: "setDirections"; readonly inputs: number }
  | { readonly kind: "setSpiSettings"; readonly settings: SpiSettings }
  /** A view. Empty: asks for what was received. */
  | { readonly kind: "transfer"; readonly data: Uint8Array }
  | { readonly kind: "readEeprom"; readonly address: number }
  | { readonly kind: "writeEeprom"; readonly address: number; readonly value: number }
  /** The non-volatile memory: what is set here stays, and can lock the chip for ever. */
  | { readonly kind: "setNvram"; readonly section: string; readonly accessControl: number }
  | { readonly kind: "getNvram"; readonly section: string }
  | { readonly kind: "releaseBus"; readonly acknowledge: number }
  | { readonly kind: "unknown"; readonly command: number };

type Engine = keyof typeof ENGINE;

/** What the chip answers; `command` is the one that it echoes. */
export type Mcp2210Answer =
  | MalformedReport
  /** {@link STATUS}; nothing else in it. */
  | { readonly kind: "refused"; readonly command: number; readonly status: number }
  | { readonly kind: "acknowledged"; readonly command: number }
  | { readonly kind: "status"; readonly command: number; readonly chip: ChipStatus }
  | { readonly kind: "chipSettings"; readonly command: number; readonly settings: ChipSettings }
  /** Levels or directions, bit n = GPn. */
  | { readonly kind: "pins"; readonly command: number; readonly bits: number }
  | { readonly kind: "spiSettings"; readonly command: number; readonly settings: SpiSettings }
  | TransferAnswer;

export interface TransferAnswer {
  readonly kind: "transfer";
  readonly command: number;
  /** A number that the documents do not have as it is. */
  readonly engine: Engine | number;
  /** A view. */
  readonly data: Uint8Array;
}

const NVRAM_SECTIONS: Readonly<Record<number, string>> = {
  16: "SPI settings",
  32: "chip settings",
  48: "USB parameters",
  64: "product name",
  80: "maker's name",
};
const CHIP_SETTINGS_SECTION = 0x20;
const ACCESS_CONTROL_OFFSET = 18;
const PASSWORD_OFFSET = 19;
const PASSWORD_BYTES = 8;

/** Reads an output report. */
export function decodeCommand(report: Uint8Array): Mcp2210Command {
  if (report.length !== REPORT_BYTES) return malformed(`${report.length} bytes`);
  const [command = 0, first = 0, second = 0] = report;
  const kind = commandName(command);
  const view = viewOf(report);
  switch (kind) {
    case undefined:
      return { kind: "unknown", command };
    case "interruptCounter":
      return { kind, clear: first === 0 };
    case "setChipSettings":
      return {
        kind,
        settings: takeChipSettings(view),
        accessControl: view.getUint8(ACCESS_CONTROL_OFFSET),
        password: report.slice(PASSWORD_OFFSET, PASSWORD_OFFSET + PASSWORD_BYTES),
      };
    case "setPins":
      return { kind, levels: view.getUint16(DATA_OFFSET, true) };
    case "setDirections":
      return { kind, inputs: view.getUint16(DATA_OFFSET, true) };
    case "setSpiSettings":
      return { kind, settings: takeSpiSettings(view) };
    case "transfer":
      return first > CHUNK_BYTES ? tooMuchData(first) : { kind, data: dataOf(report, first) };
    case "readEeprom":
      return { kind, address: first };
    case "writeEeprom":
      return { kind, address: first, value: second };
    case "setNvram":
      return { kind, section: sectionName(first), accessControl: lockOf(first, view) };
    case "getNvram":
      return { kind, section: sectionName(first) };
    case "releaseBus":
      return { kind, acknowledge: first };
    default:
      return { kind };
  }
}

/** Reads an input report. */
export function decodeAnswer(report: Uint8Array): Mcp2210Answer {
  if (report.length !== REPORT_BYTES) return malformed(`${report.length} bytes`);
  const [command = 0, status = 0] = report;
  return status === STATUS.ok
    ? decodeSuccess(command, report)
    : { kind: "refused", command, status };
}

function decodeSuccess(command: number, report: Uint8Array): Mcp2210Answer {
  const view = viewOf(report);
  switch (command) {
    case COMMAND.status:
    case COMMAND.cancel:
      return { kind: "status", command, chip: takeStatus(report) };
    case COMMAND.getChipSettings:
      return { kind: "chipSettings", command, settings: takeChipSettings(view) };
    case COMMAND.getPins:
    case COMMAND.getDirections:
      return { kind: "pins", command, bits: view.getUint16(DATA_OFFSET, true) };
    case COMMAND.getSpiSettings:
      return { kind: "spiSettings", command, settings: takeSpiSettings(view) };
    case COMMAND.transfer:
      return decodeTransfer(command, report);
    default:
      return { kind: "acknowledged", command };
  }
}

function decodeTransfer(command: number, report: Uint8Array): MalformedReport | TransferAnswer {
  const [, , count = 0, engine = 0] = report;
  if (count > CHUNK_BYTES) return tooMuchData(count);
  return { kind: "transfer", command, engine: engineName(engine), data: dataOf(report, count) };
}

function engineName(byte: number): Engine | number {
  const found = Object.entries(ENGINE).find(([, value]) => value === byte);
  return found === undefined ? byte : (found[0] as Engine);
}

/** Byte 2 is 0 while another master asks for the bus. */
function takeStatus([
  ,
  ,
  released = 0,
  busOwner = 0,
  passwordTries = 0,
  unlocked = 0,
]: Uint8Array): ChipStatus {
  return { releasePending: released === 0, busOwner, passwordTries, unlocked: unlocked !== 0 };
}

function dataOf(report: Uint8Array, count: number): Uint8Array {
  return report.subarray(DATA_OFFSET, DATA_OFFSET + count);
}

function sectionName(section: number): string {
  return NVRAM_SECTIONS[section] ?? `0x${section.toString(16).padStart(2, "0")}`;
}

/** Only the chip settings have a byte that locks. */
function lockOf(section: number, view: DataView): number {
  return section === CHIP_SETTINGS_SECTION ? view.getUint8(ACCESS_CONTROL_OFFSET) : 0;
}

function malformed(why: string): MalformedReport {
  return { kind: "malformed", why };
}

function tooMuchData(count: number): MalformedReport {
  return malformed(`${count} bytes of SPI data`);
}
