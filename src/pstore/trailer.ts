import { viewOf } from "../util/bytes.js";
import { crc32c } from "../util/crc.js";
import { assert } from "../util/errors.js";
import type { DmesgHead } from "./types.js";
import { ZONE_HEADER_BYTES } from "./zone-header.js";

/** Bytes of the checksum trailer: the last ones of a dmesg zone that we wrote. */
export const TRAILER_BYTES = 32;

/** "MMCP" on disk. */
const MAGIC = 0x50434d4d;
const VERSION = 1;

/**
 * Little-endian whatever the record's byte order; it is ours, not the kernel's.
 *
 * | offset | size | field |
 * |---|---|---|
 * | 0 | 4 | magic 0x50434d4d, "MMCP" |
 * | 4 | 4 | version, 1 |
 * | 8 | 4 | length: bytes covered from the start of the zone = 12 + datalen |
 * | 12 | 4 | CRC-32C of those bytes, with datalen as it is after the commit |
 * | 16 | 12 | zero |
 * | 28 | 4 | CRC-32C of bytes 0..27 |
 */
const AT = { magic: 0, version: 4, length: 8, bodyCrc: 12, ownCrc: 28 } as const;

/**
 * The 32 bytes of a checksum trailer.
 *
 * @param record zone header (with its final datalen), record header and payload, without a gap
 */
export function encodeTrailer(record: Uint8Array): Uint8Array {
  assert(record.length > ZONE_HEADER_BYTES, "a trailer needs a record in front of it");
  const bytes = new Uint8Array(TRAILER_BYTES);
  const view = viewOf(bytes);
  view.setUint32(AT.magic, MAGIC, true);
  view.setUint32(AT.version, VERSION, true);
  view.setUint32(AT.length, record.length, true);
  view.setUint32(AT.bodyCrc, crc32c(record), true);
  view.setUint32(AT.ownCrc, crc32c(bytes.subarray(0, AT.ownCrc)), true);
  return bytes;
}

/**
 * What the trailer of a valid record says. `none`: there is no whole trailer, as after a kernel's own write, which fills the zone
 * with zeros behind the payload, or the record reaches into its place. `torn`: the trailer is whole, and was made for other bytes.
 *
 * @param zoneBytes the whole zone; only the first 12 + datalen bytes and the last 32 are looked at
 */
export function verifyTrailer(
  zoneBytes: Uint8Array,
  head: DmesgHead,
): "verified" | "torn" | "none" {
  const length = ZONE_HEADER_BYTES + head.datalen;
  if (head.state !== "valid" || length > zoneBytes.length - TRAILER_BYTES) return "none";
  const trailer = zoneBytes.subarray(zoneBytes.length - TRAILER_BYTES);
  const view = viewOf(trailer);
  const isWhole =
    view.getUint32(AT.magic, true) === MAGIC &&
    view.getUint32(AT.ownCrc, true) === crc32c(trailer.subarray(0, AT.ownCrc)) &&
    view.getUint32(AT.version, true) === VERSION;
  if (!isWhole) return "none";
  const isOwn =
    view.getUint32(AT.length, true) === length &&
    view.getUint32(AT.bodyCrc, true) === crc32c(zoneBytes.subarray(0, length));
  return isOwn ? "verified" : "torn";
}
