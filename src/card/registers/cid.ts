import { toHex } from "../../util/bytes.js";
import type { CardFamily } from "../commands.js";
import { bitsOf, textOf } from "./bits.js";
import { checkLength } from "./length.js";
import { type RegisterCrc, registerCrc } from "./register-crc.js";

/** Seen on genuine cards; cards with other or wrong ids are common, so this is a hint and no proof. */
const MANUFACTURERS: Readonly<Record<CardFamily, Readonly<Record<number, string>>>> = {
  SD: {
    1: "Panasonic",
    2: "Toshiba/Kioxia",
    3: "SanDisk/WD",
    9: "ATP",
    27: "Samsung",
    39: "Phison",
    40: "Lexar",
    65: "Kingston",
    116: "Transcend",
    130: "Sony",
    173: "Lexar",
  },
  MMC: { 17: "Toshiba/Kioxia", 21: "Samsung", 69: "SanDisk/WD", 112: "Kingston" },
};

/** Card identification register (SD Physical Layer 5.2; JESD84 8.2). */
export interface Cid {
  readonly family: CardFamily;
  /** MID: 8 bits; 24 bits of an MMC before 2.0. */
  readonly manufacturerId: number;
  /** Who usually has that id; undefined if unknown. */
  readonly manufacturer: string | undefined;
  /** OID: two characters of an SD card, a number in hex of an MMC, undefined of an MMC before 2.0. */
  readonly oemId: string | undefined;
  /** PNM: 5 (SD), 6 (MMC) or 7 (MMC before 2.0) characters. */
  readonly productName: string;
  /** PRV as `major.minor`. */
  readonly productRevision: string;
  /** PSN: 32 bits; 24 of an MMC before 2.0. */
  readonly serialNumber: number;
  readonly manufactured: { readonly year: number; readonly month: number };
  readonly crc: RegisterCrc;
  /** The 16 bytes as hex: what tells two cards apart. */
  readonly raw: string;
}

/** What decoding the CID of an MMC needs from elsewhere. */
export interface MmcContext {
  /** SPEC_VERS of the CSD: 0 and 1 have the old layout. Default 4. */
  readonly specVersion?: number;
  /** EXT_CSD[192]: moves the epoch of the date. Unknown in SPI mode. */
  readonly extCsdRevision?: number;
}

/** Decodes 16 bytes of CID. Reserved bits are not looked at: real cards set them. @throws UsageError unless 16 bytes */
export function decodeCid(register: Uint8Array, family: CardFamily, mmc: MmcContext = {}): Cid {
  checkLength("CID", register, 16);
  if (family === "SD") return decodeSd(register);
  return (mmc.specVersion ?? 4) <= 1 ? decodeOldMmc(register, mmc) : decodeMmc(register, mmc);
}

type Common = Pick<Cid, "family" | "manufacturerId" | "manufacturer" | "crc" | "raw">;

function common(register: Uint8Array, family: CardFamily, manufacturerId: number): Common {
  return {
    family,
    manufacturerId,
    manufacturer: MANUFACTURERS[family][manufacturerId],
    crc: registerCrc(register),
    raw: toHex(register),
  };
}

function decodeSd(register: Uint8Array): Cid {
  return {
    ...common(register, "SD", bitsOf(register, 120, 8)),
    oemId: textOf(register.subarray(1, 3)),
    productName: textOf(register.subarray(3, 8)),
    productRevision: `${bitsOf(register, 60, 4)}.${bitsOf(register, 56, 4)}`,
    serialNumber: bitsOf(register, 24, 32),
    manufactured: { year: 2000 + bitsOf(register, 12, 8), month: bitsOf(register, 8, 4) },
  };
}

function decodeMmc(register: Uint8Array, mmc: MmcContext): Cid {
  return {
    ...common(register, "MMC", bitsOf(register, 120, 8)),
    oemId: bitsOf(register, 104, 16).toString(16).padStart(4, "0"),
    productName: textOf(register.subarray(3, 9)),
    productRevision: `${bitsOf(register, 52, 4)}.${bitsOf(register, 48, 4)}`,
    serialNumber: bitsOf(register, 16, 32),
    manufactured: mmcDate(register, mmc),
  };
}

function decodeOldMmc(register: Uint8Array, mmc: MmcContext): Cid {
  return {
    ...common(register, "MMC", bitsOf(register, 104, 24)),
    oemId: undefined,
    productName: textOf(register.subarray(3, 10)),
    productRevision: `${bitsOf(register, 44, 4)}.${bitsOf(register, 40, 4)}`,
    serialNumber: bitsOf(register, 16, 24),
    manufactured: mmcDate(register, mmc),
  };
}

/** Four bits of year since 1997, used a second and a third time round (JESD84-B51B; Linux mmc.c). */
function mmcDate(register: Uint8Array, { extCsdRevision = 0 }: MmcContext): Cid["manufactured"] {
  let year = 1997 + bitsOf(register, 8, 4);
  if (extCsdRevision >= 5 && year < 2010) year += 16;
  if (extCsdRevision >= 9 && year < 2023) year += 16;
  return { year, month: bitsOf(register, 12, 4) };
}
