import { viewOf } from "../util/bytes.js";
import { RECORD_MAGIC, readRecordHeader } from "./record-fields.js";
import type { RecordHeader, RecordLayout } from "./types.js";
import { decodeZoneHeader, ZONE_HEADER_BYTES } from "./zone-header.js";

/** include/linux/kmsg_dump.h, enum kmsg_dump_reason. */
export const REASON = { panic: 1, oops: 2, emergency: 3, shutdown: 4 } as const;

/**
 * The record header of a dmesg zone if a kernel of that layout counts it (psz_kmsg_recover_meta, fs/pstore/zone.c): signature and
 * magic in its byte order, length not past the zone. Erased and too short records count. Read in the kernel's own layout,
 * whatever wrote it: an amd64 kernel takes an i386 record for its own.
 *
 * @param bytes at least the first 52 of the zone
 */
export function countedHeader(
  bytes: Uint8Array,
  zoneSize: number,
  layout: RecordLayout,
): RecordHeader | undefined {
  const header = decodeZoneHeader(bytes);
  if (header?.type !== "dmesg" || header.byteOrder !== layout.byteOrder) return undefined;
  if (header.datalen > zoneSize - ZONE_HEADER_BYTES) return undefined;
  const magic = viewOf(bytes).getUint32(ZONE_HEADER_BYTES, layout.byteOrder === "little");
  return magic === RECORD_MAGIC ? readRecordHeader(bytes, layout) : undefined;
}

/** Headers that a kernel counts, by zone; undefined for the others. */
export type CountedHeaders = readonly (RecordHeader | undefined)[];

/**
 * Index of the zone that the kernel writes next: behind the newest by whole seconds, of equal ones the last; times before 1970
 * never win; 0 if there is none.
 */
export function kernelNextZone(counted: CountedHeaders): number {
  let newest = 0n;
  let next = 0;
  counted.forEach((header, index) => {
    if (header === undefined || header.tvSec < newest) return;
    newest = header.tvSec;
    next = (index + 1) % counted.length;
  });
  return next;
}

/**
 * The counter of the next record: one more than the largest of that reason, 32 bits; 0 for Emergency, Shutdown and all that the
 * kernel does not count.
 */
export function nextCounter(counted: CountedHeaders, reason: number): number {
  if (reason !== REASON.panic && reason !== REASON.oops) return 0;
  const largest = counted.reduce(
    (max, header) => (header?.reason === reason ? Math.max(max, header.counter) : max),
    0,
  );
  return (largest + 1) >>> 0;
}
