/** Reports for an MCP2210: the 64 bytes of each command, from values. Pure. Sources as in reports.ts. */
import { viewOf } from "../../util/bytes.js";
import { UsageError } from "../../util/errors.js";
import {
  ALL_PINS,
  CHUNK_BYTES,
  type ChipSettings,
  COMMAND,
  DATA_OFFSET,
  PIN_MODE,
  putChipSettings,
  putSpiSettings,
  REPORT_BYTES,
  type SpiSettings,
} from "./reports.js";

/** GP0 is chip select: a GPIO, so that it stays where it is put. */
export const CS_PIN = 0x001;

const BASE_HZ = 12_000_000;
/** Bounds of the clock. */
export const MAX_FREQUENCY_HZ: number = BASE_HZ;
export const MIN_FREQUENCY_HZ = 1500;
const MAX_DIVISOR = BASE_HZ / MIN_FREQUENCY_HZ;

/** Commands that are nothing but their number. */
export type PlainCommand =
  | "status"
  | "cancel"
  | "getChipSettings"
  | "getPins"
  | "getDirections"
  | "getSpiSettings";

export function encodePlain(name: PlainCommand): Uint8Array {
  return start(COMMAND[name]);
}

/** 21: until the next power-on; the bytes that lock the chip stay 0. */
export function encodeChipSettings(settings: ChipSettings): Uint8Array {
  const report = start(COMMAND.setChipSettings);
  putChipSettings(viewOf(report), settings);
  return report;
}

/** 30: levels of all GPIO outputs, bit n = GPn. */
export function encodePins(levels: number): Uint8Array {
  return withBits(COMMAND.setPins, levels);
}

/** 32: bit n = 1 makes GPn an input. */
export function encodeDirections(inputs: number): Uint8Array {
  return withBits(COMMAND.setDirections, inputs);
}

/** 40: until the next power-on. */
export function encodeSpiSettings(settings: SpiSettings): Uint8Array {
  const report = start(COMMAND.setSpiSettings);
  putSpiSettings(viewOf(report), settings);
  return report;
}

/** 42: at most 60 bytes; none asks for what was received. */
export function encodeTransfer(data: Uint8Array): Uint8Array {
  if (data.length > CHUNK_BYTES) throw new RangeError(`${data.length} bytes are no chunk`);
  const report = start(COMMAND.transfer);
  report[1] = data.length;
  report.set(data, DATA_OFFSET);
  return report;
}

/** `settings` with GP0 as an output that is high; all other pins are somebody else's and stay. */
export function withCsPin(settings: ChipSettings): ChipSettings {
  return {
    ...settings,
    pinModes: settings.pinModes.map((mode, pin) => (pin === 0 ? PIN_MODE.gpio : mode)),
    outputs: settings.outputs | CS_PIN,
    directions: settings.directions & ~CS_PIN,
  };
}

/** Mode 0, no delays, and no pin that the chip itself would move as a chip select. */
export function spiSettings(bitRateHz: number, bytesPerTransaction: number): SpiSettings {
  return {
    bitRateHz,
    idleCs: ALL_PINS,
    activeCs: ALL_PINS,
    csToDataDelay: 0,
    lastByteToCsDelay: 0,
    byteGap: 0,
    bytesPerTransaction,
    mode: 0,
  };
}

/**
 * The smallest k for which 12 MHz / k is no faster than asked.
 * @throws UsageError below 1500 Hz or if it is no number
 */
export function divisorFor(frequencyHz: number): number {
  const divisor = Math.max(1, Math.ceil(BASE_HZ / frequencyHz));
  if (frequencyHz > 0 && divisor <= MAX_DIVISOR) return divisor;
  throw new UsageError(`an MCP2210 cannot clock at ${frequencyHz} Hz`, {
    details: { frequencyHz },
    hint: `choose ${MIN_FREQUENCY_HZ} Hz to ${MAX_FREQUENCY_HZ / 1e6} MHz`,
  });
}

/** The bit rate to ask for, in whole Hz. */
export function bitRateOf(divisor: number): number {
  return Math.floor(BASE_HZ / divisor);
}

function start(command: number): Uint8Array {
  const report = new Uint8Array(REPORT_BYTES);
  report[0] = command;
  return report;
}

function withBits(command: number, bits: number): Uint8Array {
  const report = start(command);
  viewOf(report).setUint16(DATA_OFFSET, bits, true);
  return report;
}
