import { MmcpstoreError } from "../util/errors.js";

/** The kernel's record types as pstore/zone stores them, in their order on the partition. */
export type ZoneType = "pmsg" | "console" | "ftrace" | "dmesg";

/** The kernel's own parameters; nothing on disk records them. Bytes, 0 = front-end off. */
export interface Geometry {
  readonly kmsgSize: number;
  readonly pmsgSize: number;
  readonly consoleSize: number;
  readonly ftraceSize: number;
  /** Possible CPUs of the kernel (`nr_cpu_ids`), which divide the ftrace area. */
  readonly cpus: number;
}

/** One zone of the partition. Offsets and sizes in bytes from the start of the partition. */
export interface Zone {
  readonly type: ZoneType;
  /** dmesg: zone number; ftrace: CPU; else 0. */
  readonly index: number;
  readonly offset: number;
  readonly size: number;
}

/** A partition cut into zones with the kernel's arithmetic (fs/pstore/zone.c, psz_alloc_zones). */
export interface ZoneLayout {
  readonly geometry: Geometry;
  readonly totalBytes: number;
  /** In order on the partition. */
  readonly zones: readonly Zone[];
  /** The dmesg zones alone, by index. */
  readonly dmesg: readonly Zone[];
  /** Rest behind the last zone. */
  readonly unusedBytes: number;
}

/** Record header in memory order of the writing kernel: 40 bytes on all but i386, where it is 28. */
export interface RecordLayout {
  readonly headerBytes: 40 | 28;
  readonly byteOrder: "little" | "big";
}

/** The 64-bit little-endian layout, which is also that of 32-bit little-endian ARM, MIPS and RISC-V. */
export const LAYOUT_LE64: RecordLayout = { headerBytes: 40, byteOrder: "little" };
export const LAYOUT_BE64: RecordLayout = { headerBytes: 40, byteOrder: "big" };
export const LAYOUT_I386: RecordLayout = { headerBytes: 28, byteOrder: "little" };

/** A dmesg record header (struct psz_kmsg_header). */
export interface RecordHeader {
  /** Seconds since 1970, signed 64 bits. */
  readonly tvSec: bigint;
  /** 64 bits in the 64-bit layouts, 32 in i386's. */
  readonly tvNsec: bigint;
  /** The byte as it is on disk: 0 = no, anything else = yes. */
  readonly compressed: number;
  /** Unsigned 32 bits. */
  readonly counter: number;
  /** 1 Panic, 2 Oops, 3 Emergency, 4 Shutdown; others are shown as Unknown. */
  readonly reason: number;
}

/**
 * What the first bytes of a dmesg zone are, in the kernel's view.
 * - `empty`: wrong signature; the kernel skips it silently
 * - `overtop`: datalen larger than the zone
 * - `invalid`: wrong magic
 * - `damaged`: datalen smaller than the record header (1..39)
 * - `erased`: valid, datalen 0: not shown, but its time and counter count
 * - `valid`: a record
 */
export type HeadState = "empty" | "overtop" | "invalid" | "damaged" | "erased" | "valid";

/** Zone header (12 bytes) and record header of a dmesg zone, decoded. */
export interface DmesgHead {
  readonly state: HeadState;
  /** Of the signature and magic found; undefined where there is no valid signature. */
  readonly layout?: RecordLayout;
  /** Unsigned 32 bits, as on disk. */
  readonly datalen: number;
  readonly start: number;
  /** Present where the magic is right: `damaged`, `erased`, `valid`. */
  readonly header?: RecordHeader;
}

/** A dmesg zone with its decoded head. */
export interface DmesgZone {
  readonly zone: Zone;
  readonly head: DmesgHead;
}

/** Geometry, records and their text (PSTORE_ codes). */
export class PstoreError extends MmcpstoreError {}
