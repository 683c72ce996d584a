import { viewOf } from "../util/bytes.js";
import type { SymbolLookup } from "./system-map.js";
import type { ByteOrder } from "./zone-header.js";

/** struct pstore_ftrace_record: 24 bytes where `unsigned long` has 64 bits, 16 where it has 32. */
export type FtraceRecordBytes = 24 | 16;

/** One call as the function tracer saw it. */
export interface FtraceRecord {
  readonly cpu: number;
  readonly timestamp: bigint;
  readonly ip: bigint;
  readonly parentIp: bigint;
}

export interface FtraceFormat {
  readonly recordBytes: FtraceRecordBytes;
  readonly byteOrder: ByteOrder;
}

/** The CPU is the low byte of the time stamp (fs/pstore/internal.h, TS_CPU_SHIFT). */
const CPU_BITS = 8n;
const CPU_MASK = 0xffn;
/** Records looked at to tell 16 bytes from 24. */
const PROBE_RECORDS = 256;

/** The records of one CPU's linearised zone, in their order; (length mod record size) bytes at its front are dropped. */
export function decodeFtrace(data: Uint8Array, format: FtraceFormat): FtraceRecord[] {
  const { recordBytes } = format;
  const view = viewOf(data);
  const little = format.byteOrder === "little";
  const word = (at: number): bigint =>
    recordBytes === 24 ? view.getBigUint64(at, little) : BigInt(view.getUint32(at, little));
  const wordBytes = recordBytes === 24 ? 8 : 4;
  const records: FtraceRecord[] = [];
  for (let at = data.length % recordBytes; at < data.length; at += recordBytes) {
    const ts = view.getBigUint64(at + 2 * wordBytes, little);
    records.push({
      cpu: Number(ts & CPU_MASK),
      timestamp: ts >> CPU_BITS,
      ip: word(at),
      parentIp: word(at + wordBytes),
    });
  }
  return records;
}

/**
 * Merges the CPUs' records as pstore_ftrace_combine_log does (fs/pstore/ftrace.c): zone by zone into the result so far, which
 * goes first only where its time stamp is smaller.
 */
export function mergeFtrace(zones: readonly (readonly FtraceRecord[])[]): readonly FtraceRecord[] {
  return zones.reduce(mergeTwo, []);
}

function mergeTwo(
  merged: readonly FtraceRecord[],
  next: readonly FtraceRecord[],
): readonly FtraceRecord[] {
  const out: FtraceRecord[] = [];
  let at = 0;
  for (const record of next) {
    for (
      let old = merged[at];
      old !== undefined && old.timestamp < record.timestamp;
      old = merged[++at]
    )
      out.push(old);
    out.push(record);
  }
  for (; at < merged.length; at++) out.push(merged[at] as FtraceRecord);
  return out;
}

/**
 * Whether records have 24 or 16 bytes, which no header says: the size that makes more time stamps rise from one record to
 * the next, 24 on a tie.
 */
export function guessFtraceRecordBytes(data: Uint8Array, byteOrder: ByteOrder): FtraceRecordBytes {
  return risingShare(data, 16, byteOrder) > risingShare(data, 24, byteOrder) ? 16 : 24;
}

function risingShare(
  data: Uint8Array,
  recordBytes: FtraceRecordBytes,
  byteOrder: ByteOrder,
): number {
  const length = Math.min(data.length - (data.length % recordBytes), PROBE_RECORDS * recordBytes);
  const tail = data.subarray(data.length - length);
  const records = decodeFtrace(tail, { recordBytes, byteOrder });
  let rising = 0;
  let before: FtraceRecord | undefined;
  for (const record of records) {
    if (before?.cpu === record.cpu && before.timestamp < record.timestamp) rising++;
    before = record;
  }
  return records.length < 2 ? 0 : rising / (records.length - 1);
}

/**
 * The text of fs/pstore/inode.c (pstore_ftrace_seq_show), one line a record. Without symbols, and for addresses that lie in
 * none, the kernel's `%ps` prints the bare address.
 */
export function formatFtrace(records: readonly FtraceRecord[], symbols?: SymbolLookup): Uint8Array {
  const lines = records.map(({ cpu, timestamp, ip, parentIp }) => {
    const names = `${symbolText(ip, false, symbols)} <- ${symbolText(parentIp, true, symbols)}`;
    return `CPU:${cpu} ts:${timestamp} ${hex(ip)}  ${hex(parentIp)}  ${names}\n`;
  });
  return new Uint8Array(Buffer.from(lines.join("")));
}

/** `%08lx` */
function hex(address: bigint): string {
  return address.toString(16).padStart(8, "0");
}

/** `%pS` with offset and size, `%ps` without (lib/vsprintf.c, symbol_string). */
function symbolText(address: bigint, withOffset: boolean, symbols?: SymbolLookup): string {
  const symbol = symbols?.(address);
  if (symbol === undefined) return `0x${address.toString(16)}`;
  const { name, offset, size } = symbol;
  const module = symbol.module === undefined ? "" : ` [${symbol.module}]`;
  const place = withOffset ? `+0x${offset.toString(16)}/0x${size.toString(16)}` : "";
  return `${name}${place}${module}`;
}
