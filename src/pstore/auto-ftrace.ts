import { roundUp } from "../util/bytes.js";
import { ftraceZones } from "./geometry.js";
import {
  distance,
  exactly,
  finding,
  greatestCommonDivisor,
  type Interval,
  isExact,
} from "./interval.js";
import { fullRingSize, leastRingSize } from "./ring.js";
import { type Signature, ZONE_STEP } from "./signatures.js";
import type { SizeFinding } from "./types.js";

export interface FtraceFinding {
  readonly size: SizeFinding;
  /** 1 unless proved to be another number. */
  readonly cpus: number;
}

const NO_CPUS = 1;
/** More zones than this are no CPUs. */
const MAX_ZONES = 8192;

/** Smallest size that each ftrace zone can have, in bytes; 0 without signatures. */
export function leastFtraceZone(ftrace: readonly Signature[]): number {
  return Math.max(0, ...ftrace.map(({ header }) => leastRingSize(header)));
}

/**
 * The ftrace size and the number of CPUs, from where its area may begin and end. The area is `count` zones of s bytes, where
 * s = floor(size / cpus): the size is proved if only one pair of size and zone size gives that area and lies on all signatures.
 */
export function findFtraceSize(
  ftrace: readonly Signature[],
  from: Interval,
  to: Interval,
): FtraceFinding {
  const area = distance(from, to);
  if (ftrace.length === 0) return { size: areaFinding(area), cpus: NO_CPUS };
  if (isExact(from) && isExact(to)) {
    const sizes = possibleSizes(ftrace, from.low, to.low);
    const [only] = sizes;
    if (only !== undefined && sizes.length === 1)
      return { size: finding(exactly(only.size)), cpus: only.cpus };
  }
  const last = ftrace.at(-1) as Signature;
  const reach = last.offset + leastRingSize(last.header) - from.high;
  const bytes = roundUp(Math.max(area.low, reach), ZONE_STEP);
  return { size: { proof: "lower-bound", bytes }, cpus: NO_CPUS };
}

/** Without signatures an area proves its size only by being empty: its rest may belong to no zone. */
function areaFinding(area: Interval): SizeFinding {
  if (area.high === 0) return finding(exactly(0));
  return finding({ low: roundUp(area.low, ZONE_STEP), high: Number.POSITIVE_INFINITY });
}

interface FtraceSize {
  readonly size: number;
  readonly cpus: number;
}

function possibleSizes(ftrace: readonly Signature[], from: number, to: number): FtraceSize[] {
  const steps = greatestCommonDivisor([to - from, ...ftrace.map(({ offset }) => offset - from)]);
  const full = ftrace.flatMap(({ header }) => fullRingSize(header) ?? []);
  const least = leastFtraceZone(ftrace);
  return divisors(steps)
    .filter((zone) => zone >= least && full.every((size) => size === zone))
    .filter((zone) => (to - from) / zone <= MAX_ZONES)
    .flatMap((zone) => sizesOf(zone, (to - from) / zone));
}

/** All sizes, multiples of 4 KiB, that some number of CPUs cuts into `count` zones of `zone` bytes. */
function sizesOf(zone: number, count: number): FtraceSize[] {
  const sizes: FtraceSize[] = [];
  for (let cpus = count; cpus >= 1; cpus--) {
    const size = roundUp(zone * cpus, ZONE_STEP);
    const cut = ftraceZones(size, cpus);
    if (cut.size === zone && cut.count === count) sizes.push({ size, cpus });
  }
  return sizes;
}

function divisors(value: number): number[] {
  const found: number[] = [];
  for (let low = 1; low * low <= value; low++) {
    if (value % low !== 0) continue;
    found.push(low);
    if (low * low !== value) found.push(value / low);
  }
  return found;
}
