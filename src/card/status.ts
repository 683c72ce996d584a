import { describeR1 } from "./r1.js";

export { ERROR_TOKEN, errorTokenNames, isErrorToken } from "../spi/error-token.js";

/** Bits of the second byte of R2 (CMD13, SD Physical Layer 7.3.2.3). Reading clears them. */
export const R2 = {
  locked: 0x01,
  /** Protected blocks were left out of an erase, or lock/unlock failed. */
  eraseSkipOrLockFailed: 0x02,
  error: 0x04,
  controllerError: 0x08,
  eccFailed: 0x10,
  writeProtectViolation: 0x20,
  eraseParameter: 0x40,
  /** Out of range, or CSD overwrite. */
  outOfRange: 0x80,
} as const;

const STATUS_NAMES: readonly (readonly [bit: number, name: string])[] = [
  [R2.locked, "card is locked"],
  [R2.eraseSkipOrLockFailed, "write-protected blocks not erased, or lock/unlock failed"],
  [R2.error, "general error"],
  [R2.controllerError, "card controller error"],
  [R2.eccFailed, "card ECC failed"],
  [R2.writeProtectViolation, "write protect violation"],
  [R2.eraseParameter, "invalid selection for erase"],
  [R2.outOfRange, "out of range"],
];

/** R1 and the byte behind it, as CMD13 gives them. */
export interface CardStatus {
  readonly r1: number;
  readonly r2: number;
}

/** The names of the bits set in R2's second byte, lowest first. */
export function r2Names(r2: number): string[] {
  return STATUS_NAMES.filter(([bit]) => r2 & bit).map(([, name]) => name);
}

/** `R1 00 (ready), R2 20 (write protect violation)`. */
export function describeStatus({ r1, r2 }: CardStatus): string {
  const names = r2Names(r2);
  const meaning = names.length === 0 ? "no error" : names.join(", ");
  return `R1 ${describeR1(r1)}, R2 ${r2.toString(16).padStart(2, "0")} (${meaning})`;
}
