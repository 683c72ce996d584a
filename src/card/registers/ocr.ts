import { UsageError } from "../../util/errors.js";
import type { CardFamily } from "../commands.js";

/** Operation conditions register (SD Physical Layer 5.1; JESD84 8.1). */
export interface Ocr {
  /** The 32 bits as they stand. */
  readonly raw: number;
  /** Bit 31: power-up is over; the bits below say nothing before that. */
  readonly poweredUp: boolean;
  /** Addresses are blocks: CCS (bit 30) of an SD card, access mode 10 (bits 30..29) of an MMC. Valid with `poweredUp`. */
  readonly highCapacity: boolean;
  /** Bit 29 of an SD card. */
  readonly uhs2: boolean;
  /** CO2T, bit 27 of an SD card: more than 2 TB (SDUC). */
  readonly over2Tb: boolean;
  /** S18A, bit 24 of an SD card: switching to 1.8 V signals is accepted. */
  readonly signal18: boolean;
  /** Bit 7 of an MMC: runs at 1.65 to 1.95 V too. */
  readonly lowVoltage: boolean;
  /** Lowest and highest supply voltage between 2.7 and 3.6 V, in mV; undefined: none at all. */
  readonly supplyMv: { readonly min: number; readonly max: number } | undefined;
}

const LOWEST_WINDOW_BIT = 15;
const HIGHEST_WINDOW_BIT = 23;
const LOWEST_WINDOW_MV = 2700;
/** Windows of 3.2 to 3.3 V and 3.3 to 3.4 V: what every adapter supplies. */
const SUPPLY_3V3 = (1 << 20) | (1 << 21);

/** Decodes the 32 bits of the OCR. @throws UsageError for anything but an unsigned 32-bit number */
export function decodeOcr(raw: number, family: CardFamily): Ocr {
  if (!Number.isInteger(raw) || raw < 0 || raw > 0xffff_ffff) {
    throw new UsageError(`${raw} is no OCR: it has 32 bits`);
  }
  const sd = family === "SD";
  return {
    raw,
    poweredUp: bit(raw, 31),
    highCapacity: bit(raw, 30) && (sd || !bit(raw, 29)),
    uhs2: sd && bit(raw, 29),
    over2Tb: sd && bit(raw, 27),
    signal18: sd && bit(raw, 24),
    lowVoltage: !sd && bit(raw, 7),
    supplyMv: supply(raw),
  };
}

/** True if the card runs at 3.3 V. */
export function runsAt3V3(ocr: Ocr): boolean {
  return (ocr.raw & SUPPLY_3V3) !== 0;
}

function bit(raw: number, index: number): boolean {
  return ((raw >>> index) & 1) === 1;
}

function supply(raw: number): Ocr["supplyMv"] {
  const windows: number[] = [];
  for (let index = LOWEST_WINDOW_BIT; index <= HIGHEST_WINDOW_BIT; index++) {
    if (bit(raw, index)) windows.push(LOWEST_WINDOW_MV + (index - LOWEST_WINDOW_BIT) * 100);
  }
  const [min] = windows;
  const last = windows.at(-1);
  return min === undefined || last === undefined ? undefined : { min, max: last + 100 };
}
