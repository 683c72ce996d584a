import { viewOf } from "../util/bytes.js";
import { InternalError } from "../util/errors.js";
import { guessLayout } from "./layout-guess.js";
import {
  fieldOffsets,
  RECORD_MAGIC,
  readRecordHeader,
  writeRecordHeader,
} from "./record-fields.js";
import type { DmesgHead, HeadState, RecordHeader, RecordLayout } from "./types.js";
import { decodeZoneHeader, encodeZoneHeader, ZONE_HEADER_BYTES } from "./zone-header.js";

/** Bytes of a dmesg zone that {@link decodeDmesgHead} needs: zone header and the larger record header. */
export const DMESG_HEAD_BYTES = 52;

/** Names by number (enum kmsg_dump_reason; kernel/printk/printk.c, kmsg_dump_reason_str). */
const REASONS = ["Unknown", "Panic", "Oops", "Emergency", "Shutdown"] as const;

/** Name of a reason as the kernel prints it; "Unknown" for all but 1..4. */
export function reasonName(reason: number): string {
  return REASONS[reason] ?? REASONS[0];
}

/** Number of a reason by its name in any case; undefined if there is none. */
export function reasonNumber(name: string): number | undefined {
  const number = REASONS.findIndex((reason) => reason.toLowerCase() === name.toLowerCase());
  return number > 0 ? number : undefined;
}

/**
 * What the first bytes of a dmesg zone are to the kernel, judged in its order: signature, length, magic
 * (psz_kmsg_recover_meta, fs/pstore/zone.c). Reads every layout, where a kernel knows its own only.
 *
 * @param bytes the first 52 of the zone, or more
 * @param zoneSize bytes of the whole zone
 */
export function decodeDmesgHead(bytes: Uint8Array, zoneSize: number): DmesgHead {
  if (bytes.length < DMESG_HEAD_BYTES)
    throw new InternalError(`a dmesg head needs ${DMESG_HEAD_BYTES} bytes, not ${bytes.length}`);
  const zone = decodeZoneHeader(bytes);
  if (zone?.type !== "dmesg") {
    const view = viewOf(bytes);
    return { state: "empty", datalen: view.getUint32(4, true), start: view.getUint32(8, true) };
  }
  const { byteOrder, datalen, start } = zone;
  const hasMagic =
    viewOf(bytes).getUint32(ZONE_HEADER_BYTES, byteOrder === "little") === RECORD_MAGIC;
  const layout: RecordLayout = hasMagic
    ? guessLayout(bytes, byteOrder, datalen)
    : { headerBytes: 40, byteOrder };
  if (datalen > zoneSize - ZONE_HEADER_BYTES) return { state: "overtop", layout, datalen, start };
  if (!hasMagic) return { state: "invalid", layout, datalen, start };
  const header = readRecordHeader(bytes, layout);
  return { state: stateOf(datalen, layout), layout, datalen, start, header };
}

function stateOf(datalen: number, layout: RecordLayout): HeadState {
  if (datalen === 0) return "erased";
  return datalen < layout.headerBytes ? "damaged" : "valid";
}

/** Zone header and record header of a dmesg zone: 52 bytes, or 40 in i386's layout, padding zero. */
export function encodeDmesgHead(
  layout: RecordLayout,
  head: { readonly datalen: number; readonly start?: number; readonly header: RecordHeader },
): Uint8Array {
  const { datalen, start = 0 } = head;
  const bytes = new Uint8Array(fieldOffsets(layout).payload);
  bytes.set(encodeZoneHeader({ type: "dmesg", byteOrder: layout.byteOrder, datalen, start }));
  writeRecordHeader(bytes, layout, head.header);
  return bytes;
}
