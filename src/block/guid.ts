import { fromHex, toHex } from "../util/bytes.js";
import type { RandomSource } from "../util/random.js";

export const GUID_BYTES = 16;

/** The unused partition type (UEFI 5.3.3). */
export const NIL_GUID = "00000000-0000-0000-0000-000000000000";

const TEXT = /^([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})$/i;

/** Lower-case text of 16 bytes. The first three fields are little-endian, the other two are not (UEFI appendix A). */
export function formatGuid(bytes: Uint8Array): string {
  const hex = toHex(reordered(bytes));
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** The 16 bytes of a GUID's text in either case; undefined if it is none. */
export function parseGuid(text: string): Uint8Array | undefined {
  return TEXT.test(text) ? reordered(fromHex(text.replaceAll("-", ""))) : undefined;
}

/** Its own inverse. */
function reordered(bytes: Uint8Array): Uint8Array {
  const out = Uint8Array.from(bytes.subarray(0, GUID_BYTES));
  out.subarray(0, 4).reverse();
  out.subarray(4, 6).reverse();
  out.subarray(6, 8).reverse();
  return out;
}

/** A random GUID (RFC 9562 version 4) as text. */
export function randomGuid(random: RandomSource): string {
  const bytes = Uint8Array.from(random(GUID_BYTES));
  // On disk the version is in the high byte of a little-endian field, the variant is not.
  bytes[7] = ((bytes[7] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return formatGuid(bytes);
}
