/** Bits `high..low` of a 128-bit register whose first byte holds bits 127..120. */
export function registerField(register: Uint8Array, high: number, low: number): number {
  let value = 0;
  for (let bit = high; bit >= low; bit--) {
    const byte = register[15 - (bit >> 3)] as number;
    value = value * 2 + ((byte >> (bit & 7)) & 1);
  }
  return value;
}

/** What the model takes from its own CSD, in sectors of 512 bytes. */
export interface CsdFacts {
  readonly sectorCount: number;
  /** log2 of READ_BL_LEN, which is WRITE_BL_LEN too. */
  readonly readBlockLength: number;
  /** An erase takes whole ones of these. */
  readonly eraseSectors: number;
  readonly protectSectors: number;
  readonly maxFrequencyHz: number;
}

const RATE_UNITS = [1e5, 1e6, 1e7, 1e8];
/** TRAN_SPEED mantissas x 10 (SD Physical Layer table 5-6). */
const RATE_VALUES = [0, 10, 12, 13, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 70, 80];

function maxFrequency(csd: Uint8Array): number {
  const unit = RATE_UNITS[registerField(csd, 98, 96)] ?? 0;
  return ((RATE_VALUES[registerField(csd, 102, 99)] ?? 0) * unit) / 10;
}

/** CSD version 2: blocks of 512, erase by block, no write-protect groups (SD Physical Layer 5.3.3). */
function version2(csd: Uint8Array): CsdFacts {
  return {
    sectorCount: (registerField(csd, 69, 48) + 1) * 1024,
    readBlockLength: 9,
    eraseSectors: 1,
    protectSectors: 0,
    maxFrequencyHz: maxFrequency(csd),
  };
}

/** CSD version 1 (SD Physical Layer 5.3.2) and that of MMC (JESD84), which differ in the erase fields. */
function version1(csd: Uint8Array, mmc: boolean): CsdFacts {
  const readBlockLength = registerField(csd, 83, 80);
  const sectorsPerBlock = 2 ** (readBlockLength - 9);
  const eraseGroup = mmc
    ? (registerField(csd, 46, 42) + 1) * (registerField(csd, 41, 37) + 1)
    : registerField(csd, 45, 39) + 1;
  const protectGroups = registerField(csd, mmc ? 36 : 38, 32) + 1;
  const eraseByBlock = !mmc && registerField(csd, 46, 46) === 1;
  return {
    sectorCount:
      (registerField(csd, 73, 62) + 1) * 2 ** (registerField(csd, 49, 47) + 2) * sectorsPerBlock,
    readBlockLength,
    eraseSectors: eraseByBlock ? 1 : eraseGroup * sectorsPerBlock,
    protectSectors: protectGroups * eraseGroup * sectorsPerBlock,
    maxFrequencyHz: maxFrequency(csd),
  };
}

export function csdFacts(csd: Uint8Array, mmc: boolean): CsdFacts {
  return !mmc && registerField(csd, 127, 126) === 1 ? version2(csd) : version1(csd, mmc);
}
