import { BLOCK_SIZE } from "../block/device.js";
import { concatBytes, roundUp } from "../util/bytes.js";
import { assert } from "../util/errors.js";
import { decodeDmesgHead, encodeDmesgHead } from "./dmesg-head.js";
import { maxPayload } from "./geometry.js";
import { encodeTrailer, TRAILER_BYTES } from "./trailer.js";
import type { RecordHeader, RecordLayout, Zone } from "./types.js";
import type { SectorWrite, WritePlan } from "./write-plan.js";
import { ZONE_HEADER_BYTES } from "./zone-header.js";

/** Largest payload of a record with a checksum trailer: zone − 84 bytes, − 72 in i386's layout. */
export function payloadCapacity(layout: RecordLayout, zone: Zone): number {
  return maxPayload(layout, zone) - TRAILER_BYTES;
}

/** `datalen` lies behind the signature in every layout; 0 is the same in every byte order. */
const DATALEN_OFFSET = 4;
const DATALEN_BYTES = 4;

/** A first sector as the kernel's own erase leaves it: only `datalen` is changed. */
export function withoutRecord(firstSector: Uint8Array): Uint8Array {
  return firstSector.slice().fill(0, DATALEN_OFFSET, DATALEN_OFFSET + DATALEN_BYTES);
}

export interface CommitRequest {
  /** Its offset and size are multiples of 512. */
  readonly zone: Zone;
  readonly layout: RecordLayout;
  readonly header: RecordHeader;
  /** At most {@link payloadCapacity} bytes. */
  readonly payload: Uint8Array;
  /** The zone's first sector as it is now. */
  readonly firstSector: Uint8Array;
}

/**
 * The writes that put a record into a zone, so that a power cut leaves the old records, or those without the one replaced, or
 * the new set, in the view of a kernel that knows no checksum:
 *
 * 1. (only over a valid record) the first sector with `datalen` 0
 * 2. payload, trailer, and the first sector complete but with `datalen` 0
 * 3. the first sector with `datalen`
 *
 * Step 1 and 3 change four bytes in the first half of one sector, and until step 3 either half of it says that there is no
 * record; so halves of old and new make no other state.
 */
export function planCommit(request: CommitRequest): WritePlan {
  const { zone, payload, firstSector } = request;
  assert(zone.offset % BLOCK_SIZE === 0 && zone.size % BLOCK_SIZE === 0, "zone of whole sectors");
  assert(payload.length <= payloadCapacity(request.layout, zone), "the payload fits");
  const image = zoneImage(request);
  const lba = zone.offset / BLOCK_SIZE;
  const commit: SectorWrite = { lba, bytes: image.bytes.subarray(0, BLOCK_SIZE) };
  const body = bodyWrites(image, lba);
  const filled = [...body, { lba, bytes: withoutRecord(commit.bytes) }];
  const replaces = decodeDmesgHead(firstSector, zone.size).state === "valid";
  const steps = [filled, [commit]];
  if (replaces) steps.unshift([{ lba, bytes: withoutRecord(firstSector) }]);
  return { steps, compare: [commit, ...body] };
}

interface ZoneImage {
  readonly bytes: Uint8Array;
  /** Bytes of headers and payload. */
  readonly used: number;
}

function zoneImage({ zone, layout, header, payload }: CommitRequest): ZoneImage {
  const datalen = layout.headerBytes + payload.length;
  const record = concatBytes([encodeDmesgHead(layout, { datalen, header }), payload]);
  const bytes = new Uint8Array(zone.size);
  bytes.set(record);
  bytes.set(encodeTrailer(record), zone.size - TRAILER_BYTES);
  return { bytes, used: ZONE_HEADER_BYTES + datalen };
}

/** All sectors behind the first that hold payload or trailer; those between, which nobody reads, are left alone. */
function bodyWrites({ bytes, used }: ZoneImage, lba: number): SectorWrite[] {
  const payloadEnd = roundUp(used, BLOCK_SIZE);
  const trailerStart = Math.max(BLOCK_SIZE, bytes.length - BLOCK_SIZE);
  const runs: (readonly [number, number])[] =
    payloadEnd >= trailerStart
      ? [[BLOCK_SIZE, bytes.length]]
      : [
          [BLOCK_SIZE, payloadEnd],
          [trailerStart, bytes.length],
        ];
  return runs
    .filter(([from, to]) => from < to)
    .map(([from, to]) => ({ lba: lba + from / BLOCK_SIZE, bytes: bytes.subarray(from, to) }));
}
