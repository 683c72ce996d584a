import { expect } from "@jest/globals";
import { MemoryBlockDevice } from "../../src/block/device.js";
import { scanPartition } from "../../src/pstore/scan.js";
import type { Geometry } from "../../src/pstore/types.js";
import type { CutDevice } from "./cut-device.js";
import { type KernelConfig, kernelView } from "./kernel-view.js";

/** What can be read on a partition, in two views: one line a record that says all about it, by its name. */
export interface RecordSets {
  readonly kernel: ReadonlyMap<string, string>;
  readonly ours: ReadonlyMap<string, string>;
}

/** The records of a partition as a kernel sees them, and as we do; nothing may be torn or contradict the geometry. */
export async function recordSets(
  image: Uint8Array,
  geometry: Geometry,
  config: KernelConfig,
): Promise<RecordSets> {
  const kernel = kernelView(image, config).files.map((file): [string, string] => [
    file.name,
    `${file.sha256} ${file.seconds} ${file.counter}`,
  ]);
  const scan = await scanPartition(new MemoryBlockDevice(image), geometry);
  const doubts = scan.warnings.filter(
    ({ code, contradictsGeometry }) => contradictsGeometry || code === "torn",
  );
  expect(doubts).toEqual([]);
  const ours = scan.records
    .filter(({ state }) => state !== "erased")
    .map(({ name, sha256, header, state }): [string, string] => [
      name,
      `${sha256} ${header?.tvSec} ${header?.counter} ${state}`,
    ]);
  return { kernel: new Map(kernel), ours: new Map(ours) };
}

/** The set without those records. */
export function without(
  set: ReadonlyMap<string, string>,
  names: readonly string[],
): Map<string, string> {
  return new Map([...set].filter(([name]) => !names.includes(name)));
}

export interface CutCount {
  readonly sectorWrites: number;
  /** Sector writes times four states. */
  readonly cuts: number;
  /** Without those that leave the same bytes. */
  readonly images: number;
}

/** Goes through every cut of what was written to `device`; both views must be among those allowed. */
export async function checkCuts(
  device: CutDevice,
  allowed: readonly RecordSets[],
  geometry: Geometry,
  config: KernelConfig,
  atEachCut: (image: Uint8Array, id: string) => Promise<void> = async () => {},
): Promise<CutCount> {
  const kernelSets = new Set(allowed.map(({ kernel }) => keyOf(kernel)));
  const ourSets = new Set(allowed.map(({ ours }) => keyOf(ours)));
  let images = 0;
  for (const { id, image } of device.cuts()) {
    images++;
    const { kernel, ours } = await recordSets(image, geometry, config);
    if (!kernelSets.has(keyOf(kernel))) throw new Error(`${id}: a kernel sees\n${keyOf(kernel)}`);
    if (!ourSets.has(keyOf(ours))) throw new Error(`${id}: we see\n${keyOf(ours)}`);
    await atEachCut(image, id);
  }
  return { sectorWrites: device.sectorWrites, cuts: device.sectorWrites * 4, images };
}

function keyOf(set: ReadonlyMap<string, string>): string {
  return [...set].map((entry) => entry.join(": ")).join("\n");
}
