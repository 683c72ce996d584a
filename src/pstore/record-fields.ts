import { viewOf } from "../util/bytes.js";
import type { RecordHeader, RecordLayout } from "./types.js";
import { ZONE_HEADER_BYTES } from "./zone-header.js";

/** PSTORE_KMSG_HEADER_MAGIC (fs/pstore/zone.c). */
export const RECORD_MAGIC = 0x4dfc3ae5;

/** Where the fields of struct psz_kmsg_header lie, from the start of the zone. */
export interface FieldOffsets {
  readonly tvSec: number;
  readonly tvNsec: number;
  readonly nsecBytes: 4 | 8;
  readonly compressed: number;
  readonly counter: number;
  readonly reason: number;
  /** [from, to) of the bytes that the compiler left out. */
  readonly padding: readonly (readonly [number, number])[];
  readonly payload: number;
}

/** All but i386 align 64-bit integers to 8 (reference: the field list compiled for eleven architectures). */
const OFFSETS_40: FieldOffsets = {
  tvSec: 0x14,
  tvNsec: 0x1c,
  nsecBytes: 8,
  compressed: 0x24,
  counter: 0x28,
  reason: 0x2c,
  padding: [
    [0x10, 0x14],
    [0x25, 0x28],
    [0x30, 0x34],
  ],
  payload: 0x34,
};

const OFFSETS_28: FieldOffsets = {
  tvSec: 0x10,
  tvNsec: 0x18,
  nsecBytes: 4,
  compressed: 0x1c,
  counter: 0x20,
  reason: 0x24,
  padding: [[0x1d, 0x20]],
  payload: 0x28,
};

export function fieldOffsets(layout: RecordLayout): FieldOffsets {
  return layout.headerBytes === 28 ? OFFSETS_28 : OFFSETS_40;
}

/** The record header of a zone's first bytes, read in that layout (at least 52, or 40 for i386). */
export function readRecordHeader(bytes: Uint8Array, layout: RecordLayout): RecordHeader {
  const view = viewOf(bytes);
  const at = fieldOffsets(layout);
  const little = layout.byteOrder === "little";
  return {
    tvSec: view.getBigInt64(at.tvSec, little),
    tvNsec: readNsec(view, at, little),
    compressed: view.getUint8(at.compressed),
    counter: view.getUint32(at.counter, little),
    reason: view.getUint32(at.reason, little),
  };
}

/** 32-bit big-endian kernels keep a 4-byte tv_nsec in front of 4 zero bytes: there the upper half is the value. */
function readNsec(view: DataView, at: FieldOffsets, little: boolean): bigint {
  if (at.nsecBytes === 4) return BigInt(view.getInt32(at.tvNsec, little));
  const value = view.getBigInt64(at.tvNsec, little);
  const isUpperOnly = !little && value !== 0n && (value & 0xffff_ffffn) === 0n;
  return isUpperOnly ? value >> 32n : value;
}

/** Writes magic and record header into a zone's first bytes; padding is left as it is. */
export function writeRecordHeader(
  bytes: Uint8Array,
  layout: RecordLayout,
  header: RecordHeader,
): void {
  const view = viewOf(bytes);
  const at = fieldOffsets(layout);
  const little = layout.byteOrder === "little";
  view.setUint32(ZONE_HEADER_BYTES, RECORD_MAGIC, little);
  view.setBigInt64(at.tvSec, header.tvSec, little);
  if (at.nsecBytes === 8) view.setBigInt64(at.tvNsec, header.tvNsec, little);
  else view.setInt32(at.tvNsec, Number(BigInt.asIntN(32, header.tvNsec)), little);
  view.setUint8(at.compressed, header.compressed);
  view.setUint32(at.counter, header.counter, little);
  view.setUint32(at.reason, header.reason, little);
}
