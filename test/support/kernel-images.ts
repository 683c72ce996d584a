import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { type BlockDevice, MemoryBlockDevice } from "../../src/block/device.js";
import { PartitionView } from "../../src/block/partition-view.js";
import type { Geometry } from "../../src/pstore/types.js";
import { readTar } from "./tar.js";

const FOLDER = join("test", "data", "images");
const KIB = 1024;

export interface ExpectedFile {
  readonly name: string;
  readonly size: number;
  readonly sha256: string | null;
  readonly mtime: number | null;
}

export interface ExpectedZone {
  readonly kind: string;
  readonly index?: number;
  readonly offset: number;
  readonly size: number;
  readonly sig: string;
  readonly datalen: number;
  readonly start: number;
  readonly hdr?: number;
  readonly magic?: string;
  readonly tvSec?: number;
  readonly tvNsec?: number;
  readonly compressed?: number;
  readonly counter?: number;
  readonly reason?: number;
}

/** An image of `test/data/images/index.json`: made by a kernel, with what a kernel shows of it. */
export interface KernelImage {
  readonly name: string;
  readonly file: string;
  readonly size: number;
  readonly arch: "le64" | "i386";
  readonly params: {
    readonly kmsgSize?: number;
    readonly pmsgSize?: number;
    readonly consoleSize?: number;
    readonly ftraceSize?: number;
    readonly cpus?: number;
  };
  readonly partition?: { readonly offset: number; readonly size: number };
  readonly zones: readonly ExpectedZone[];
  readonly expected: readonly ExpectedFile[];
}

export const kernelImages: readonly KernelImage[] = JSON.parse(
  readFileSync(join(FOLDER, "index.json"), "utf8").replaceAll(/"[a-z]+_[a-z]+":/g, (key) =>
    key.replaceAll(/_(.)/g, (_, letter: string) => letter.toUpperCase()),
  ),
);

export function kernelImage(name: string): KernelImage {
  const image = kernelImages.find((candidate) => candidate.name === name);
  if (image === undefined) throw new Error(`there is no image ${name}`);
  return image;
}

/** The bytes of the image's partition, a fresh copy. */
export function partitionBytes(name: string): Uint8Array {
  const image = kernelImage(name);
  const bytes = new Uint8Array(gunzipSync(readFileSync(join(FOLDER, image.file))));
  const { offset, size } = image.partition ?? { offset: 0, size: bytes.length };
  return bytes.slice(offset, offset + size);
}

/** The image's partition as a device of its own. */
export function partitionOf(name: string): BlockDevice {
  const device = new MemoryBlockDevice(partitionBytes(name));
  return new PartitionView(device, 0, device.blockCount);
}

/** The parameters that the image was written with. */
export function geometryOf({ params }: KernelImage): Geometry {
  return {
    kmsgSize: (params.kmsgSize ?? 0) * KIB,
    pmsgSize: (params.pmsgSize ?? 0) * KIB,
    consoleSize: (params.consoleSize ?? 0) * KIB,
    ftraceSize: (params.ftraceSize ?? 0) * KIB,
    cpus: params.cpus ?? 1,
  };
}

/** The files that the kernel showed. */
export function shownByKernel(name: string): Map<string, Uint8Array> {
  return readTar(gunzipSync(readFileSync(join(FOLDER, `${name}.expected.tar.gz`))));
}
