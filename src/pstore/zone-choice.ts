import { type CountedHeaders, countedHeader, kernelNextZone } from "./kernel-order.js";
import {
  type DmesgHead,
  LAYOUT_BE64,
  LAYOUT_I386,
  LAYOUT_LE64,
  PstoreError,
  type RecordLayout,
  type Zone,
} from "./types.js";

/** A dmesg zone as it was read: its head decoded, and the bytes of it (at least 52). */
export interface DmesgCandidate {
  readonly zone: Zone;
  readonly head: DmesgHead;
  readonly bytes: Uint8Array;
}

/** Where a new record goes. */
export interface ZoneChoice {
  readonly index: number;
  /** The record there is lost. */
  readonly replaces: boolean;
  /** What the kernel itself would have taken. */
  readonly kernelNext: number;
}

/**
 * No record in the kernel's view, of whatever layout and byte order. A length too short for a record is damage, and free only if
 * the user says so.
 */
export function isFree(head: DmesgHead, damagedIsFree = false): boolean {
  return head.state !== "valid" && (head.state !== "damaged" || damagedIsFree);
}

/** What a kernel of that layout counts, zone by zone. */
export function countedHeaders(
  zones: readonly DmesgCandidate[],
  layout: RecordLayout,
): CountedHeaders {
  return zones.map(({ zone, bytes }) => countedHeader(bytes, zone.size, layout));
}

/**
 * The kernel's own next zone if it is free, else the first free one behind it in ring order, else the kernel's next, whose record
 * is then replaced.
 *
 * @param zones all dmesg zones by index, at least one
 * @param passOver zones that are not to be taken
 */
export function chooseZone(
  zones: readonly DmesgCandidate[],
  layout: RecordLayout,
  options: { readonly damagedIsFree?: boolean; readonly passOver?: ReadonlySet<number> } = {},
): ZoneChoice {
  const kernelNext = kernelNextZone(countedHeaders(zones, layout));
  const ring = zones
    .map((_, step) => (kernelNext + step) % zones.length)
    .filter((index) => !options.passOver?.has(index));
  const free = ring.find((index) =>
    isFree((zones[index] as DmesgCandidate).head, options.damagedIsFree),
  );
  if (free !== undefined) return { index: free, replaces: false, kernelNext };
  return { index: ring[0] ?? kernelNext, replaces: true, kernelNext };
}

/** Signed 64 bits. */
const LAST_SECOND: bigint = 2n ** 63n - 1n;

/**
 * `tv_sec` of a new record: the time wanted, but never older than what the kernel counts, and later than a zone of higher index; so
 * that its ring goes on behind our record. Times before 1970 never win there, so they are raised to 0.
 *
 * @throws PstoreError PSTORE_TIME if there is no later second
 */
export function recordSeconds(counted: CountedHeaders, index: number, wanted: bigint): bigint {
  let seconds = wanted > 0n ? wanted : 0n;
  for (const header of counted)
    if (header !== undefined && header.tvSec > seconds) seconds = header.tvSec;
  if (seconds >= LAST_SECOND) throw noLaterSecond(counted, wanted);
  const isTaken = counted.some((header, at) => at > index && header?.tvSec === seconds);
  return isTaken ? seconds + 1n : seconds;
}

function noLaterSecond(counted: CountedHeaders, wanted: bigint): PstoreError {
  const zone = counted.findIndex((header) => header?.tvSec === LAST_SECOND);
  const where = zone < 0 ? "the time given" : `the record in dmesg zone ${zone}`;
  return new PstoreError("PSTORE_TIME", `${where} has the last second that there is`, {
    details: { wanted: `${wanted}`, ...(zone >= 0 && { zone }) },
    hint:
      zone < 0
        ? "give an earlier --time"
        : "nothing can come behind it; pstore extract the records, then pstore format",
  });
}

/**
 * The layout to write in: that of most valid records, else of most erased ones, else 64-bit little-endian, which is also taken of
 * two that are as frequent.
 */
export function chooseLayout(heads: readonly DmesgHead[]): RecordLayout {
  for (const state of ["valid", "erased"] as const) {
    const layouts = heads.flatMap((head) => (head.state === state && head.layout) || []);
    const most = mostFrequent(layouts);
    if (most !== undefined) return most;
  }
  return LAYOUT_LE64;
}

function mostFrequent(layouts: readonly RecordLayout[]): RecordLayout | undefined {
  const counts = [LAYOUT_LE64, LAYOUT_I386, LAYOUT_BE64].map((layout) => ({
    layout,
    count: layouts.filter((other) => sameLayout(other, layout)).length,
  }));
  const most = counts.reduce((best, next) => (next.count > best.count ? next : best));
  return most.count > 0 ? most.layout : undefined;
}

export function sameLayout(a: RecordLayout, b: RecordLayout): boolean {
  return a.headerBytes === b.headerBytes && a.byteOrder === b.byteOrder;
}
