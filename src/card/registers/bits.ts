import { assert } from "../../util/errors.js";

/**
 * `size` bits of a register sent MSB first, `start` being the lowest; bit 0 is the last bit of the last
 * byte, as the specifications number them.
 */
export function bitsOf(register: Uint8Array, start: number, size: number): number {
  assert(size >= 1 && size <= 32 && start + size <= register.length * 8, "bits outside a register");
  let value = 0;
  for (let bit = start + size - 1; bit >= start; bit--) {
    const byte = register[register.length - 1 - (bit >> 3)] as number;
    value = value * 2 + ((byte >> (bit & 7)) & 1);
  }
  return value;
}

/** One bit as a truth value. */
export function flagOf(register: Uint8Array, bit: number): boolean {
  return bitsOf(register, bit, 1) === 1;
}

/** ASCII as it stands; NULs and spaces at the end dropped, anything unprintable as `\xNN`. */
export function textOf(bytes: Uint8Array): string {
  let end = bytes.length;
  while (end > 0 && (bytes[end - 1] === 0 || bytes[end - 1] === 0x20)) end--;
  return Array.from(bytes.subarray(0, end), (byte) =>
    byte >= 0x20 && byte < 0x7f
      ? String.fromCharCode(byte)
      : `\\x${byte.toString(16).padStart(2, "0")}`,
  ).join("");
}
