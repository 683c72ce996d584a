import { toHex } from "../../util/bytes.js";
import { bitsOf, flagOf } from "./bits.js";
import { checkLength } from "./length.js";

/** SD configuration register (SD Physical Layer 5.6). */
export interface Scr {
  readonly structure: number;
  /** Version of the physical layer specification: `1.0`, `1.1`, `2.0`, `3.0`, `4.x` and up: the register tells no more. */
  readonly specVersion: string;
  /** DATA_STAT_AFTER_ERASE: what erased blocks should read as. Cards are known to differ from it. */
  readonly erasedByte: 0x00 | 0xff;
  /** SD_SECURITY: 0 none, 2 SDSC, 3 SDHC, 4 SDXC. */
  readonly security: number;
  readonly extendedSecurity: number;
  /** Data lines that the card can use in native mode. */
  readonly busWidths: readonly number[];
  readonly commands: {
    readonly speedClassControl: boolean;
    readonly setBlockCount: boolean;
    readonly extensionRegisters: boolean;
    readonly extensionRegistersMulti: boolean;
  };
  /** The 8 bytes as hex. */
  readonly raw: string;
}

/** Decodes 8 bytes of SCR. @throws UsageError unless 8 bytes */
export function decodeScr(register: Uint8Array): Scr {
  checkLength("SCR", register, 8);
  const widths = bitsOf(register, 48, 4);
  return {
    structure: bitsOf(register, 60, 4),
    specVersion: specVersion(register),
    erasedByte: flagOf(register, 55) ? 0xff : 0x00,
    security: bitsOf(register, 52, 3),
    extendedSecurity: bitsOf(register, 43, 4),
    busWidths: [1, 4].filter((lines) => widths & lines),
    commands: {
      speedClassControl: flagOf(register, 32),
      setBlockCount: flagOf(register, 33),
      extensionRegisters: flagOf(register, 34),
      extensionRegistersMulti: flagOf(register, 35),
    },
    raw: toHex(register),
  };
}

/** SD_SPEC, SD_SPEC3, SD_SPEC4 and SD_SPECX together (table 5-19). */
function specVersion(register: Uint8Array): string {
  const spec = bitsOf(register, 56, 4);
  const specX = bitsOf(register, 38, 4);
  if (spec < 2) return spec === 0 ? "1.0" : "1.1";
  if (spec > 2) return `unknown (${spec})`;
  if (!flagOf(register, 47)) return "2.0";
  if (specX > 0) return `${specX + 4}.x`;
  return flagOf(register, 42) ? "4.x" : "3.0";
}
