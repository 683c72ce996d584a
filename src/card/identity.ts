import type { Cid } from "./registers/cid.js";
import type { Csd } from "./registers/csd.js";
import type { Ocr } from "./registers/ocr.js";
import type { Scr } from "./registers/scr.js";
import type { Ssr } from "./registers/ssr.js";

export type CardKind = "SDSC" | "SDHC" | "SDXC" | "SDUC" | "MMC";

/**
 * What a torn command or block can do. `A`: CRC checking is proved on, so nothing torn is ever programmed. `B`: it is off, or not
 * proved, so a block in flight may become its first part and FF.
 */
export type IntegrityClass = "A" | "B";

/** A card after identification: its registers, and how it is spoken to. */
export interface CardIdentity {
  readonly kind: CardKind;
  /** SCR's, CMD8's or SPEC_VERS: `3.0`, `1.x`, `4.x`. */
  readonly specVersion: string;
  /** What the argument of a data command counts: bytes (SDSC, MMC) or blocks of 512. */
  readonly addressing: "byte" | "block";
  readonly cid: Cid;
  readonly csd: Csd;
  readonly ocr: Ocr;
  /** Absent on MMC, and where the card refuses ACMD51. */
  readonly scr?: Scr;
  /** Absent on MMC, and where the card refuses ACMD13. */
  readonly ssr?: Ssr;
  /** Capacity in blocks of 512 bytes. */
  readonly blockCount: number;
  /** `on`: the card accepted CMD59; that it checks is what the class says. */
  readonly crc: "on" | "off";
  readonly integrityClass: IntegrityClass;
  /** The clock at the end of identification, as the bridge really set it, in Hz. */
  readonly frequencyHz: number;
  /** By bit 13 or 12 of the CSD. */
  readonly writeProtected: "permanent" | "temporary" | "no";
}

/** SDXC begins at more than 32 GB: C_SIZE of at least 0xFFFF (SD Physical Layer 5.3.3). */
const SDXC_MIN_BLOCKS = 0x1_0000 * 1024;

/** The kind of an SD card by the layout of its CSD and its capacity. */
export function sdKind(csd: Csd, blockCount: number): CardKind {
  if (csd.layout === "SD-3") return "SDUC";
  if (csd.layout === "SD-1") return "SDSC";
  return blockCount >= SDXC_MIN_BLOCKS ? "SDXC" : "SDHC";
}
