import type { BlockDevice } from "../block/device.js";
import type { Deadline } from "../util/deadline.js";
import { DMESG_HEAD_BYTES, decodeDmesgHead } from "./dmesg-head.js";
import { MAX_TOTAL_BYTES } from "./geometry.js";
import { readBytes } from "./read-bytes.js";
import type { DmesgHead, Zone, ZoneType } from "./types.js";
import { decodeZoneHeader, ZONE_HEADER_BYTES, type ZoneHeader } from "./zone-header.js";

/** Bytes at a zone's end that may hold a checksum trailer. */
const TAIL_BYTES = 32;
/** Enough to judge a head with some of its payload. */
const HEAD_BYTES = 64;
/** Heads of small zones are read together, up to this many bytes in one call. */
const GROUP_BYTES = 64 * 1024;

/** Reading so much in vain costs less than a second call. */
const SMALL_GAP_BYTES = 8 * 1024;

/** The first bytes of a zone, and what they are. */
export interface ZoneHead {
  readonly zone: Zone;
  /** At least the first 52 bytes of the zone, as they are; zeros behind its end. */
  readonly bytes: Uint8Array;
  /** In either byte order, of any type; undefined without a known signature. */
  readonly header: ZoneHeader | undefined;
  /** dmesg zones only. */
  readonly dmesg: DmesgHead | undefined;
  /** A zone of another type that begins here: not by its signature alone, which are four bytes of anything. */
  readonly foreign: ZoneType | undefined;
}

/** The heads of all zones, in their order; small neighbours with one call. */
export async function readHeads(
  device: BlockDevice,
  zones: readonly Zone[],
  deadline?: Deadline,
): Promise<ZoneHead[]> {
  const heads: ZoneHead[] = [];
  for (let at = 0; at < zones.length; ) {
    const group = groupFrom(zones, at);
    const [first, last] = [group[0] as Zone, group.at(-1) as Zone];
    const bytes = await readBytes(
      device,
      first.offset,
      last.offset + headBytes(last) - first.offset,
      deadline,
    );
    for (const zone of group)
      heads.push(judgeHead(zone, bytes.subarray(zone.offset - first.offset)));
    at += group.length;
  }
  return heads;
}

function groupFrom(zones: readonly Zone[], at: number): readonly Zone[] {
  const first = zones[at] as Zone;
  const end = first.offset + GROUP_BYTES;
  let count = 1;
  for (let next = zones[at + 1]; next !== undefined; next = zones[at + ++count])
    if (next.offset + headBytes(next) > end || next.size >= GROUP_BYTES / 2) break;
  return zones.slice(at, at + count);
}

function headBytes(zone: Zone): number {
  return Math.min(HEAD_BYTES, zone.size);
}

function judgeHead(zone: Zone, bytes: Uint8Array): ZoneHead {
  const head = new Uint8Array(Math.max(headBytes(zone), DMESG_HEAD_BYTES));
  head.set(bytes.subarray(0, headBytes(zone)));
  const header = decodeZoneHeader(head);
  return {
    zone,
    bytes: head,
    header,
    dmesg: zone.type === "dmesg" ? decodeDmesgHead(head, zone.size) : undefined,
    foreign: header?.type !== zone.type && isZoneStart(head, header) ? header?.type : undefined,
  };
}

function isZoneStart(head: Uint8Array, header: ZoneHeader | undefined): boolean {
  if (header?.type === "dmesg") return decodeDmesgHead(head, MAX_TOTAL_BYTES).header !== undefined;
  return header !== undefined && header.start <= header.datalen && header.datalen < MAX_TOTAL_BYTES;
}

/**
 * A buffer of the whole zone with the blocks of its first 12 + `datalen` bytes and of its last 32 read in; what lies between,
 * which nobody looks at, stays zero.
 */
export async function readZone(
  device: BlockDevice,
  zone: Zone,
  datalen: number,
  deadline?: Deadline,
): Promise<Uint8Array> {
  const used = Math.min(ZONE_HEADER_BYTES + datalen, zone.size);
  const tail = Math.max(used, zone.size - TAIL_BYTES);
  if (tail - used <= SMALL_GAP_BYTES) return readBytes(device, zone.offset, zone.size, deadline);
  const out = new Uint8Array(zone.size);
  out.set(await readBytes(device, zone.offset, used, deadline));
  out.set(await readBytes(device, zone.offset + tail, zone.size - tail, deadline), tail);
  return out;
}
