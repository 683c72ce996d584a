import { errorCode } from "../util/errors.js";
import { formatSize } from "../util/size.js";
import { type Finding, finding } from "./finding.js";
import { computeLayout, MAX_TOTAL_BYTES } from "./geometry.js";
import { inflateLimit } from "./payload.js";
import type { Geometry } from "./types.js";

/** pstore_blk's sizes are counted in KiB and must be multiples of 4 KiB (fs/pstore/blk.c, check_size). */
const KIB = 1024;
const KERNEL_STEP = 4096;
/** Largest run of memory that Linux 6.1 gets for unpacking (KMALLOC_MAX_SIZE). */
const MAX_KERNEL_BUFFER = 4 * 1024 * 1024;
/** Characters of `blkdev` without the end (fs/pstore/blk.c: char blkdev[80]). */
const MAX_BLKDEV = 79;

/** How a kernel is told of the partition. */
export interface KernelUse {
  /** One shell line for a modular pstore_blk. */
  readonly modprobe: string;
  /** One line for /etc/modprobe.d. */
  readonly modprobeConfiguration: string;
  /** Words for the command line of a kernel with pstore_blk built in. */
  readonly commandLine: string;
  /** Without it nothing is stored. */
  readonly mount: string;
}

/**
 * The lines that make a kernel use the partition with this geometry. All four sizes are named: a kernel with a front-end
 * built in would take 64 KiB for it.
 *
 * @param blkdev path of the partition on the board
 */
export function kernelUse(geometry: Geometry, blkdev: string): KernelUse {
  const values: readonly (readonly [string, string | number])[] = [
    ["blkdev", blkdev],
    ["best_effort", 1],
    ["kmsg_size", geometry.kmsgSize / KIB],
    ["pmsg_size", geometry.pmsgSize / KIB],
    ["console_size", geometry.consoleSize / KIB],
    ["ftrace_size", geometry.ftraceSize / KIB],
  ];
  const parameters = values.map(([name, value]) => `${name}=${value}`);
  return {
    modprobe: `modprobe pstore_blk ${parameters.join(" ")}`,
    modprobeConfiguration: `options pstore_blk ${parameters.join(" ")}`,
    commandLine: parameters.map((parameter) => `pstore_blk.${parameter}`).join(" "),
    mount: "mount -t pstore pstore /sys/fs/pstore",
  };
}

/**
 * Would a kernel take these parameters, and as what? All traps of pstore_blk in Linux 6.1 (fs/pstore/blk.c, zone.c).
 *
 * @param totalBytes size of the partition
 * @param blkdev as it is to be given to the kernel; not judged if absent
 */
export function checkParameters(
  geometry: Geometry,
  totalBytes: number,
  blkdev?: string,
): Finding[] {
  return [
    ...checkTotal(totalBytes),
    ...sizesOf(geometry).flatMap(([name, bytes]) => checkSize(name, bytes)),
    ...checkRoom(geometry, totalBytes),
    ...checkUnpacking(geometry),
    ...checkFtrace(geometry),
    ...(blkdev === undefined ? [] : checkBlkdev(blkdev)),
  ];
}

function checkTotal(totalBytes: number): Finding[] {
  const size = formatSize(totalBytes);
  const details = { totalBytes };
  if (totalBytes < KERNEL_STEP)
    return [
      finding("total-too-small", "error", `a kernel refuses a partition of ${size}`, details),
    ];
  if (totalBytes > MAX_TOTAL_BYTES)
    return [
      finding(
        "total-capped",
        "info",
        `a kernel uses the first ${formatSize(MAX_TOTAL_BYTES)} of the ${size}`,
        details,
      ),
    ];
  if (totalBytes % KERNEL_STEP !== 0) {
    const message = `a kernel refuses a partition of ${size}: it must be a multiple of 4 KiB`;
    return [finding("total-unaligned", "error", message, details)];
  }
  return [];
}

type NamedSize = readonly [name: string, bytes: number];

function sizesOf(geometry: Geometry): NamedSize[] {
  return [
    ["kmsg_size", geometry.kmsgSize],
    ["pmsg_size", geometry.pmsgSize],
    ["console_size", geometry.consoleSize],
    ["ftrace_size", geometry.ftraceSize],
  ];
}

function checkSize(name: string, bytes: number): Finding[] {
  if (!(bytes > 0) || bytes % KERNEL_STEP === 0) return [];
  const details = { parameter: name, bytes };
  if (bytes % KIB !== 0) {
    const message = `${name} counts in KiB: ${bytes} bytes cannot be given to a kernel`;
    return [finding("size-not-kib", "error", message, details)];
  }
  const taken = takenSize(bytes);
  const message = `${name}=${bytes / KIB} is no multiple of 4: a kernel takes it as ${formatSize(taken)}`;
  return [finding("size-misread", "error", message, { ...details, takenAs: taken })];
}

/** The bytes that a kernel makes of a size: check_size rounds the number of KiB, not of bytes, up to 4096 and takes that. */
export function takenSize(bytes: number): number {
  if (bytes % KERNEL_STEP === 0) return bytes;
  return Math.ceil(bytes / KIB / KERNEL_STEP) * KERNEL_STEP;
}

function checkRoom(geometry: Geometry, totalBytes: number): Finding[] {
  try {
    computeLayout(geometry, totalBytes);
    return [];
  } catch (error) {
    const details = { geometry, totalBytes };
    if (errorCode(error) === "PSTORE_GEOMETRY_TOO_LARGE") {
      const message =
        "the sizes need more room than there is: Linux 6.1 crashes when pstore_blk is loaded, newer ones refuse";
      return [finding("no-room", "error", message, details)];
    }
    if (errorCode(error) !== "PSTORE_GEOMETRY_INVALID") throw error;
    const message = sizesOf(geometry).every(([, bytes]) => bytes === 0)
      ? "all sizes are 0: a kernel refuses (at least one record size must be non-zero)"
      : `no kernel can use this geometry: ${(error as Error).message}`;
    return [finding("geometry-invalid", "error", message, details)];
  }
}

function checkUnpacking({ kmsgSize }: Geometry): Finding[] {
  if (inflateLimit(kmsgSize) <= MAX_KERNEL_BUFFER) return [];
  const message = `with zones of ${formatSize(kmsgSize)} Linux 6.1 can get no memory to unpack compressed records: write them with --no-compress`;
  return [finding("no-unpacking", "warning", message, { kmsgSize })];
}

function checkFtrace({ ftraceSize, cpus }: Geometry): Finding[] {
  if (ftraceSize <= 0 || ftraceSize % cpus === 0) return [];
  const message = `${cpus} CPUs do not divide ftrace_size=${ftraceSize / KIB}: the dmesg zones move when the number of CPUs changes`;
  return [finding("ftrace-uneven", "warning", message, { ftraceSize, cpus })];
}

/** A module takes a path and nothing else; names are resolved by kernels with pstore_blk built in, too early for an SD card. */
function checkBlkdev(blkdev: string): Finding[] {
  const details = { blkdev };
  if (blkdev === "")
    return [finding("blkdev-missing", "error", "best_effort=1 without blkdev is refused", details)];
  if (Buffer.byteLength(blkdev) > MAX_BLKDEV) {
    const message = `blkdev has more than ${MAX_BLKDEV} characters: a kernel refuses it`;
    return [finding("blkdev-too-long", "error", message, details)];
  }
  if (blkdev.startsWith("/")) return [];
  const message = `blkdev=${blkdev}: the module takes only a path as /dev/mmcblk0p2; built in it is resolved, but before an SD card is there`;
  return [finding("blkdev-not-a-path", "warning", message, details)];
}
