import { ZONE_HEADER_BYTES, type ZoneHeader } from "./zone-header.js";

/**
 * What the header of a pmsg, console or ftrace zone says, in the kernel's view (psz_recover_zone, fs/pstore/zone.c).
 * - `empty`: no signature of this type; `erased`: datalen 0; both are skipped
 * - `overtop`: datalen or start past the zone; skipped
 * - `broken`: start past datalen; recovery fails as a whole, the kernel lists nothing
 * - `valid`: has data
 */
export type RingState = "empty" | "erased" | "overtop" | "broken" | "valid";

/** Judges a ring's header. `header` is undefined where there is no signature of the zone's type. */
export function ringState(header: ZoneHeader | undefined, zoneSize: number): RingState {
  if (header === undefined) return "empty";
  const capacity = zoneSize - ZONE_HEADER_BYTES;
  if (header.datalen > capacity || header.start > capacity) return "overtop";
  if (header.datalen === 0) return "erased";
  return header.start > header.datalen ? "broken" : "valid";
}

/** The ring's data, oldest byte first: [start, datalen), then [0, start). */
export function linearise(data: Uint8Array, header: ZoneHeader): Uint8Array {
  const { start, datalen } = header;
  const out = new Uint8Array(datalen);
  out.set(data.subarray(start, datalen));
  out.set(data.subarray(0, start), datalen - start);
  return out;
}

/**
 * Size of the zone of a ring that has gone round: from then on datalen is all the room there is. Undefined for one that may not
 * have, where start and datalen are equal.
 */
export function fullRingSize({ start, datalen }: ZoneHeader): number | undefined {
  return start < datalen ? ZONE_HEADER_BYTES + datalen : undefined;
}

/** Bytes that a zone must have for its ring's header and data. */
export function leastRingSize({ datalen }: ZoneHeader): number {
  return ZONE_HEADER_BYTES + datalen;
}
