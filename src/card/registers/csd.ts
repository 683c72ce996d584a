import { toHex } from "../../util/bytes.js";
import type { CardFamily } from "../commands.js";
import { bitsOf, flagOf } from "./bits.js";
import { checkLength } from "./length.js";
import { type RegisterCrc, registerCrc } from "./register-crc.js";

const BLOCK_SHIFT = 9;
/** C_SIZE of CSD versions 2 and 3 counts in 512 KiB. */
const LARGE_UNIT_BLOCKS = 1024;
/** C_SIZE of an MMC that is too large for the CSD: its capacity is in EXT_CSD. */
const MMC_C_SIZE_EXTENDED = 0xfff;
/** READ_BL_LEN: 512 to 2048 bytes on SD; MMC has no upper bound that matters here. */
const SD_MAX_READ_BL_LEN = 11;

/** Mantissas of TAAC and TRAN_SPEED, times ten (SD Physical Layer 5.3.2). */
const MANTISSA_X10 = [0, 10, 12, 13, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 70, 80] as const;

/** VERSION 1 to 3 of SD; every version of MMC has one layout. */
export type CsdLayout = "SD-1" | "SD-2" | "SD-3" | "MMC";

/** The write protection that the CSD can switch on for the whole card. */
export interface CsdWriteProtection {
  /** PERM_WRITE_PROTECT, bit 13: for ever. */
  readonly permanent: boolean;
  /** TMP_WRITE_PROTECT, bit 12. */
  readonly temporary: boolean;
}

/** Card-specific data (SD Physical Layer 5.3; JESD84 8.3). */
export interface Csd {
  /** Undefined: CSD_STRUCTURE is one that no SD specification has. */
  readonly layout: CsdLayout | undefined;
  /** CSD_STRUCTURE as it stands. */
  readonly structure: number;
  /** SPEC_VERS of an MMC (4 = 4.x). */
  readonly mmcSpecVersion: number | undefined;
  /** TAAC: the part of the access time that is a time, in ns. */
  readonly accessTimeNs: number;
  /** NSAC: the part of the access time that is clocks. */
  readonly accessClocks: number;
  /** TRAN_SPEED in bit/s on one data line, that is Hz; 0 if the code is reserved. */
  readonly maxFrequencyHz: number;
  /** CCC: the command classes that the card has. */
  readonly classes: readonly number[];
  /** READ_BL_LEN in bytes. Transfers of this project are 512 bytes all the same. */
  readonly readBlockLength: number;
  /** WRITE_BL_LEN in bytes. */
  readonly writeBlockLength: number;
  readonly readPartialBlocks: boolean;
  readonly writePartialBlocks: boolean;
  readonly driverStageRegister: boolean;
  /** C_SIZE as it stands. */
  readonly cSize: number;
  /** Capacity in blocks of 512 bytes; undefined: not told by this register. */
  readonly blockCount: number | undefined;
  /** The smallest erase, in blocks of 512 bytes. */
  readonly eraseUnitBlocks: number;
  /** The group that CMD28 protects, in blocks of 512 bytes; undefined: the card has none. */
  readonly writeProtectGroupBlocks: number | undefined;
  /** R2W_FACTOR: a write takes about this many times as long as a read. */
  readonly writeFactor: number;
  readonly copy: boolean;
  readonly writeProtection: CsdWriteProtection;
  readonly crc: RegisterCrc;
  /** The 16 bytes as hex. */
  readonly raw: string;
}

/**
 * Decodes 16 bytes of CSD. The field CSD_STRUCTURE decides the layout, not CMD8's answer: an SDSC card of version 2.00
 * has CSD version 1.
 * @throws UsageError unless 16 bytes
 */
export function decodeCsd(register: Uint8Array, family: CardFamily): Csd {
  checkLength("CSD", register, 16);
  const structure = bitsOf(register, 126, 2);
  const layout = family === "MMC" ? "MMC" : (["SD-1", "SD-2", "SD-3"] as const)[structure];
  return {
    layout,
    structure,
    mmcSpecVersion: family === "MMC" ? bitsOf(register, 122, 4) : undefined,
    ...access(register),
    ...blocks(register),
    ...capacity(register, layout),
    ...eraseAndProtection(register, layout),
    writeFactor: 1 << bitsOf(register, 26, 3),
    copy: flagOf(register, 14),
    writeProtection: { permanent: flagOf(register, 13), temporary: flagOf(register, 12) },
    crc: registerCrc(register),
    raw: toHex(register),
  };
}

function access(
  register: Uint8Array,
): Pick<Csd, "accessTimeNs" | "accessClocks" | "maxFrequencyHz" | "classes"> {
  const ccc = bitsOf(register, 84, 12);
  return {
    accessTimeNs: (mantissa(bitsOf(register, 115, 4)) * 10 ** bitsOf(register, 112, 3)) / 10,
    accessClocks: bitsOf(register, 104, 8) * 100,
    maxFrequencyHz: transferRate(register),
    classes: Array.from({ length: 12 }, (_, bit) => bit).filter((bit) => ccc & (1 << bit)),
  };
}

/** Units of 100 kbit/s, 1, 10 and 100 Mbit/s; the others are reserved. */
function transferRate(register: Uint8Array): number {
  const unit = bitsOf(register, 96, 3);
  return unit > 3 ? 0 : mantissa(bitsOf(register, 99, 4)) * 10_000 * 10 ** unit;
}

function mantissa(code: number): number {
  return MANTISSA_X10[code] ?? 0;
}

function blocks(
  register: Uint8Array,
): Pick<
  Csd,
  | "readBlockLength"
  | "writeBlockLength"
  | "readPartialBlocks"
  | "writePartialBlocks"
  | "driverStageRegister"
> {
  return {
    readBlockLength: 2 ** bitsOf(register, 80, 4),
    writeBlockLength: 2 ** bitsOf(register, 22, 4),
    readPartialBlocks: flagOf(register, 79),
    writePartialBlocks: flagOf(register, 21),
    driverStageRegister: flagOf(register, 76),
  };
}

function capacity(
  register: Uint8Array,
  layout: CsdLayout | undefined,
): Pick<Csd, "cSize" | "blockCount"> {
  switch (layout) {
    case "SD-2": {
      const cSize = bitsOf(register, 48, 22);
      return { cSize, blockCount: (cSize + 1) * LARGE_UNIT_BLOCKS };
    }
    case "SD-3": {
      const cSize = bitsOf(register, 48, 28);
      return { cSize, blockCount: (cSize + 1) * LARGE_UNIT_BLOCKS };
    }
    case "SD-1":
    case "MMC": {
      const cSize = bitsOf(register, 62, 12);
      return { cSize, blockCount: smallCapacity(register, layout, cSize) };
    }
    default:
      return { cSize: 0, blockCount: undefined };
  }
}

function smallCapacity(
  register: Uint8Array,
  layout: "SD-1" | "MMC",
  cSize: number,
): number | undefined {
  const readBlLen = bitsOf(register, 80, 4);
  if (layout === "MMC" && cSize === MMC_C_SIZE_EXTENDED) return undefined;
  if (readBlLen < BLOCK_SHIFT) return undefined;
  if (layout === "SD-1" && readBlLen > SD_MAX_READ_BL_LEN) return undefined;
  return (cSize + 1) * 2 ** (bitsOf(register, 47, 3) + 2 + readBlLen - BLOCK_SHIFT);
}

function eraseAndProtection(
  register: Uint8Array,
  layout: CsdLayout | undefined,
): Pick<Csd, "eraseUnitBlocks" | "writeProtectGroupBlocks"> {
  // Cards whose write blocks are 1024 bytes count their sectors and groups in those.
  const writeBlocks = Math.max(1, 2 ** (bitsOf(register, 22, 4) - BLOCK_SHIFT));
  const enabled = flagOf(register, 31);
  if (layout === "MMC") {
    const group = (bitsOf(register, 42, 5) + 1) * (bitsOf(register, 37, 5) + 1) * writeBlocks;
    const protect = (bitsOf(register, 32, 5) + 1) * group;
    return { eraseUnitBlocks: group, writeProtectGroupBlocks: enabled ? protect : undefined };
  }
  const sector = (bitsOf(register, 39, 7) + 1) * writeBlocks;
  const protect = (bitsOf(register, 32, 7) + 1) * sector;
  return {
    eraseUnitBlocks: layout === "SD-1" && !flagOf(register, 46) ? sector : 1,
    writeProtectGroupBlocks: enabled ? protect : undefined,
  };
}
