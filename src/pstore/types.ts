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

/**
 * What a listed record is worth.
 * - `ok`: decoded; `verified`: and its checksum trailer holds
 * - `erased`: gone for the kernel, its header still there
 * - `torn`: its checksum trailer says that other bytes were written
 * - `salvaged`: a compressed text whose end is missing or is followed by something else
 * - `undecodable`: compressed, and no method gives a log: shown as it is, with `.enc.z`
 */
export type RecordState = "ok" | "verified" | "erased" | "torn" | "salvaged" | "undecodable";

/** How the payload is packed; the method itself is not recorded on disk. */
export type Compression = "none" | "deflate" | "unknown";

/** Time of a file as a kernel shows it: a record's own time; seconds since 1970, nanoseconds 0..999999999. */
export interface RecordTime {
  readonly seconds: bigint;
  readonly nanoseconds: number;
}

/** A record as a kernel would show it under its pstore mount, or would have before it was erased. */
export interface StoredRecord {
  /** The kernel's file name: `dmesg-pstore_blk-0`, with `.enc.z` if `undecodable`. */
  readonly name: string;
  readonly type: ZoneType;
  /** Of an ftrace record, which merges all CPUs' zones, the first with data. */
  readonly zone: Zone;
  readonly layout: RecordLayout;
  /** dmesg only. */
  readonly header?: RecordHeader;
  /** dmesg only: "Panic", "Oops", "Emergency", "Shutdown", "Unknown". */
  readonly reason?: string;
  /** Absent where the kernel shows the time of mounting: rings, and records with second 0. */
  readonly mtime?: RecordTime;
  readonly compressed: boolean;
  readonly compression: Compression;
  /** Payload bytes on disk, headers not counted. */
  readonly storedBytes: number;
  /** Bytes of the file that is shown; absent if erased. */
  readonly textBytes?: number;
  /** Of those bytes, lower-case hex; absent if erased. */
  readonly sha256?: string;
  readonly state: RecordState;
}

export type ScanWarningCode =
  | "overtop"
  | "invalid-magic"
  | "damaged-length"
  | "empty-compressed"
  | "ring-overtop"
  | "ring-start"
  | "foreign-signature"
  | "misplaced-signature"
  | "signature-gap"
  | "record-past-zone"
  | "torn"
  | "salvaged"
  | "undecodable";

/** Something about a zone that the reader of a list should know. Plain data. */
export interface ScanWarning {
  readonly code: ScanWarningCode;
  /** One sentence without a full stop. */
  readonly message: string;
  /** From the start of the partition, in bytes. */
  readonly offset: number;
  readonly zone?: Zone;
  /** A kernel stops its listing here: it does not show what comes behind (or shows nothing at all). */
  readonly stopsKernel: boolean;
  /** The signatures say that the geometry is wrong: writing is refused. */
  readonly contradictsGeometry: boolean;
}

/** How well a size is known from signatures alone. */
export type SizeProof = "proved" | "lower-bound" | "unknown";

/** One size of a geometry found by `--geometry auto`. */
export interface SizeFinding {
  readonly proof: SizeProof;
  /** Proved, or at least so much; 0 if unknown. */
  readonly bytes: number;
}

/** What the signatures on a partition tell about its geometry. */
export interface GeometryReport {
  readonly kmsg: SizeFinding;
  readonly pmsg: SizeFinding;
  readonly console: SizeFinding;
  readonly ftrace: SizeFinding;
  /** All four are. */
  readonly proved: boolean;
  /** The sizes found, to read with as far as they go; where nothing is known of dmesg, the default if it fits. */
  readonly geometry: Geometry;
}

/** Result of reading a whole partition with a geometry. Holds no contents. */
export interface PartitionScan {
  readonly layout: ZoneLayout;
  /** All dmesg zones, by index, whatever is in them. */
  readonly dmesg: readonly DmesgZone[];
  /** In the kernel's order: dmesg by zone, ftrace, pmsg, console; erased ones included. */
  readonly records: readonly StoredRecord[];
  readonly warnings: readonly ScanWarning[];
  /**
   * The bytes that a kernel would show in that record's file, read again from the device.
   * Throws PstoreError PSTORE_NOT_FOUND for an erased record, and what the device throws.
   */
  contents(record: StoredRecord): Promise<Uint8Array>;
}

/** Geometry, records and their text (PSTORE_ codes). */
export class PstoreError extends MmcpstoreError {}
