import { createHash } from "node:crypto";
import { inflateRawSync } from "node:zlib";

/**
 * What Linux 6.1 makes of a partition, written from the description of fs/pstore/zone.c and independent of `src/`: the judge of
 * power cuts. It knows no checksum.
 */
export interface KernelConfig {
  readonly kmsgSize: number;
  readonly pmsgSize?: number;
  readonly consoleSize?: number;
  /** Room in front of the dmesg zones; ftrace files are not shown, as by a kernel without the tracer. */
  readonly ftraceSize?: number;
  readonly headerBytes: 40 | 28;
  readonly little: boolean;
}

export interface KernelFile {
  readonly name: string;
  readonly sha256: string;
  readonly seconds: bigint;
  readonly counter: number;
}

export interface KernelView {
  readonly files: readonly KernelFile[];
  /** Zone that is written next. */
  readonly next: number;
  readonly oopsCounter: number;
  readonly panicCounter: number;
}

const REASONS = ["Unknown", "Panic", "Oops", "Emergency", "Shutdown"];

interface Meta {
  readonly index: number;
  readonly datalen: number;
  readonly seconds: bigint;
  readonly isCompressed: boolean;
  readonly counter: number;
  readonly reason: number;
  readonly payload: Uint8Array;
}

export function kernelView(image: Uint8Array, config: KernelConfig): KernelView {
  const { pmsgSize = 0, consoleSize = 0 } = config;
  const count = Math.floor((image.length - base(config)) / config.kmsgSize);
  let [next, best, oopsCounter, panicCounter] = [0, 0n, 0, 0];
  const metas: Meta[] = [];
  for (let index = 0; index < count; index++) {
    const meta = readMeta(image, index, config);
    if (meta === undefined) continue;
    if (meta.seconds >= best) [best, next] = [meta.seconds, (index + 1) % count];
    if (meta.reason === 2) oopsCounter = Math.max(oopsCounter, meta.counter);
    if (meta.reason === 1) panicCounter = Math.max(panicCounter, meta.counter);
    if (meta.datalen !== 0) metas.push(meta);
  }
  const rings = [
    ring(image, "pmsg", 0x43474243, 0, pmsgSize, config.little),
    ring(image, "console", 0x43474246, pmsgSize, consoleSize, config.little),
  ];
  const isBroken = rings.includes("broken");
  const files = isBroken ? [] : [...listed(metas, rings, config)];
  return { files, next, oopsCounter, panicCounter };
}

function base({ pmsgSize = 0, consoleSize = 0, ftraceSize = 0 }: KernelConfig): number {
  return pmsgSize + consoleSize + ftraceSize;
}

function readMeta(image: Uint8Array, index: number, config: KernelConfig): Meta | undefined {
  const { kmsgSize, headerBytes, little } = config;
  const zone = image.subarray(base(config) + index * kmsgSize).subarray(0, kmsgSize);
  const view = new DataView(zone.buffer, zone.byteOffset, zone.length);
  const [timeAt, compressedAt, counterAt, reasonAt] =
    headerBytes === 40 ? ([20, 36, 40, 44] as const) : ([16, 28, 32, 36] as const);
  const datalen = view.getUint32(4, little);
  if (view.getUint32(0, little) !== 0x43474244 || datalen > kmsgSize - 12) return undefined;
  if (view.getUint32(12, little) !== 0x4dfc3ae5) return undefined;
  return {
    index,
    datalen,
    seconds: view.getBigInt64(timeAt, little),
    isCompressed: zone[compressedAt] !== 0,
    counter: view.getUint32(counterAt, little),
    reason: view.getUint32(reasonAt, little),
    payload: zone.subarray(12 + headerBytes, 12 + datalen),
  };
}

function* listed(
  metas: readonly Meta[],
  rings: readonly (KernelFile | "broken" | undefined)[],
  { kmsgSize, headerBytes }: KernelConfig,
): Generator<KernelFile> {
  for (const meta of metas) {
    // A record that is too short, or compressed and empty, ends the listing.
    const isEmpty = meta.datalen === headerBytes;
    if (meta.datalen < headerBytes || (meta.isCompressed && isEmpty)) return;
    yield dmesgFile(meta, kmsgSize - 12 - headerBytes);
  }
  for (const file of rings) if (file !== undefined && file !== "broken") yield file;
}

function dmesgFile(meta: Meta, bufsize: number): KernelFile {
  const { index, payload, counter, reason, seconds } = meta;
  const line = Buffer.from(`${REASONS[reason] ?? "Unknown"}: Total ${counter | 0} times\n`);
  const name = `dmesg-pstore_blk-${index}`;
  if (!meta.isCompressed)
    return { name, sha256: sha256(Buffer.concat([line, payload])), seconds, counter };
  const text = inflate61(payload, bufsize);
  if (text === undefined)
    return { name: `${name}.enc.z`, sha256: sha256(payload), seconds, counter };
  return { name, sha256: sha256(text), seconds, counter };
}

function ring(
  image: Uint8Array,
  name: string,
  signature: number,
  at: number,
  size: number,
  little: boolean,
): KernelFile | "broken" | undefined {
  const view = new DataView(image.buffer, image.byteOffset, image.length);
  if (size === 0 || view.getUint32(at, little) !== signature) return undefined;
  const [length, start] = [view.getUint32(at + 4, little), view.getUint32(at + 8, little)];
  if (length > size - 12 || start > size - 12 || length === 0) return undefined;
  if (start > length) return "broken";
  const data = image.subarray(at + 12, at + 12 + length);
  const bytes = Buffer.concat([data.subarray(start), data.subarray(0, start)]);
  return { name: `${name}-pstore_blk-0`, sha256: sha256(bytes), seconds: 0n, counter: 0 };
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Window 2^11, output no longer than the kernel's buffer; undefined where it gives up. */
export function inflate61(stream: Uint8Array, bufsize: number): Uint8Array | undefined {
  const percent = bufsize >= 4000 && bufsize <= 10_000 ? 45 : 60;
  const maxOutputLength = Math.floor((bufsize * 100) / percent);
  try {
    return inflateRawSync(stream, { windowBits: 11, maxOutputLength });
  } catch {
    return undefined;
  }
}
