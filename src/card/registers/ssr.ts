import { toHex } from "../../util/bytes.js";
import { bitsOf, flagOf } from "./bits.js";
import { checkLength } from "./length.js";

const KIB = 1024;
const MIB = 1024 * KIB;
const BLOCK = 512;

/** AU_SIZE codes in bytes (SD Physical Layer table 4-44). */
const AU_BYTES = [
  undefined,
  16 * KIB,
  32 * KIB,
  64 * KIB,
  128 * KIB,
  256 * KIB,
  512 * KIB,
  MIB,
  2 * MIB,
  4 * MIB,
  8 * MIB,
  12 * MIB,
  16 * MIB,
  24 * MIB,
  32 * MIB,
  64 * MIB,
] as const;

const SPEED_CLASSES = [0, 2, 4, 6, 10] as const;

/** How long the card may take to erase (SD Physical Layer 4.14): `timeoutS` for `units` allocation units, plus `offsetS`. */
export interface EraseTiming {
  /** ERASE_SIZE, in allocation units. */
  readonly units: number;
  /** ERASE_TIMEOUT, in seconds. */
  readonly timeoutS: number;
  /** ERASE_OFFSET, in seconds. */
  readonly offsetS: number;
}

/** SD status (ACMD13; SD Physical Layer 4.10.2). */
export interface Ssr {
  readonly secured: boolean;
  readonly cardType: number;
  /** SIZE_OF_PROTECTED_AREA as it stands: bytes on SDHC and later. */
  readonly protectedAreaSize: number;
  /** 0, 2, 4, 6 or 10 MB/s at least; undefined: a reserved code. */
  readonly speedClass: number | undefined;
  /** PERFORMANCE_MOVE in MB/s; 255: infinite. */
  readonly performanceMove: number;
  /** AU_SIZE in bytes; undefined: not told. */
  readonly allocationUnitBytes: number | undefined;
  /** The same in blocks of 512 bytes. */
  readonly allocationUnitBlocks: number | undefined;
  /** Undefined: ERASE_SIZE or ERASE_TIMEOUT is 0, that is, the card does not say. */
  readonly erase: EraseTiming | undefined;
  readonly uhsSpeedGrade: number;
  readonly videoSpeedClass: number;
  readonly discard: boolean;
  readonly fullUserAreaLogicalErase: boolean;
  /** The 64 bytes as hex. */
  readonly raw: string;
}

/** Decodes 64 bytes of SD status. @throws UsageError unless 64 bytes */
export function decodeSsr(register: Uint8Array): Ssr {
  checkLength("SSR", register, 64);
  const allocationUnitBytes = AU_BYTES[bitsOf(register, 428, 4)];
  return {
    secured: flagOf(register, 509),
    cardType: bitsOf(register, 480, 16),
    protectedAreaSize: bitsOf(register, 448, 32),
    speedClass: SPEED_CLASSES[bitsOf(register, 440, 8)],
    performanceMove: bitsOf(register, 432, 8),
    allocationUnitBytes,
    allocationUnitBlocks:
      allocationUnitBytes === undefined ? undefined : allocationUnitBytes / BLOCK,
    erase: eraseTiming(register),
    uhsSpeedGrade: bitsOf(register, 396, 4),
    videoSpeedClass: bitsOf(register, 384, 8),
    discard: flagOf(register, 313),
    fullUserAreaLogicalErase: flagOf(register, 312),
    raw: toHex(register),
  };
}

function eraseTiming(register: Uint8Array): EraseTiming | undefined {
  const units = bitsOf(register, 408, 16);
  const timeoutS = bitsOf(register, 402, 6);
  if (units === 0 || timeoutS === 0) return undefined;
  return { units, timeoutS, offsetS: bitsOf(register, 400, 2) };
}
