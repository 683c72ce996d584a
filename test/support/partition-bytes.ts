import { MemoryBlockDevice } from "../../src/block/device.js";
import { encodeDmesgHead } from "../../src/pstore/dmesg-head.js";
import { DEFAULT_GEOMETRY } from "../../src/pstore/geometry.js";
import { type ScanOptions, scanPartition } from "../../src/pstore/scan.js";
import {
  type Geometry,
  LAYOUT_LE64,
  type PartitionScan,
  type RecordHeader,
  type RecordLayout,
} from "../../src/pstore/types.js";
import { geometryOf, kernelImage, partitionBytes } from "./kernel-images.js";

export const KIB = 1024;
const HEADER: RecordHeader = {
  tvSec: 1_700_000_000n,
  tvNsec: 5n,
  compressed: 0,
  counter: 3,
  reason: 1,
};
export const LOG: Uint8Array = new Uint8Array(
  Buffer.from("Panic#3 Part1\n<0>[    1.000000] the end\n"),
);

/** Zones of dmesg only. */
export function kmsg(kmsgSize: number): Geometry {
  return { ...DEFAULT_GEOMETRY, kmsgSize };
}

export function scan(
  bytes: Uint8Array,
  geometry: Geometry,
  options?: ScanOptions,
): Promise<PartitionScan> {
  return scanPartition(new MemoryBlockDevice(bytes), geometry, options);
}

/** An image of a kernel's, read with its own geometry if no other is given. */
export function scanImage(
  name: string,
  geometry: Geometry = geometryOf(kernelImage(name)),
  options?: ScanOptions,
): Promise<PartitionScan> {
  return scan(partitionBytes(name), geometry, options);
}

export function namesOf({ records }: PartitionScan): string[] {
  return records.map(({ name }) => name);
}

export function codesOf({ warnings }: PartitionScan): string[] {
  return warnings.map(({ code }) => code);
}

export interface RecordToPut {
  readonly layout?: RecordLayout;
  readonly header?: Partial<RecordHeader>;
  readonly payload?: Uint8Array;
  readonly datalen?: number;
}

/** A record at the start of a zone: the log above by a panic, unless said otherwise. */
export function putRecord(bytes: Uint8Array, offset: number, record: RecordToPut = {}): void {
  const { layout = LAYOUT_LE64, payload = LOG } = record;
  const datalen = record.datalen ?? layout.headerBytes + payload.length;
  const head = encodeDmesgHead(layout, { datalen, header: { ...HEADER, ...record.header } });
  bytes.set(head, offset);
  bytes.set(payload, offset + head.length);
}
