import { concatBytes } from "../util/bytes.js";
import { reasonName } from "./dmesg-head.js";
import { unpack } from "./inflate.js";
import { verifyTrailer } from "./trailer.js";
import type {
  Compression,
  DmesgHead,
  RecordHeader,
  RecordLayout,
  RecordState,
  RecordTime,
} from "./types.js";
import { ZONE_HEADER_BYTES } from "./zone-header.js";

/** A file as a kernel shows it. */
export interface ShownFile {
  readonly bytes: Uint8Array;
  readonly state: RecordState;
  readonly compression: Compression;
  /** Shown as it is stored, under a name that ends in `.enc.z`. */
  readonly encoded: boolean;
}

/** A head whose state is `valid`. */
export interface RecordHead extends DmesgHead {
  readonly layout: RecordLayout;
  readonly header: RecordHeader;
}

/** True for a head that carries a record header: `valid`, `erased` and `damaged` ones. */
export function hasRecord(head: DmesgHead): head is RecordHead {
  return head.header !== undefined && head.layout !== undefined;
}

/** Payload bytes that a valid head announces. */
export function payloadBytes(head: RecordHead): number {
  return Math.max(0, head.datalen - head.layout.headerBytes);
}

/**
 * What a kernel shows of a valid dmesg record (psz_kmsg_read, fs/pstore/zone.c; decompress_record, fs/pstore/platform.c): the
 * inflated text; of one that was not compressed, a line with the count and the payload; of one that cannot be inflated, the payload.
 *
 * @param zoneBytes the whole zone; bytes between the payload and the last 32 need not be read
 */
export function showDmesg(zoneBytes: Uint8Array, head: RecordHead): ShownFile {
  const from = ZONE_HEADER_BYTES + head.layout.headerBytes;
  const payload = zoneBytes.subarray(from, from + payloadBytes(head));
  const shown = head.header.compressed === 0 ? showRaw(payload, head.header) : showPacked(payload);
  const trailer = verifyTrailer(zoneBytes, head);
  if (trailer === "torn") return { ...shown, state: "torn" };
  return trailer === "verified" && shown.state === "ok" ? { ...shown, state: "verified" } : shown;
}

/** The kernel prints the counter signed. */
function showRaw(payload: Uint8Array, header: RecordHeader): ShownFile {
  const line = `${reasonName(header.reason)}: Total ${header.counter | 0} times\n`;
  const bytes = concatBytes([new Uint8Array(Buffer.from(line)), payload]);
  return { bytes, state: "ok", compression: "none", encoded: false };
}

function showPacked(payload: Uint8Array): ShownFile {
  const { method, result, text } = unpack(payload);
  if (result === "none")
    return { bytes: payload, state: "undecodable", compression: method, encoded: true };
  const state = result === "whole" ? "ok" : "salvaged";
  return { bytes: text, state, compression: method, encoded: false };
}

const MAX_NANOSECONDS = 999_999_999n;

/** The file's time; undefined with second 0, where the kernel shows the time of mounting. */
export function recordTime(header: RecordHeader): RecordTime | undefined {
  const { tvSec, tvNsec } = header;
  if (tvSec === 0n) return undefined;
  const clamped = tvNsec < 0n ? 0n : tvNsec > MAX_NANOSECONDS ? MAX_NANOSECONDS : tvNsec;
  return { seconds: tvSec, nanoseconds: Number(clamped) };
}
