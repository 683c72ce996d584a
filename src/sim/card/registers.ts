import { crc7 } from "../../util/crc.js";
import { UsageError } from "../../util/errors.js";
import { formatSize } from "../../util/size.js";
import { csdFacts, registerField } from "./csd.js";
import { SECTOR } from "./flash.js";
import type { CardModelKind, CardModelOptions } from "./options.js";

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
/** From here on C_SIZE says SDXC (SD Physical Layer 5.3.3). */
const SDXC_MIN_SIZE = 0x10000;
const KINDS: readonly CardModelKind[] = ["sdsc", "sdhc", "sdxc", "mmc"];

/**
 * Registers that fit each other and the capacity.
 * @throws UsageError if no CSD of that kind can say the capacity; the hint names the kinds that can
 */
export function makeRegisters(options: CardModelOptions, sectorCount: number): CardRegisters {
  const { kind, registers: given } = options;
  const mmc = kind === "mmc";
  const made: CardRegisters = {
    cid: mmc ? mmcCid() : sdCid(kind),
    csd: given.csd ?? makeCsd(options, sectorCount),
    ocr: mmc ? MMC_OCR : SD_OCR,
    scr: makeScr(options),
    ssr: makeSsr(options.auSize),
    ...given,
  };
  checkCsd(made.csd, kind, sectorCount);
  return made;
}

/** CRC7 and end bit behind the first 15 bytes of a CID or CSD. */
export function sealRegister(register: Uint8Array): Uint8Array {
  register[15] = (crc7(register.subarray(0, 15)) << 1) | 1;
  return register;
}

function checkCsd(csd: Uint8Array, kind: CardModelKind, sectorCount: number): void {
  const structure = registerField(csd, 127, 126);
  const right = kind === "mmc" || (kind === "sdsc" ? structure === 0 : structure === 1);
  const told = csdFacts(csd, kind === "mmc").sectorCount;
  if (right && told === sectorCount) return;
  const details = { kind, structure, csdSectors: told, sectors: sectorCount };
  throw new UsageError(
    `the CSD (structure ${structure}, ${told} blocks) does not fit a card of kind ${kind} with ${sectorCount} blocks`,
    { details, hint: `give the cells ${told} blocks` },
  );
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
    return sealRegister(this.bytes);
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

function makeCsd(options: CardModelOptions, sectorCount: number): Uint8Array {
  const { kind } = options;
  const size = sizeFields(kind, options.readBlockLength, sectorCount);
  if (size === undefined) throw inexpressible(options, sectorCount);
  const register = new Register();
  if (kind === "sdhc" || kind === "sdxc") fillVersion2(register, size);
  else fillVersion1(register, size, options);
  register.set(13, 13, options.writeProtect === "permanent" ? 1 : 0);
  register.set(12, 12, options.writeProtect === "temporary" ? 1 : 0);
  return register.sealed();
}

interface SizeFields {
  /** C_SIZE. */
  readonly size: number;
  /** C_SIZE_MULT. */
  readonly multiplier: number;
}

/** Undefined where the kind's CSD cannot say the capacity. */
function sizeFields(
  kind: CardModelKind,
  readBlockLength: number,
  sectorCount: number,
): SizeFields | undefined {
  if (kind === "sdhc" || kind === "sdxc") {
    const size = sectorCount / 1024;
    const [least, most] = kind === "sdhc" ? [1, SDXC_MIN_SIZE - 1] : [SDXC_MIN_SIZE, C_SIZE_V2_MAX];
    const fits = Number.isInteger(size) && size >= least && size <= most;
    return fits ? { size: size - 1, multiplier: 0 } : undefined;
  }
  for (let multiplier = 7; multiplier >= 0; multiplier--) {
    const size = sectorCount / 2 ** (multiplier + 2 + readBlockLength - 9);
    const fits = Number.isInteger(size) && size >= 1 && size <= C_SIZE_V1_MAX;
    if (fits) return { size: size - 1, multiplier };
  }
  return undefined;
}

/** The erase group of the MMC is 1024 blocks; a write-protect group 32 of them. */
function fillVersion1(register: Register, size: SizeFields, options: CardModelOptions): void {
  const mmc = options.kind === "mmc";
  register.set(127, 126, mmc ? 2 : 0);
  register.set(119, 112, 0x26);
  register.set(103, 96, mmc ? 0x2a : 0x32);
  register.set(95, 84, mmc ? 0x0f5 : 0x5f5);
  register.set(83, 80, options.readBlockLength);
  register.set(79, 79, 1);
  register.set(73, 62, size.size);
  register.set(49, 47, size.multiplier);
  if (mmc) {
    register.set(125, 122, 3);
    register.set(46, 37, 0x3ff);
    register.set(36, 32, 0x1f);
  } else {
    register.set(46, 46, 1);
    register.set(45, 39, 0x7f);
    register.set(38, 32, 0x1f);
  }
  register.set(31, 31, 1);
  register.set(28, 26, 2);
  register.set(25, 22, options.readBlockLength);
}

function fillVersion2(register: Register, { size }: SizeFields): void {
  register.set(127, 126, 1);
  register.set(119, 112, 0x0e);
  register.set(103, 96, 0x32);
  register.set(95, 84, 0x5b5);
  register.set(83, 80, 9);
  register.set(69, 48, size);
  register.set(46, 46, 1);
  register.set(45, 39, 0x7f);
  register.set(28, 26, 2);
  register.set(25, 22, 9);
}

const SIZE_RULES: Readonly<Record<CardModelKind, string>> = {
  sdsc: "a multiple of 256 KiB up to 1 GiB, or of 512 KiB up to 2 GiB with block length 1024",
  sdhc: "a multiple of 512 KiB below 32 GiB",
  sdxc: "a multiple of 512 KiB from 32 GiB to 2 TiB",
  mmc: "a multiple of 256 KiB up to 1 GiB, or of 512 KiB up to 2 GiB with block length 1024",
};

function inexpressible({ kind }: CardModelOptions, sectorCount: number): UsageError {
  const fitting = KINDS.filter((one) =>
    [9, 10].some((length) => sizeFields(one, length, sectorCount) !== undefined),
  );
  const others = fitting.filter((one) => one !== kind);
  const also = others.length === 0 ? "" : `; this size fits the kinds ${others.join(", ")}`;
  const size = formatSize(sectorCount * SECTOR);
  return new UsageError(`a card of ${size} (${sectorCount} blocks) cannot be of kind ${kind}`, {
    details: { kind, bytes: sectorCount * SECTOR, fitting },
    hint: `its size must be ${SIZE_RULES[kind]}${also}`,
  });
}

/** SD_SPEC, data after erase, security, bus widths (SD Physical Layer 5.6). */
function makeScr({ kind, specVersion, erasedByte }: CardModelOptions): Uint8Array {
  const erased = erasedByte === 0xff ? 0x80 : 0;
  if (kind === "sdsc") return Uint8Array.of(specVersion, erased | 0x25, 0, 0, 0, 0, 0, 0);
  const security = kind === "sdxc" ? 0x40 : 0x30;
  return Uint8Array.of(2, erased | security | 5, 0x80, 0, 0, 0, 0, 0);
}

/** Class 10; erasing 8 allocation units takes 1 s, and 1 s more (SD Physical Layer 4.10.2). */
function makeSsr(auSize: number): Uint8Array {
  const ssr = new Uint8Array(64);
  ssr.set([0x80, 0, 0, 0, 0, 0, 0, 0, 4, 4, auSize << 4, 0, 8, (1 << 2) | 1]);
  return ssr;
}
