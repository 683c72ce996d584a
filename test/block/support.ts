import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import {
  BLOCK_SIZE,
  type BlockDevice,
  type BlockGeometryHints,
  checkRange,
  checkWritable,
} from "../../src/block/device.js";
import {
  decodeGptEntries,
  decodeGptHeader,
  encodeGptHeader,
  type GptEntry,
  type GptHeader,
  withGptEntry,
} from "../../src/block/gpt.js";
import { concatBytes } from "../../src/util/bytes.js";
import { createRandom, type RandomSource } from "../../src/util/random.js";

const DATA = join(__dirname, "..", "data");

/** What a sector in flight is when the power goes. */
export const TORN_STATES = ["old", "new", "first half new", "second half new"] as const;
export type TornState = (typeof TORN_STATES)[number];

/** Blocks in memory, zeros where nothing was written; can lose its power at any sector. */
export class SparseDevice implements BlockDevice {
  readonly blockSize: typeof BLOCK_SIZE = BLOCK_SIZE;
  readonly hints: BlockGeometryHints;
  readonly readOnly: boolean;
  readonly sectors: Map<number, Uint8Array>;
  blockCount: number;
  reads = 0;
  /** Sectors written so far. */
  written = 0;
  /** `write LBA+COUNT` and `flush`, in order. */
  readonly calls: string[] = [];
  #cut: { readonly at: number; readonly state: TornState } | undefined;

  constructor(
    blockCount: number,
    options: {
      readonly sectors?: ReadonlyMap<number, Uint8Array>;
      readonly hints?: BlockGeometryHints;
      readonly readOnly?: boolean;
    } = {},
  ) {
    this.blockCount = blockCount;
    this.sectors = new Map([...(options.sectors ?? [])].map(([lba, b]) => [lba, b.slice()]));
    this.hints = options.hints ?? {};
    this.readOnly = options.readOnly ?? false;
  }

  /** The power goes in the middle of sector write `at` (from 0). */
  cutPower(at: number, state: TornState): void {
    this.#cut = { at, state };
  }

  sector(lba: number): Uint8Array {
    return this.sectors.get(lba) ?? new Uint8Array(BLOCK_SIZE);
  }

  set(lba: number, bytes: Uint8Array): void {
    this.sectors.set(lba, bytes.slice());
  }

  copy(
    options: { readonly blockCount?: number; readonly hints?: BlockGeometryHints } = {},
  ): SparseDevice {
    return new SparseDevice(options.blockCount ?? this.blockCount, {
      sectors: this.sectors,
      hints: options.hints ?? this.hints,
    });
  }

  async read(lba: number, into: Uint8Array): Promise<void> {
    checkRange(this, lba, into.length);
    this.reads++;
    for (let at = 0; at < into.length; at += BLOCK_SIZE)
      into.set(this.sector(lba + at / BLOCK_SIZE), at);
  }

  async write(lba: number, data: Uint8Array): Promise<void> {
    checkRange(this, lba, data.length);
    checkWritable(this);
    this.calls.push(`write ${lba}+${data.length / BLOCK_SIZE}`);
    for (let at = 0; at < data.length; at += BLOCK_SIZE)
      this.#writeSector(lba + at / BLOCK_SIZE, data.slice(at, at + BLOCK_SIZE));
  }

  async flush(): Promise<void> {
    this.calls.push("flush");
  }

  #writeSector(lba: number, bytes: Uint8Array): void {
    if (this.#cut !== undefined && this.written === this.#cut.at) {
      this.sectors.set(lba, torn(this.sector(lba), bytes, this.#cut.state));
      throw new Error("power cut");
    }
    this.written++;
    this.sectors.set(lba, bytes);
  }
}

function torn(before: Uint8Array, after: Uint8Array, state: TornState): Uint8Array {
  const half = BLOCK_SIZE / 2;
  switch (state) {
    case "old":
      return before;
    case "new":
      return after;
    case "first half new":
      return Uint8Array.from([...after.subarray(0, half), ...before.subarray(half)]);
    case "second half new":
      return Uint8Array.from([...before.subarray(0, half), ...after.subarray(half)]);
  }
}

interface SfdiskPartition {
  readonly number: number;
  readonly start: number;
  readonly size: number;
  readonly type: string;
  readonly uuid?: string;
  readonly name?: string;
  readonly bootable?: boolean;
}

/** A table made by sgdisk or sfdisk, and what `sfdisk --json` says about it. */
export interface TableFixture {
  readonly blockCount: number;
  readonly sfdisk: {
    readonly label: string;
    readonly id: string;
    readonly partitions: readonly SfdiskPartition[];
  };
  readonly sectors: ReadonlyMap<number, Uint8Array>;
}

export const GPT_FIXTURES = [
  "gpt-128",
  "gpt-16",
  "gpt-holes",
  "gpt-moved",
  "gpt-hybrid",
  "gpt-full",
] as const;
export const MBR_FIXTURES = [
  "mbr-logical",
  "mbr-deleted-logical",
  "mbr-full",
  "mbr-large",
] as const;
export type FixtureName = (typeof GPT_FIXTURES)[number] | (typeof MBR_FIXTURES)[number];

export function tableFixture(name: FixtureName): TableFixture {
  const raw = JSON.parse(readFileSync(join(DATA, "tables", `${name}.json`), "utf8"));
  const sectors = new Map<number, Uint8Array>();
  for (const [lba, hex] of Object.entries(raw.sectors as Record<string, string>)) {
    const sector = new Uint8Array(BLOCK_SIZE);
    sector.set(Buffer.from(hex, "hex"));
    sectors.set(Number(lba), sector);
  }
  return { blockCount: raw.blockCount, sfdisk: raw.sfdisk, sectors };
}

export function fixtureDevice(name: FixtureName, hints?: BlockGeometryHints): SparseDevice {
  const { blockCount, sectors } = tableFixture(name);
  return new SparseDevice(blockCount, { sectors, ...(hints === undefined ? {} : { hints }) });
}

function headerAt(device: SparseDevice, lba: number): GptHeader {
  const header = decodeGptHeader(device.sector(lba), lba);
  if (typeof header === "string") throw new Error(header);
  return header;
}

function entriesAt(device: SparseDevice, { entriesLba }: GptHeader): Uint8Array {
  return concatBytes(Array.from({ length: 32 }, (_, at) => device.sector(entriesLba + at)));
}

/** An entry of a device with 128 entries of 128 bytes. */
export function entryOf(device: SparseDevice, number: number): GptEntry {
  const array = entriesAt(device, headerAt(device, 1));
  const entry = decodeGptEntries(array, 128).find((one) => one.number === number);
  if (entry === undefined) throw new Error(`no entry ${number}`);
  return entry;
}

/** Replaces one entry in both copies, and fields of both headers; the checksums are right. */
export function rewriteEntry(
  device: SparseDevice,
  entry: GptEntry,
  fields: Partial<GptHeader> = {},
): void {
  for (const lba of [1, device.blockCount - 1]) {
    const header = headerAt(device, lba);
    const array = withGptEntry(entriesAt(device, header), 128, entry);
    for (let at = 0; at < 32; at++)
      device.set(header.entriesLba + at, array.subarray(at * 512, at * 512 + 512));
    device.set(lba, encodeGptHeader({ ...header, ...fields }, array));
  }
}

/** The card that a real board's image is made of (see the README of its folder). */
export function realCard(): Uint8Array {
  return gunzipSync(readFileSync(join(DATA, "images", "card-gpt.img.gz")));
}

/** The same bytes in every run. */
export function fixedRandom(seed = "test"): RandomSource {
  return createRandom(Buffer.from(seed));
}

/** The error that `work` ends with; fails if it does not. */
export async function errorOf(work: Promise<unknown> | (() => unknown)): Promise<{
  code: string;
  message: string;
  hint?: string;
  details: Record<string, unknown>;
}> {
  try {
    await (typeof work === "function" ? work() : work);
  } catch (error) {
    return error as never;
  }
  throw new Error("it did not fail");
}
