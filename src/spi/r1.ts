/** Bits of R1 (SD Physical Layer 7.3.2.1); bit 7 is always 0. */
export const R1 = {
  idle: 0x01,
  eraseReset: 0x02,
  illegalCommand: 0x04,
  crcError: 0x08,
  eraseSequenceError: 0x10,
  addressError: 0x20,
  parameterError: 0x40,
} as const;

/** Bits with which the command was not executed. `idle` is a state, `eraseReset` says that an old erase was dropped. */
export const R1_ERRORS: number =
  R1.illegalCommand | R1.crcError | R1.eraseSequenceError | R1.addressError | R1.parameterError;

const NAMES: readonly (readonly [bit: number, name: string])[] = [
  [R1.idle, "in idle state"],
  [R1.eraseReset, "erase reset"],
  [R1.illegalCommand, "illegal command"],
  [R1.crcError, "command CRC error"],
  [R1.eraseSequenceError, "erase sequence error"],
  [R1.addressError, "address error"],
  [R1.parameterError, "parameter error"],
];

/** The names of the bits that are set, lowest first; empty for 00. */
export function r1Names(r1: number): string[] {
  return NAMES.filter(([bit]) => r1 & bit).map(([, name]) => name);
}

/** `04 (illegal command)`; `00 (ready)`. */
export function describeR1(r1: number): string {
  const names = r1Names(r1);
  return `${r1.toString(16).padStart(2, "0")} (${names.length === 0 ? "ready" : names.join(", ")})`;
}
