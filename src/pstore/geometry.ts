import { formatSize } from "../util/size.js";
import {
  type Geometry,
  PstoreError,
  type RecordLayout,
  type Zone,
  type ZoneLayout,
  type ZoneType,
} from "./types.js";
import { ZONE_HEADER_BYTES } from "./zone-header.js";

/** What a stock kernel uses: 64 KiB for dmesg, the other front-ends off (fs/pstore/Kconfig, blk.c). */
export const DEFAULT_GEOMETRY: Geometry = {
  kmsgSize: 64 * 1024,
  pmsgSize: 0,
  consoleSize: 0,
  ftraceSize: 0,
  cpus: 1,
};

/** The kernel uses no more of a device than this (fs/pstore/blk.c), in bytes. */
export const MAX_TOTAL_BYTES: number = 128 * 1024 * 1024;

/** A zone must hold its own headers (12 + 40) and something to read. */
const MIN_ZONE_BYTES = 64;
const MAX_CPUS = 8192;

/** Data bytes of a zone behind its 12-byte header. */
export function bufferSize(zone: Zone): number {
  return zone.size - ZONE_HEADER_BYTES;
}

/** Largest payload of a dmesg record in that zone as the kernel counts it (no checksum trailer kept free). */
export function maxPayload(layout: RecordLayout, zone: Zone): number {
  return bufferSize(zone) - layout.headerBytes;
}

/**
 * Cuts `totalBytes` into zones with the arithmetic of psz_alloc_zones (fs/pstore/zone.c): pmsg, console, one ftrace zone
 * a CPU, and as many dmesg zones as fit. A total above 128 MiB counts as 128 MiB. An ftrace size that the CPUs do not
 * divide moves the dmesg zones to odd offsets, as in the kernel.
 *
 * @throws PstoreError PSTORE_GEOMETRY_INVALID (no whole number, negative, smaller than its header, all 0, no CPU);
 * PSTORE_GEOMETRY_TOO_LARGE (the partition cannot hold it)
 */
export function computeLayout(geometry: Geometry, totalBytes: number): ZoneLayout {
  checkNumbers(geometry);
  const total = Math.min(totalBytes, MAX_TOTAL_BYTES);
  const { pmsgSize, consoleSize, ftraceSize, kmsgSize } = geometry;
  const room = total - pmsgSize - consoleSize - ftraceSize;
  if (room < kmsgSize) throw tooLarge(geometry, total);

  const zones: Zone[] = [];
  let offset = 0;
  const cut = (type: ZoneType, size: number, count: number): void => {
    for (let index = 0; index < count; index++, offset += size)
      zones.push({ type, index, offset, size });
  };
  cut("pmsg", pmsgSize, pmsgSize > 0 ? 1 : 0);
  cut("console", consoleSize, consoleSize > 0 ? 1 : 0);
  const ftrace = ftraceZones(ftraceSize, geometry.cpus);
  cut("ftrace", ftrace.size, ftrace.count);
  cut("dmesg", kmsgSize, kmsgSize > 0 ? Math.floor(room / kmsgSize) : 0);
  const dmesg = zones.filter((zone) => zone.type === "dmesg");
  return { geometry, totalBytes, zones, dmesg, unusedBytes: totalBytes - offset };
}

/** Size and number of the ftrace zones (psz_init_zones). With more rest than a zone there is one zone more than CPUs. */
export function ftraceZones(ftraceSize: number, cpus: number): { size: number; count: number } {
  if (ftraceSize === 0) return { size: 0, count: 0 };
  const size = Math.floor(ftraceSize / cpus);
  return { size, count: Math.floor(ftraceSize / size) };
}

function checkNumbers(geometry: Geometry): void {
  const { kmsgSize, pmsgSize, consoleSize, ftraceSize, cpus } = geometry;
  if (!Number.isSafeInteger(cpus) || cpus < 1 || cpus > MAX_CPUS)
    throw invalid(geometry, `${cpus} is no number of CPUs`, `give --cpus 1 to ${MAX_CPUS}`);
  const sizes = { kmsg: kmsgSize, pmsg: pmsgSize, console: consoleSize, ftrace: ftraceSize };
  for (const [name, size] of Object.entries(sizes)) {
    if (!Number.isSafeInteger(size) || size < 0)
      throw invalid(geometry, `the ${name} size ${size} is no number of bytes`, HINT_SIZES);
    const zone = name === "ftrace" ? ftraceZones(size, cpus).size : size;
    if (size > 0 && !(zone >= MIN_ZONE_BYTES))
      throw invalid(geometry, `a ${name} zone of ${zone} bytes cannot hold its header`, HINT_SIZES);
  }
  if (kmsgSize + pmsgSize + consoleSize + ftraceSize === 0)
    throw invalid(geometry, "all zone sizes are 0", "give at least one of them a size");
}

const HINT_SIZES =
  "the kernel counts in KiB, multiples of 4: --kmsg-size 64K is its kmsg_size=64; 0 turns a kind off";

function invalid(geometry: Geometry, what: string, hint: string): PstoreError {
  return new PstoreError("PSTORE_GEOMETRY_INVALID", what, { details: { geometry }, hint });
}

function tooLarge(geometry: Geometry, total: number): PstoreError {
  const { kmsgSize, pmsgSize, consoleSize, ftraceSize } = geometry;
  const needed = kmsgSize + pmsgSize + consoleSize + ftraceSize;
  return new PstoreError(
    "PSTORE_GEOMETRY_TOO_LARGE",
    `a partition of ${formatSize(total)} cannot hold the geometry, which needs ${formatSize(needed)}`,
    {
      details: { geometry, totalBytes: total, neededBytes: needed },
      hint: "give smaller sizes, those of the kernel that wrote it, or --geometry auto",
    },
  );
}
