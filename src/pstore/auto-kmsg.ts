import type { BlockDevice } from "../block/device.js";
import { roundUp } from "../util/bytes.js";
import type { Deadline } from "../util/deadline.js";
import { decodeDmesgHead } from "./dmesg-head.js";
import { exactly, finding, greatestCommonDivisor } from "./interval.js";
import { readBytes } from "./read-bytes.js";
import { type Signature, type SignatureSearch, ZONE_STEP } from "./signatures.js";
import { verifyTrailer } from "./trailer.js";
import type { SizeFinding, Zone } from "./types.js";
import { ZONE_HEADER_BYTES } from "./zone-header.js";
import { readZone } from "./zone-reader.js";

/** The first trailer behind a zone's start is its own, unless older ones were left inside. */
const MAX_TRIALS = 16;
const HEAD_BYTES = 64;

/**
 * The kmsg size. A kernel fills the dmesg zones from zone 0 without gaps and writes each as a whole, so:
 * - the size divides every distance between signatures, and is at most the smallest;
 * - a smaller divisor would leave a zone without signature in front of one with it: a gap, which refutes it;
 * - so the greatest common divisor is proved, unless it leaves gaps itself (signatures of an older geometry, or lost ones). Then
 *   only the smallest size there is can still be proved, by two signatures at that distance;
 * - one signature alone proves no more than that its record fits.
 *
 * @param dmesg signatures of dmesg zones, by offset
 * @param end bytes of the partition that a kernel uses
 */
export function findKmsgSize(
  dmesg: readonly Signature[],
  search: SignatureSearch,
  end: number,
): SizeFinding {
  const [first, second] = dmesg;
  if (first === undefined) return finding(undefined);
  const offsets = dmesg.map(({ offset }) => offset);
  const room = Math.floor((end - first.offset) / ZONE_STEP) * ZONE_STEP;
  const step = greatestCommonDivisor(offsets.map((offset) => offset - first.offset));
  if (second !== undefined && step % ZONE_STEP === 0) {
    const isMinimal = second.offset - first.offset === ZONE_STEP;
    if (isMinimal || (isWithoutGaps(offsets, step, search.marks) && !hasRingBetween(dmesg, search)))
      return finding(exactly(step));
  }
  const high = second === undefined ? room : second.offset - first.offset;
  const size = recordSize(first);
  const low = size <= high ? size : ZONE_STEP;
  return second === undefined ? finding({ low, high }) : { proof: "lower-bound", bytes: low };
}

/** A zone without signature whose magic is there counts as written. */
function isWithoutGaps(
  offsets: readonly number[],
  step: number,
  marks: ReadonlySet<number>,
): boolean {
  const signed = new Set(offsets);
  const [first, last] = [offsets[0] as number, offsets.at(-1) as number];
  for (let at = first; at < last; at += step) if (!signed.has(at) && !marks.has(at)) return false;
  return true;
}

/** Rings never lie between dmesg zones. */
function hasRingBetween(dmesg: readonly Signature[], { found }: SignatureSearch): boolean {
  const [first, last] = [dmesg[0] as Signature, dmesg.at(-1) as Signature];
  return found.some(
    ({ offset, header }) =>
      header.type !== "dmesg" &&
      offset % ZONE_STEP === 0 &&
      offset > first.offset &&
      offset < last.offset,
  );
}

/** The smallest zone that holds the record. */
function recordSize({ header }: Signature): number {
  return roundUp(ZONE_HEADER_BYTES + header.datalen, ZONE_STEP);
}

/**
 * The size of the first dmesg zone by the checksum trailer that our own records carry at the end of theirs: proved where the
 * checksum holds. Undefined without one.
 */
export async function sizeByTrailer(
  device: BlockDevice,
  offset: number,
  { tails }: SignatureSearch,
  deadline?: Deadline,
): Promise<number | undefined> {
  const ends = tails.filter((end) => end > offset).slice(0, MAX_TRIALS);
  for (const end of ends) {
    const size = end - offset;
    const head = decodeDmesgHead(await readBytes(device, offset, HEAD_BYTES, deadline), size);
    if (head.state !== "valid") continue;
    const zone: Zone = { type: "dmesg", index: 0, offset, size };
    const bytes = await readZone(device, zone, head.datalen, deadline);
    if (verifyTrailer(bytes, head) === "verified") return size;
  }
  return undefined;
}
