/** R1 bits (SD Physical Layer 7.3.2.1). */
export const R1 = {
  idle: 0x01,
  eraseReset: 0x02,
  illegal: 0x04,
  crc: 0x08,
  eraseSequence: 0x10,
  address: 0x20,
  parameter: 0x40,
} as const;

/** R2 bits, second byte (7.3.2.3). */
export const R2 = {
  locked: 0x01,
  /** Protected sectors were left out of an erase, or CMD42 failed. */
  skippedOrLockFailed: 0x02,
  error: 0x04,
  controller: 0x08,
  ecc: 0x10,
  protected: 0x20,
  eraseParameter: 0x40,
  /** Also: CMD27 would have changed a read-only bit. */
  outOfRange: 0x80,
} as const;

/** Tokens (7.3.3). */
export const TOKEN = {
  block: 0xfe,
  multiBlock: 0xfc,
  stop: 0xfd,
  controllerError: 0x02,
  outOfRange: 0x08,
} as const;

/** Data responses, lower five bits (7.3.3.1). */
export const RESPONSE = { accepted: 0x05, crcError: 0x0b, writeError: 0x0d } as const;

/** What a card may put behind CMD12 while it still stops: a host that takes it for R1 is wrong. */
export const STUFF_BYTE = 0x2a;
