/** First byte of a command and of its answer; LE16 length and payload follow (bridges.md 3.2). */
export const COMMAND = {
  readSettings: 0xca,
  writeSettings: 0xc0,
  /** Has no answer. */
  chipSelect: 0xc1,
  /** Both directions at once. */
  exchange: 0xc2,
  /** Answered with as many frames as it takes. */
  read: 0xc3,
  write: 0xc4,
  /** Which clocks the prescaler divides; read out of the maker's library, never seen on a wire. */
  clockFamily: 0xe1,
} as const;

export const HEAD_BYTES = 3;
/** Payload of a command or answer: with its head 510 bytes, which always end in a short packet. */
export const PAYLOAD_BYTES = 507;
export const SETTINGS_BYTES = 26;
export const CS_BYTES = 10;
export const COUNT_BYTES = 4;

/** First byte of a chip select in a {@link COMMAND.chipSelect}. */
export const CS_BIT = {
  change: 0x80,
  release: 0x40,
  /** Released by the chip after the next transfer: never wanted for a card. */
  autoRelease: 0x20,
} as const;

/** Where things are in the settings, counted from the first byte of the payload. */
export const SETTING = {
  mode: 2,
  dataSize: 4,
  cpol: 6,
  cpha: 8,
  nss: 10,
  prescaler: 12,
  firstBit: 14,
  crcPolynomial: 16,
  intervalUs: 18,
  idleByte: 20,
  csPolarity: 21,
} as const;

/** Words of the settings, as in the maker's `ch347_lib.h`. */
export const WORD = {
  master: 0x0104,
  sixteenBits: 0x0800,
  cpol: 0x02,
  cpha: 0x01,
  softwareCs: 0x0200,
  lsbFirst: 0x80,
  crcPolynomial: 7,
} as const;

export const FASTEST_HZ = 60_000_000;
/** The slowest of 8 clocks, each half of the one before. */
export const SLOWEST_CLOCK_INDEX = 7;
/** The index stands in bits 3 to 5 of its word. */
export const CLOCK_SHIFT = 3;

/** SCK of a prescaler's index, 0 to 7, in Hz. */
export function clockHz(index: number): number {
  return FASTEST_HZ / 2 ** index;
}
