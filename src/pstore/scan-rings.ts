import type { BlockDevice } from "../block/device.js";
import type { Deadline } from "../util/deadline.js";
import {
  decodeFtrace,
  type FtraceRecordBytes,
  formatFtrace,
  guessFtraceRecordBytes,
  mergeFtrace,
} from "./ftrace.js";
import { readBytes } from "./read-bytes.js";
import { linearise, ringState } from "./ring.js";
import type { SymbolLookup } from "./system-map.js";
import type { ScanWarning, ScanWarningCode } from "./types.js";
import { ZONE_HEADER_BYTES, type ZoneHeader } from "./zone-header.js";
import type { ZoneHead } from "./zone-reader.js";

/** A ring with data. */
export interface RingHead extends ZoneHead {
  readonly header: ZoneHeader;
}

/** The rings of those zones that have data; what a kernel refuses is said in `warnings`. */
export function validRings(heads: readonly ZoneHead[], warnings: ScanWarning[]): RingHead[] {
  return heads.filter((head): head is RingHead => {
    const { zone, header } = head;
    const own = header?.type === zone.type ? header : undefined;
    const state = ringState(own, zone.size);
    if (own !== undefined && (state === "overtop" || state === "broken"))
      warnings.push(ringWarning(head, own, state));
    return state === "valid";
  });
}

function ringWarning(
  { zone }: ZoneHead,
  { datalen, start }: ZoneHeader,
  state: "overtop" | "broken",
): ScanWarning {
  const code: ScanWarningCode = state === "overtop" ? "ring-overtop" : "ring-start";
  const what =
    state === "overtop"
      ? "lengths past its zone: a kernel skips it"
      : "its start behind its data: a kernel then lists nothing at all and stores nothing more";
  return {
    code,
    message: `the ${zone.type} zone ${zone.index} has ${what} (datalen ${datalen}, start ${start})`,
    offset: zone.offset,
    zone,
    stopsKernel: state === "broken",
    contradictsGeometry: false,
  };
}

/** The data of a ring, oldest byte first. */
export async function readRing(
  device: BlockDevice,
  { zone, header }: RingHead,
  deadline?: Deadline,
): Promise<Uint8Array> {
  const from = zone.offset + ZONE_HEADER_BYTES;
  const data = await readBytes(device, from, header.datalen, deadline);
  return linearise(data, header);
}

export interface RingOptions {
  readonly deadline?: Deadline;
  /** Names for the addresses; without it they are printed bare. */
  readonly symbols?: SymbolLookup;
  /** 16 if the kernel had 32 bits, 24 if it had 64; told from the time stamps if not given. */
  readonly ftraceRecordBytes?: FtraceRecordBytes;
}

/** The text of all CPUs' zones, merged. Empty if none holds a whole record. */
export async function readFtrace(
  device: BlockDevice,
  rings: readonly RingHead[],
  options: RingOptions,
): Promise<Uint8Array> {
  const zones: Uint8Array[] = [];
  for (const ring of rings) zones.push(await readRing(device, ring, options.deadline));
  const longest = zones.reduce((a, b) => (b.length > a.length ? b : a));
  const byteOrder = (rings[0] as RingHead).header.byteOrder;
  const recordBytes = options.ftraceRecordBytes ?? guessFtraceRecordBytes(longest, byteOrder);
  const decoded = rings.map(({ header }, at) =>
    decodeFtrace(zones[at] as Uint8Array, { recordBytes, byteOrder: header.byteOrder }),
  );
  return formatFtrace(mergeFtrace(decoded), options.symbols);
}
