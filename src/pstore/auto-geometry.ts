import type { BlockDevice } from "../block/device.js";
import { roundUp } from "../util/bytes.js";
import type { Deadline } from "../util/deadline.js";
import { findFtraceSize, leastFtraceZone } from "./auto-ftrace.js";
import { findKmsgSize, sizeByTrailer } from "./auto-kmsg.js";
import { DEFAULT_GEOMETRY, MAX_TOTAL_BYTES } from "./geometry.js";
import { distance, exactly, finding, type Interval, intersect } from "./interval.js";
import { totalBytes } from "./read-bytes.js";
import { fullRingSize, leastRingSize } from "./ring.js";
import { findSignatures, type Signature, type SignatureSearch, ZONE_STEP } from "./signatures.js";
import { type Geometry, type GeometryReport, PstoreError, type ZoneType } from "./types.js";
import { ZONE_HEADER_BYTES } from "./zone-header.js";

/**
 * Finds the geometry of a partition, which is not on disk, from the zone signatures that are. The kinds follow each other
 * in a fixed order from offset 0 on, so the places where they begin bound each other; a ring that has gone round gives its zone's
 * size; the dmesg zones are filled without gaps; our own records carry a trailer at the zone's end. What is not proved is reported as such, never guessed.
 *
 * Reads the whole partition once (128 MiB at most), in large pieces.
 */
export async function detectGeometry(
  device: BlockDevice,
  options: { readonly deadline?: Deadline } = {},
): Promise<GeometryReport> {
  const search = await findSignatures(device, MAX_TOTAL_BYTES, options.deadline);
  const end = Math.min(totalBytes(device), MAX_TOTAL_BYTES);
  const found = judgeSignatures(search, end);
  const { offset } = search.found.find(({ header }) => header.type === "dmesg") ?? {};
  if (found.kmsg.proof !== "lower-bound" || offset === undefined) return found;
  const size = await sizeByTrailer(device, offset, search, options.deadline);
  return size === undefined
    ? found
    : report({ ...found, kmsg: finding(exactly(size)), cpus: found.geometry.cpus }, end);
}

/** What signatures on a partition of `end` bytes prove. */
export function judgeSignatures(search: SignatureSearch, end: number): GeometryReport {
  const zones = sortOut(search.found);
  const borders = findBorders(zones, end);
  const kmsg = findKmsgSize(zones.dmesg, search, end);
  if (borders === undefined) {
    const none = finding(undefined);
    return report({ kmsg, pmsg: none, console: none, ftrace: none, cpus: 1 }, end);
  }
  const { console: second, ftrace: third, dmesg: fourth } = borders;
  const { size: ftrace, cpus } = findFtraceSize(zones.ftrace, third, fourth);
  return report(
    {
      kmsg,
      pmsg: finding(second),
      console: finding(consoleSize(zones, distance(second, third))),
      ftrace,
      cpus,
    },
    end,
  );
}

/** @throws PstoreError PSTORE_GEOMETRY_UNPROVED if one of the sizes is not proved */
export function requireProved(found: GeometryReport): Geometry {
  if (found.proved) return found.geometry;
  const { kmsg, pmsg, console, ftrace } = found;
  const open = Object.entries({ kmsg, pmsg, console, ftrace }).filter(
    ([, { proof }]) => proof !== "proved",
  );
  const names = open.map(([name]) => `--${name}-size`);
  throw new PstoreError(
    "PSTORE_GEOMETRY_UNPROVED",
    `the zones on the partition do not prove its geometry: ${names.join(", ")} open`,
    {
      details: { sizes: { kmsg, pmsg, console, ftrace } },
      hint: `give ${names.join(", ")} as the kernel has them`,
    },
  );
}

type Found = Readonly<Record<ZoneType, readonly Signature[]>>;

/** A pmsg zone lies at 0, and pmsg and console zones exist once. What cannot be a zone is dropped. */
function sortOut(found: readonly Signature[]): Found {
  const real = found.filter((signature) => !isPayload(signature, found));
  const of = (type: ZoneType): Signature[] => real.filter(({ header }) => header.type === type);
  const aligned = (type: ZoneType): Signature[] =>
    of(type).filter(({ offset }) => offset % ZONE_STEP === 0);
  const dmesg = of("dmesg");
  const start = dmesg[0]?.offset ?? Number.POSITIVE_INFINITY;
  return {
    pmsg: aligned("pmsg").filter(({ offset }) => offset === 0),
    console: aligned("console")
      .filter(({ offset }) => offset < start)
      .slice(0, 1),
    ftrace: of("ftrace").filter(({ offset }) => offset < start),
    dmesg,
  };
}

/** A record may hold anything, also a copy of a zone; at a multiple of 4 KiB that would be too much of a coincidence. */
function isPayload({ offset }: Signature, found: readonly Signature[]): boolean {
  if (offset % ZONE_STEP === 0) return false;
  return found.some(
    (other) =>
      other.offset < offset && offset < other.offset + ZONE_HEADER_BYTES + other.header.datalen,
  );
}

/** Where console, ftrace and dmesg zones begin; a kind that is off begins where the next does. */
type Borders = Readonly<Record<"console" | "ftrace" | "dmesg", Interval>>;

/** Undefined if the signatures do not fit together. */
function findBorders(zones: Found, end: number): Borders | undefined {
  const { pmsg, console, ftrace, dmesg } = zones;
  const [firstTrace] = ftrace;
  const consoleFrom = console[0] && exactly(console[0].offset);
  const dmesgFrom = dmesg[0] && exactly(dmesg[0].offset);
  const anywhere: Interval = { low: 0, high: end };

  let second = intersect(ringEnd(pmsg[0], 0) ?? anywhere, consoleFrom ?? anywhere);
  if (second === undefined) return undefined;
  let third: Interval | undefined = {
    low: second.low,
    high: Math.min(end, firstTrace?.offset ?? end),
  };
  third = intersect(third, ringEnd(console[0], second.low) ?? anywhere);
  if (third !== undefined && firstTrace !== undefined) third = traceStart(third, ftrace);
  const fourth = intersect({ low: traceEnd(ftrace, third), high: end }, dmesgFrom ?? anywhere);
  if (third === undefined || fourth === undefined) return undefined;

  third = intersect(third, { low: 0, high: fourth.high });
  second = third && intersect(second, { low: 0, high: third.high });
  return second && third && { console: second, ftrace: third, dmesg: fourth };
}

/** Where the zone of a ring that begins at `from` may end. */
function ringEnd(ring: Signature | undefined, from: number): Interval | undefined {
  if (ring === undefined) return undefined;
  const full = fullRingSize(ring.header);
  if (full !== undefined && full % ZONE_STEP === 0) return exactly(from + full);
  const low = from + roundUp(leastRingSize(ring.header), ZONE_STEP);
  return { low, high: Number.POSITIVE_INFINITY };
}

/** The first signature is CPU 0's unless there is room for another zone in front of it. */
function traceStart(border: Interval, ftrace: readonly Signature[]): Interval {
  const first = (ftrace[0] as Signature).offset;
  const hasRoomInFront = first - border.low >= leastFtraceZone(ftrace);
  return hasRoomInFront ? border : exactly(first);
}

function traceEnd(ftrace: readonly Signature[], from: Interval | undefined): number {
  const last = ftrace.at(-1);
  return last === undefined ? (from?.low ?? 0) : last.offset + leastRingSize(last.header);
}

/** A console zone that is there has a size, wherever its end is. */
function consoleSize({ console }: Found, between: Interval): Interval | undefined {
  const [ring] = console;
  if (ring === undefined) return between;
  return intersect(between, ringEnd(ring, 0) ?? between);
}

interface Sizes extends Pick<GeometryReport, "kmsg" | "pmsg" | "console" | "ftrace"> {
  readonly cpus: number;
}

function report({ cpus, ...sizes }: Sizes, end: number): GeometryReport {
  const { kmsg, pmsg, console, ftrace } = sizes;
  const others = pmsg.bytes + console.bytes + ftrace.bytes;
  return {
    ...sizes,
    proved: [kmsg, pmsg, console, ftrace].every(({ proof }) => proof === "proved"),
    geometry: {
      kmsgSize: kmsg.bytes > 0 ? kmsg.bytes : defaultKmsg(end - others, others),
      pmsgSize: pmsg.bytes,
      consoleSize: console.bytes,
      ftraceSize: ftrace.bytes,
      cpus,
    },
  };
}

/** A size to read with where no dmesg zone was ever written. */
function defaultKmsg(room: number, others: number): number {
  if (room >= DEFAULT_GEOMETRY.kmsgSize) return DEFAULT_GEOMETRY.kmsgSize;
  return others > 0 ? 0 : Math.max(ZONE_STEP, room - (room % ZONE_STEP));
}
