import { viewOf } from "../util/bytes.js";
import type { RecordLayout, ZoneType } from "./types.js";

/** sig, datalen, start: the header of every zone (struct psz_buffer), in bytes. */
export const ZONE_HEADER_BYTES = 12;

export type ByteOrder = RecordLayout["byteOrder"];

const PSZ_SIG = 0x43474244;
/** Type numbers of include/linux/pstore.h (enum pstore_type_id), XORed into the signature. */
const TYPE_IDS: Readonly<Record<ZoneType, number>> = { dmesg: 0, console: 2, ftrace: 3, pmsg: 7 };
const TYPES = Object.keys(TYPE_IDS) as ZoneType[];

/** Header of a zone with a known signature. Lengths in bytes, unsigned as on disk. */
export interface ZoneHeader {
  readonly type: ZoneType;
  readonly byteOrder: ByteOrder;
  readonly datalen: number;
  readonly start: number;
}

/** The signature of a zone type (fs/pstore/zone.c: PSZ_SIG ^ type). */
export function signatureOf(type: ZoneType): number {
  return (PSZ_SIG ^ TYPE_IDS[type]) >>> 0;
}

const TYPE_BY_SIGNATURE: ReadonlyMap<number, ZoneType> = new Map(
  TYPES.map((type) => [signatureOf(type), type]),
);

/** The zone header in the first 12 bytes, in either byte order; undefined without a known signature. */
export function decodeZoneHeader(bytes: Uint8Array): ZoneHeader | undefined {
  if (bytes.length < ZONE_HEADER_BYTES) return undefined;
  const view = viewOf(bytes);
  for (const byteOrder of ["little", "big"] as const) {
    const little = byteOrder === "little";
    const type = TYPE_BY_SIGNATURE.get(view.getUint32(0, little));
    if (type === undefined) continue;
    return {
      type,
      byteOrder,
      datalen: view.getUint32(4, little),
      start: view.getUint32(8, little),
    };
  }
  return undefined;
}

/** The 12 bytes of a zone header. */
export function encodeZoneHeader(header: ZoneHeader): Uint8Array {
  const bytes = new Uint8Array(ZONE_HEADER_BYTES);
  const view = viewOf(bytes);
  const little = header.byteOrder === "little";
  view.setUint32(0, signatureOf(header.type), little);
  view.setUint32(4, header.datalen, little);
  view.setUint32(8, header.start, little);
  return bytes;
}
