import type { BlockDevice } from "../block/device.js";
import type { Deadline } from "../util/deadline.js";
import { readBytes, totalBytes } from "./read-bytes.js";
import { ringState } from "./ring.js";
import { findSignatures, type Signature, ZONE_STEP } from "./signatures.js";
import type { ScanWarning, Zone, ZoneLayout } from "./types.js";
import { ZONE_HEADER_BYTES, type ZoneHeader } from "./zone-header.js";
import type { ZoneHead } from "./zone-reader.js";

/** Where a kernel's second record shows a wrong kmsg size: sizes of more than this are not met. */
const NEAR_BYTES = 1024 * 1024;
const MAX_NEAR_BYTES = 8 * 1024 * 1024;
/** A wrong geometry is wrong everywhere: so many examples are enough. */
const MAX_OF_A_KIND = 8;
/** Two records alone may have one or two zones between them that were lost: that is no proof yet. */
const FEW_RECORDS_STEP = 4;
/** Bytes at the end of a payload that are looked at: text and deflate both end in something. */
const END_BYTES = 8;

/**
 * A kernel fills the dmesg zones from 0 without gaps. Where every signature stands at a multiple of several zones, the zones are really that
 * much larger.
 */
function gapWarning(heads: readonly ZoneHead[]): ScanWarning[] {
  // A single record stands anywhere.
  const signed = heads.flatMap(({ zone, dmesg }) =>
    dmesg !== undefined && dmesg.state !== "empty" ? [zone] : [],
  );
  const step = signed.reduce((divisor, { index }) => greatestCommonDivisor(divisor, index), 0);
  const last = signed.at(-1);
  if (last === undefined || signed.length < 2 || step < (signed.length > 2 ? 2 : FEW_RECORDS_STEP))
    return [];
  const message = `records stand only at every ${step}th dmesg zone of this geometry: the zones are really ${step} times as large`;
  return [contradiction("signature-gap", message, last.offset, last)];
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/**
 * Signs that a partition was written with another geometry than the one given: a zone of another type where one should
 * begin, a zone where none should begin, a record that goes on past its zone.
 */
export async function geometryWarnings(
  device: BlockDevice,
  layout: ZoneLayout,
  heads: readonly ZoneHead[],
  options: { readonly search?: "heads" | "near" | "all"; readonly deadline?: Deadline },
): Promise<ScanWarning[]> {
  const search = options.search ?? "near";
  const limit = search === "all" ? layout.totalBytes : search === "near" ? nearBytes(layout) : 0;
  const { found } = await findSignatures(device, limit, options.deadline);
  const foreign = heads.flatMap((head) => foreignWarning(head) ?? []);
  const misplaced = misplacedSignatures(layout, heads, found)
    .slice(0, MAX_OF_A_KIND)
    .map(misplacedWarning);
  const past: ScanWarning[] = [];
  for (const { zone, header } of heads) {
    if (header === undefined || !isOvertop(zone, header)) continue;
    if (await goesOnPastZone(device, zone, header, found)) past.push(pastWarning(zone, header));
    if (past.length === MAX_OF_A_KIND) break;
  }
  return [...foreign, ...gapWarning(heads), ...misplaced, ...past];
}

function nearBytes(layout: ZoneLayout): number {
  const second = layout.dmesg[1] ?? layout.dmesg[0];
  const end = second === undefined ? 0 : second.offset + second.size;
  return Math.min(Math.max(NEAR_BYTES, end), MAX_NEAR_BYTES);
}

function foreignWarning({ zone, foreign }: ZoneHead): ScanWarning | undefined {
  if (foreign === undefined) return undefined;
  return contradiction(
    "foreign-signature",
    `the ${zone.type} zone ${zone.index} of this geometry holds a ${foreign} zone`,
    zone.offset,
    zone,
  );
}

/**
 * Zones that begin where the geometry has none, at multiples of 4 KiB, or anywhere if there are ftrace zones, which the number of
 * CPUs moves. What lies in a valid zone's data does not count.
 */
export function misplacedSignatures(
  layout: ZoneLayout,
  heads: readonly ZoneHead[],
  found: readonly Signature[],
): Signature[] {
  const starts = new Set(layout.zones.map(({ offset }) => offset));
  const isAnywhere = layout.geometry.ftraceSize > 0;
  let at = 0;
  return found.filter(({ offset }) => {
    if (starts.has(offset) || (offset % ZONE_STEP !== 0 && !isAnywhere)) return false;
    while ((heads[at + 1]?.zone.offset ?? Number.POSITIVE_INFINITY) <= offset) at++;
    const head = heads[at];
    return head === undefined || !coversByData(head, offset);
  });
}

function coversByData({ zone, header, dmesg }: ZoneHead, offset: number): boolean {
  if (header?.type !== zone.type) return false;
  const isValid = dmesg?.state === "valid" || ringState(header, zone.size) === "valid";
  return (
    isValid && offset > zone.offset && offset < zone.offset + ZONE_HEADER_BYTES + header.datalen
  );
}

function misplacedWarning({ offset, header }: Signature): ScanWarning {
  const message = `a ${header.type} zone begins at byte ${offset}, where this geometry has none`;
  return contradiction("misplaced-signature", message, offset);
}

function isOvertop(zone: Zone, { type, datalen }: ZoneHeader): boolean {
  return type === zone.type && datalen > zone.size - ZONE_HEADER_BYTES;
}

/**
 * Data that does not fit in its zone, but does in front of the next signature, and whose last bytes are there: so the zones
 * are larger. A length that is merely damaged does not pass.
 */
async function goesOnPastZone(
  device: BlockDevice,
  zone: Zone,
  header: ZoneHeader,
  found: readonly Signature[],
): Promise<boolean> {
  const isZoneStart = found.some(({ offset }) => offset === zone.offset);
  const next = found.find(({ offset }) => offset > zone.offset)?.offset;
  const room = next ?? totalBytes(device);
  const end = zone.offset + ZONE_HEADER_BYTES + header.datalen;
  if (!isZoneStart || end > room) return false;
  const last = await readBytes(device, end - END_BYTES, END_BYTES);
  return last.some((byte) => byte !== 0);
}

function pastWarning({ type, index, offset, size }: Zone, { datalen }: ZoneHeader): ScanWarning {
  const message = `the data in ${type} zone ${index} has ${datalen} bytes and goes on past its zone of ${size}`;
  return contradiction("record-past-zone", message, offset, { type, index, offset, size });
}

function contradiction(
  code: "foreign-signature" | "misplaced-signature" | "signature-gap" | "record-past-zone",
  message: string,
  offset: number,
  zone?: Zone,
): ScanWarning {
  const where = zone === undefined ? {} : { zone };
  return { code, message, offset, ...where, stopsKernel: false, contradictsGeometry: true };
}
