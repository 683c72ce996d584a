import { crc7 } from "../../util/crc.js";
import { UsageError } from "../../util/errors.js";
import type { CardModelOptions } from "./options.js";

/** The registers of a card model, as they go over the wire. */
export interface CardRegisters {
  readonly cid: Uint8Array;
  readonly csd: Uint8Array;
  /** Power-up bit and CCS are added by the card's state. */
  readonly ocr: number;
  readonly scr: Uint8Array;
  readonly ssr: Uint8Array;
}

const SD_OCR = 0x00ff8000;
const MMC_OCR = 0x00ff8080;
const C_SIZE_V1_MAX = 4096;
const C_SIZE_V2_MAX = 1 << 22;
const SDXC_MIN_C_SIZE = 0xffff;

/**
 * Registers that fit each other and the capacity.
 * @throws UsageError if no CSD of that kind can say the capacity
 */
export function makeRegisters(
  options: CardModelOptions,
  sectorCount: number,
  cid?: Uint8Array,
): CardRegisters {
  const mmc = options.kind === "mmc";
  return {
    cid: cid ?? (mmc ? mmcCid() : sdCid(options.kind)),
    csd: options.kind === "sdsc" || mmc ? csdV1(options, sectorCount) : csdV2(options, sectorCount),
    ocr: mmc ? MMC_OCR : SD_OCR,
    scr: Uint8Array.of(0x02, 0x35, 0x80, 0x00, 0, 0, 0, 0),
    ssr: makeSsr(options.auSize),
  };
}

/** Registers are described by bit numbers, 127 first. */
class Register {
  readonly bytes = new Uint8Array(16);

  set(high: number, low: number, value: number): void {
    for (let bit = low; bit <= high; bit++) {
      if (Math.floor(value / 2 ** (bit - low)) % 2 === 1)
        this.bytes[15 - (bit >> 3)] = (this.bytes[15 - (bit >> 3)] as number) | (1 << (bit & 7));
    }
  }

  sealed(): Uint8Array {
    this.bytes[15] = (crc7(this.bytes.subarray(0, 15)) << 1) | 1;
    return this.bytes;
  }
}

function sdCid(kind: string): Uint8Array {
  const register = new Register();
  register.bytes.set(Buffer.from(`\x6dMPSIM${kind === "sdsc" ? "1" : "2"} `, "latin1"));
  register.bytes.set([0x10, 0x5a, 0x1e, 0xca, 0x4d, 0x01, 0xab], 8);
  return register.sealed();
}

function mmcCid(): Uint8Array {
  const register = new Register();
  register.bytes.set(Buffer.from("\x6d\x00\x4dSIMMMC", "latin1"));
  register.bytes.set([0x10, 0x5a, 0x1e, 0xca, 0x4d, 0x6a], 9);
  return register.sealed();
}

function protect(register: Register, options: CardModelOptions): void {
  register.set(13, 13, options.writeProtect === "permanent" ? 1 : 0);
  register.set(12, 12, options.writeProtect === "temporary" ? 1 : 0);
}

function csdV1(options: CardModelOptions, sectorCount: number): Uint8Array {
  const register = new Register();
  const shift = options.readBlockLength - 9;
  const multiplier = [7, 6, 5, 4, 3, 2, 1, 0].find((mult) =>
    Number.isInteger(sectorCount / 2 ** (mult + 2 + shift)),
  );
  const size = multiplier === undefined ? 0 : sectorCount / 2 ** (multiplier + 2 + shift);
  if (multiplier === undefined || size > C_SIZE_V1_MAX || size < 1)
    throw inexpressible(
      options.kind,
      sectorCount,
      "a multiple of 256 KiB, at most 1 GiB (2 GiB with block length 1024)",
    );
  const mmc = options.kind === "mmc";
  register.set(127, 126, mmc ? 2 : 0);
  if (mmc) register.set(125, 122, 3);
  register.set(119, 112, 0x26);
  register.set(103, 96, mmc ? 0x2a : 0x32);
  register.set(95, 84, mmc ? 0x0f5 : 0x5f5);
  register.set(83, 80, options.readBlockLength);
  register.set(79, 79, 1);
  register.set(73, 62, size - 1);
  register.set(49, 47, multiplier);
  if (!mmc) register.set(46, 46, 1);
  register.set(45, 39, mmc ? 0 : 0x7f);
  if (mmc) register.set(46, 37, 0x3e0 | 0x1f);
  register.set(38, 32, 0x1f);
  register.set(31, 31, 1);
  register.set(28, 26, 2);
  register.set(25, 22, 9);
  protect(register, options);
  return register.sealed();
}

function csdV2(options: CardModelOptions, sectorCount: number): Uint8Array {
  const register = new Register();
  const size = sectorCount / 1024;
  const xc = options.kind === "sdxc";
  if (!Number.isInteger(size) || size < 1 || size > C_SIZE_V2_MAX)
    throw inexpressible(options.kind, sectorCount, "a multiple of 512 KiB");
  if (xc && size - 1 < SDXC_MIN_C_SIZE)
    throw inexpressible(options.kind, sectorCount, "at least 32 GiB");
  register.set(127, 126, 1);
  register.set(119, 112, 0x0e);
  register.set(103, 96, 0x32);
  register.set(95, 84, 0x5b5);
  register.set(83, 80, 9);
  register.set(69, 48, size - 1);
  register.set(46, 46, 1);
  register.set(45, 39, 0x7f);
  register.set(28, 26, 2);
  register.set(25, 22, 9);
  protect(register, options);
  return register.sealed();
}

function inexpressible(kind: string, sectorCount: number, fits: string): UsageError {
  return new UsageError(`a card of ${sectorCount * 512} bytes cannot be of kind ${kind}`, {
    details: { kind, bytes: sectorCount * 512 },
    hint: `its size must be ${fits}`,
  });
}

function makeSsr(auSize: number): Uint8Array {
  const ssr = new Uint8Array(64);
  ssr.set([0x80, 0, 0, 0, 0, 0, 0, 0, 4, 4, auSize << 4, 0, 8, (1 << 2) | 1]);
  return ssr;
}
