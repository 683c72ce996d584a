import { fromHex } from "../../src/util/bytes.js";
import { crc7 } from "../../src/util/crc.js";

/** 15 bytes of CID or CSD with their CRC7. */
export function withCrc7(hex: string): Uint8Array {
  const register = new Uint8Array(16);
  register.set(fromHex(hex).subarray(0, 15));
  register[15] = (crc7(register.subarray(0, 15)) << 1) | 1;
  return register;
}

/** A copy of a register with `size` bits at `start` replaced, CRC7 made right again. */
export function withBits(
  register: Uint8Array,
  start: number,
  size: number,
  value: number,
): Uint8Array {
  const changed = new Uint8Array(register);
  for (let bit = 0; bit < size; bit++) {
    const at = changed.length - 1 - ((start + bit) >> 3);
    const mask = 1 << ((start + bit) & 7);
    const byte = changed[at] as number;
    changed[at] = Math.floor(value / 2 ** bit) % 2 === 1 ? byte | mask : byte & ~mask;
  }
  if (changed.length === 16) changed[15] = (crc7(changed.subarray(0, 15)) << 1) | 1;
  return changed;
}

/** A card as registers and habits; everything can be overridden. */
export interface FakeCard {
  readonly kind: "sd-v1" | "sd-v2" | "mmc" | "nothing";
  readonly ccs: boolean;
  readonly cid: Uint8Array;
  readonly csd: Uint8Array;
  readonly ocr: number;
  readonly scr: Uint8Array;
  readonly ssr: Uint8Array;
  /** Times that ACMD41 or CMD1 says "idle" first. */
  readonly polls: number;
  readonly crc: "checked" | "unchecked" | "refused" | "refused-once";
  /** Answers to CMD0 before the right one. */
  readonly beforeIdle: readonly number[];
  readonly ocrR1: number;
  readonly littleEndianCount: boolean;
}

const SCR = fromHex("0235800100000000");
const SSR = new Uint8Array(64);
SSR.set(fromHex("80000000050000000400 9000 0f05 1a00"));

/** SanDisk SS08G, a real SDHC card of 15,130,624 blocks; SSR of a SanDisk Extreme. */
export const SDHC: FakeCard = {
  kind: "sd-v2",
  ccs: true,
  cid: fromHex("035054535330384730daaee8ad00f9bb"),
  csd: fromHex("400e00325b59000039b77f800a40003b"),
  ocr: 0x00ff_8000,
  scr: SCR,
  ssr: SSR,
  polls: 2,
  crc: "checked",
  beforeIdle: [],
  ocrR1: 0,
  littleEndianCount: false,
};

/** SanDisk SU02G: CSD version 1, READ_BL_LEN 1024, 3,862,528 blocks. */
export const SDSC: FakeCard = {
  ...SDHC,
  ccs: false,
  cid: withCrc7("03534453553032478000e22ef4009c"),
  csd: withCrc7("002600325f5a83aefefbcfff928040"),
  scr: fromHex("0225000000000000"),
  ssr: new Uint8Array(64),
};

/** The same as an SD 1.x card, which does not know CMD8. */
export const SD_V1: FakeCard = { ...SDSC, kind: "sd-v1", scr: fromHex("0125000000000000") };

/** An MMC of 64 MiB: SPEC_VERS 3, classes 0, 2, 4, 5, 6, 7; erase groups of 32 blocks, 20 MHz. */
export const MMC: FakeCard = {
  ...SDHC,
  kind: "mmc",
  ccs: false,
  cid: withCrc7("1501004d384731474303dc0db06150"),
  csd: mmcCsd(),
};

function mmcCsd(): Uint8Array {
  const fields: readonly (readonly [start: number, size: number, value: number])[] = [
    [126, 2, 2],
    [122, 4, 3],
    [112, 8, 0x0e],
    [96, 8, 0x2a],
    [84, 12, 0x0f5],
    [80, 4, 9],
    [62, 12, 1023],
    [47, 3, 5],
    [42, 5, 0],
    [37, 5, 31],
    [26, 3, 2],
    [22, 4, 9],
  ];
  return fields.reduce<Uint8Array>(
    (csd, [start, size, value]) => withBits(csd, start, size, value),
    new Uint8Array(16),
  );
}
