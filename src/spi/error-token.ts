/** Bits of a data error token (SD Physical Layer 7.3.3.3); bit 4 is of old cards only (SanDisk manual 1.9). */
export const ERROR_TOKEN = {
  error: 0x01,
  controllerError: 0x02,
  eccFailed: 0x04,
  outOfRange: 0x08,
  locked: 0x10,
} as const;

const TOKEN_NAMES: readonly (readonly [bit: number, name: string])[] = [
  [ERROR_TOKEN.error, "error"],
  [ERROR_TOKEN.controllerError, "card controller error"],
  [ERROR_TOKEN.eccFailed, "card ECC failed"],
  [ERROR_TOKEN.outOfRange, "out of range"],
  [ERROR_TOKEN.locked, "card is locked"],
];

/** True for a byte that stands where a start token was due and reports an error: `000x eeee`, not 00. */
export function isErrorToken(byte: number): boolean {
  return (byte & 0xe0) === 0 && byte !== 0;
}

/** The names of the bits of a data error token, lowest first. */
export function errorTokenNames(token: number): string[] {
  return TOKEN_NAMES.filter(([bit]) => token & bit).map(([, name]) => name);
}
