import { fieldOffsets, readRecordHeader } from "./record-fields.js";
import { LAYOUT_BE64, LAYOUT_I386, LAYOUT_LE64, type RecordLayout } from "./types.js";
import type { ByteOrder } from "./zone-header.js";

const NSEC_PER_SECOND = 1_000_000_000n;
/** About the year 4000, both ways: past it a time is no clock's but the wrong eight bytes. */
const SANE_SECONDS = 1n << 36n;
const MAX_KNOWN_REASON = 4;
const MAX_SANE_REASON = 255;

/**
 * Which layout a record header is in: signature and magic lie at the same place in the 40-byte and in i386's 28-byte one.
 * Each is read and what does not look like a record is added up; the smaller sum wins, 40 bytes on a tie (all machines but i386).
 *
 * @param bytes at least the first 52 of the zone
 */
export function guessLayout(
  bytes: Uint8Array,
  byteOrder: ByteOrder,
  datalen: number,
): RecordLayout {
  if (byteOrder === "big") return LAYOUT_BE64;
  const penalty40 = implausibility(bytes, LAYOUT_LE64, datalen);
  const penalty28 = implausibility(bytes, LAYOUT_I386, datalen);
  return penalty28 < penalty40 ? LAYOUT_I386 : LAYOUT_LE64;
}

function implausibility(bytes: Uint8Array, layout: RecordLayout, datalen: number): number {
  const header = readRecordHeader(bytes, layout);
  const at = fieldOffsets(layout);
  let sum = 0;
  for (const [from, to] of at.padding) sum += paddingPenalty(bytes.subarray(from, to));
  if (header.tvNsec < 0n || header.tvNsec >= NSEC_PER_SECOND) sum += 4;
  if (header.tvSec < -SANE_SECONDS || header.tvSec > SANE_SECONDS) sum += 4;
  if (header.compressed > 1) sum += header.compressed === 2 ? 1 : 3;
  if (header.reason > MAX_SANE_REASON) sum += 5;
  else if (header.reason === 0 || header.reason > MAX_KNOWN_REASON) sum += 2;
  if (datalen > 0 && datalen < layout.headerBytes) sum += 3;
  const payload = bytes.subarray(
    at.payload,
    at.payload + Math.max(0, datalen - layout.headerBytes),
  );
  return sum + payloadPenalty(payload.subarray(0, PAYLOAD_LOOK), header.compressed !== 0);
}

/** Bytes of payload looked at: what is left of 52 behind i386's header. */
const PAYLOAD_LOOK = 12;

/** The kernel writes zeros; a card or another writer may leave its own filling. */
function paddingPenalty(bytes: Uint8Array): number {
  if (bytes.every((byte) => byte === 0)) return 0;
  return bytes.every((byte) => byte === 0xff) ? 1 : 3;
}

function payloadPenalty(payload: Uint8Array, compressed: boolean): number {
  const first = payload[0];
  if (first === undefined) return 0;
  if (compressed) return isReservedDeflateBlock(first) ? 2 : 0;
  return payload.every(isText) ? 0 : 4;
}

/** BTYPE 11 (RFC 1951, 3.2.3). */
function isReservedDeflateBlock(first: number): boolean {
  return (first & 0b110) === 0b110;
}

function isText(byte: number): boolean {
  return (byte >= 0x20 && byte !== 0x7f) || byte === 0x09 || byte === 0x0a || byte === 0x0d;
}
