import type { BlockDevice } from "../block/device.js";
import { equalBytes, viewOf } from "../util/bytes.js";
import type { Deadline } from "../util/deadline.js";
import { MAX_TOTAL_BYTES } from "./geometry.js";
import { readBytes, totalBytes } from "./read-bytes.js";
import { RECORD_MAGIC } from "./record-fields.js";
import { encodeTrailer, TRAILER_BYTES } from "./trailer.js";
import type { ZoneType } from "./types.js";
import {
  type ByteOrder,
  decodeZoneHeader,
  signatureOf,
  ZONE_HEADER_BYTES,
  type ZoneHeader,
} from "./zone-header.js";

/** All sizes that a kernel takes are multiples of this. */
export const ZONE_STEP = 4096;

/** A place that looks like the start of a zone. Offsets in bytes from the start of the partition. */
export interface Signature {
  readonly offset: number;
  readonly header: ZoneHeader;
}

export interface SignatureSearch {
  /** With a header that fits: a dmesg zone's magic, a ring's lengths. By offset. */
  readonly found: readonly Signature[];
  /** Multiples of 4 KiB with a signature or a magic, be the rest as it may: a zone that was once written. */
  readonly marks: ReadonlySet<number>;
  /** Multiples of 4 KiB with the magic of a checksum trailer in front of them: where a zone that we wrote may end. */
  readonly tails: readonly number[];
}

const CHUNK_BYTES = 512 * 1024;
/** More zones than this at odd offsets are not met; bounds the work that odd data can make. */
const MAX_UNALIGNED = 1000;
/** Signature, lengths and magic. */
const LOOK_BYTES = 16;
const TYPES = ["pmsg", "console", "ftrace", "dmesg"] as const satisfies readonly ZoneType[];

const TRAILER_MAGIC = encodeTrailer(new Uint8Array(ZONE_HEADER_BYTES + 1)).subarray(0, 4);

const PATTERNS: readonly Buffer[] = (["little", "big"] as const).flatMap((byteOrder) =>
  TYPES.map((type) => encode32(signatureOf(type), byteOrder)),
);

function encode32(value: number, byteOrder: ByteOrder): Buffer {
  const bytes = Buffer.alloc(4);
  if (byteOrder === "little") bytes.writeUInt32LE(value);
  else bytes.writeUInt32BE(value);
  return bytes;
}

/**
 * Looks for zone signatures in the first `limit` bytes of a partition (128 MiB at most), at every byte: an ftrace size that the
 * CPUs do not divide puts zones at odd offsets. Reads once through, in large pieces.
 */
export async function findSignatures(
  device: BlockDevice,
  limit: number = MAX_TOTAL_BYTES,
  deadline?: Deadline,
): Promise<SignatureSearch> {
  const total = Math.min(totalBytes(device), MAX_TOTAL_BYTES);
  const end = Math.min(total, limit);
  const found: Signature[] = [];
  const marks = new Set<number>();
  const tails: number[] = [];
  for (let from = 0; from < end; from += CHUNK_BYTES) {
    const length = Math.min(CHUNK_BYTES + LOOK_BYTES, total - from);
    const bytes = await readBytes(device, from, length, deadline);
    const inside = Math.min(CHUNK_BYTES, end - from);
    collect(bytes, inside, from, total, found);
    collectMarks(bytes, inside, from, marks);
    collectTails(bytes, inside, from, tails);
  }
  found.sort((a, b) => a.offset - b.offset);
  return { found: withoutExcess(found), marks, tails };
}

function withoutExcess(found: readonly Signature[]): readonly Signature[] {
  let unaligned = 0;
  return found.filter(({ offset }) => offset % ZONE_STEP === 0 || ++unaligned <= MAX_UNALIGNED);
}

function collect(
  bytes: Uint8Array,
  inside: number,
  from: number,
  total: number,
  found: Signature[],
): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  for (const pattern of PATTERNS) {
    for (
      let at = buffer.indexOf(pattern);
      at >= 0 && at < inside;
      at = buffer.indexOf(pattern, at + 1)
    ) {
      const head = bytes.subarray(at, at + LOOK_BYTES);
      const header = decodeZoneHeader(head);
      if (header !== undefined && fits(head, header, total - from - at))
        found.push({ offset: from + at, header });
    }
  }
}

/** Four bytes turn up anywhere; a zone's header has more to tell. */
function fits(head: Uint8Array, header: ZoneHeader, room: number): boolean {
  if (header.type === "dmesg") return hasMagic(head, header.byteOrder);
  return header.start <= header.datalen && header.datalen <= room - ZONE_HEADER_BYTES;
}

function hasMagic(head: Uint8Array, byteOrder: ByteOrder): boolean {
  if (head.length < LOOK_BYTES) return false;
  return viewOf(head).getUint32(ZONE_HEADER_BYTES, byteOrder === "little") === RECORD_MAGIC;
}

function collectMarks(bytes: Uint8Array, inside: number, from: number, marks: Set<number>): void {
  for (let at = 0; at < inside; at += ZONE_STEP) {
    const head = bytes.subarray(at, at + LOOK_BYTES);
    const isMark =
      decodeZoneHeader(head) !== undefined || hasMagic(head, "little") || hasMagic(head, "big");
    if (isMark) marks.add(from + at);
  }
}

function collectTails(bytes: Uint8Array, inside: number, from: number, tails: number[]): void {
  for (let end = ZONE_STEP; end <= inside; end += ZONE_STEP) {
    const at = end - TRAILER_BYTES;
    if (equalBytes(bytes.subarray(at, at + TRAILER_MAGIC.length), TRAILER_MAGIC))
      tails.push(from + end);
  }
}
