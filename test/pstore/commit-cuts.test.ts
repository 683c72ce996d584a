import { describe, expect, test } from "@jest/globals";
import { MemoryBlockDevice } from "../../src/block/device.js";
import { type AppendRequest, PstoreStore } from "../../src/pstore/store.js";
import {
  type Geometry,
  LAYOUT_BE64,
  LAYOUT_I386,
  LAYOUT_LE64,
  type RecordLayout,
} from "../../src/pstore/types.js";
import { CutDevice } from "../support/cut-device.js";
import { partitionBytes } from "../support/kernel-images.js";
import { type KernelConfig, kernelView } from "../support/kernel-view.js";
import { logOf } from "../support/logs.js";
import { kmsg, putRecord } from "../support/partition-bytes.js";
import { type CutCount, checkCuts, recordSets, without } from "../support/record-sets.js";

const KIB = 1024;
const ZONES = 4;
const clock = { wallTime: () => Date.UTC(2026, 5, 1) };
const layouts = { "64-bit": LAYOUT_LE64, "big-endian": LAYOUT_BE64, i386: LAYOUT_I386 };

interface Bench {
  readonly geometry: Geometry;
  readonly config: KernelConfig;
  readonly layout: RecordLayout;
}

function bench(layout: RecordLayout, kmsgSize = 4 * KIB): Bench {
  const config = {
    kmsgSize,
    headerBytes: layout.headerBytes,
    little: layout.byteOrder === "little",
  };
  return { geometry: kmsg(kmsgSize), config, layout };
}

/** Records in all zones but those named, the oldest in zone 1; every byte behind them is used. */
function filled({ layout, geometry }: Bench, free: readonly number[] = []): Uint8Array {
  const { kmsgSize } = geometry;
  const image = new Uint8Array(ZONES * kmsgSize);
  for (let zone = 0; zone < ZONES; zone++) {
    if (free.includes(zone)) continue;
    const age = BigInt((zone + ZONES - 1) % ZONES);
    const payload = Buffer.from(`Oops#${zone} Part1\n`.padEnd(kmsgSize - 52, `zone ${zone}\n`));
    putRecord(image, zone * kmsgSize, {
      layout,
      payload,
      header: { tvSec: 1_700_000_000n + age, counter: zone + 1, reason: 2 },
    });
  }
  return image;
}

/** Appends once and goes through every cut of it: DESIGN §4's three sets, and an append after each cut works. */
async function cutAppend(
  image: Uint8Array,
  { geometry, config, layout }: Bench,
  request: AppendRequest,
): Promise<CutCount & { readonly replaced: boolean }> {
  const device = new CutDevice(image);
  const options = { layout };
  const old = await recordSets(image, geometry, config);
  const report = await new PstoreStore(device, geometry, clock, options).append(request);
  const lost = report.replaced === undefined ? [] : [report.name];
  const rest = { kernel: without(old.kernel, lost), ours: without(old.ours, lost) };
  const fresh = await recordSets(device.bytes, geometry, config);
  expect(without(fresh.kernel, [report.name])).toEqual(without(rest.kernel, [report.name]));
  expect(fresh.kernel.get(report.name)).toMatch(
    new RegExp(`${report.time.seconds} ${report.counter}$`),
  );
  expect(fresh.ours.get(report.name)).toMatch(/ verified$/);

  const count = await checkCuts(device, [old, rest, fresh], geometry, config, async (cut, id) => {
    const after = new MemoryBlockDevice(cut.slice());
    const again = await new PstoreStore(after, geometry, clock, options).append(request);
    const { files, next } = kernelView(after.bytes, config);
    expect({ id, names: files.map(({ name }) => name) }).toEqual({
      id,
      names: expect.arrayContaining([again.name]),
    });
    expect({ id, next }).toEqual({ id, next: (again.zone.index + 1) % ZONES });
  });
  return { ...count, replaced: report.replaced !== undefined };
}

const SMALL = Buffer.from("<0>[    1.000000] Kernel panic - not syncing\n");
const RAW = Buffer.from(logOf(45));
const PACKED = Buffer.from(logOf(120));

const free = {
  zeros: () => undefined,
  "all ones": (zone: Uint8Array) => zone.fill(0xff),
  "an erased record": (zone: Uint8Array) => zone.fill(0, 4, 8),
  "a record with a wrong magic": (zone: Uint8Array) => zone.fill(0, 12, 16),
  "a record longer than the zone": (zone: Uint8Array) => zone.fill(0x7f, 4, 8),
};

describe.each(Object.entries(layouts))("power cut at every sector write, %s", (_name, layout) => {
  const { geometry, ...rest } = bench(layout);
  const one = { geometry, ...rest };

  test.each([
    ["small", SMALL, 4],
    ["raw, the whole zone", RAW, 9],
    ["deflated", PACKED, 9],
  ] as const)("free zone, %s", async (_text, text, writes) => {
    const count = await cutAppend(filled(one, [2]), one, { text, reason: 1 });
    expect(count).toMatchObject({ replaced: false, cuts: count.sectorWrites * 4 });
    expect(count.sectorWrites).toBeLessThanOrEqual(writes);
  });

  test.each([
    ["small", SMALL],
    ["raw, the whole zone", RAW],
    ["deflated", PACKED],
  ] as const)("full ring, %s", async (_text, text) => {
    const count = await cutAppend(filled(one), one, { text, reason: 1 });
    expect(count.replaced).toBe(true);
  });

  test.each(Object.entries(free))("free zone that holds %s", async (_what, make) => {
    const image = filled(one, []);
    const zone = image.subarray(geometry.kmsgSize, 2 * geometry.kmsgSize);
    if (make(zone) === undefined) zone.fill(0);
    const count = await cutAppend(image, one, { text: SMALL, reason: 2 });
    expect(count).toMatchObject({ replaced: false });
  });

  test("onto our own records, round the ring and once more", async () => {
    let image: Uint8Array = new Uint8Array(ZONES * geometry.kmsgSize);
    for (let n = 0; n < ZONES + 2; n++) {
      const count = await cutAppend(image, one, {
        text: n % 2 ? PACKED : SMALL,
        reason: 1 + (n % 4),
      });
      expect(count.replaced).toBe(n >= ZONES);
      const device = new MemoryBlockDevice(image);
      await new PstoreStore(device, geometry, clock, { layout }).append({
        text: n % 2 ? PACKED : SMALL,
        reason: 1 + (n % 4),
      });
      image = device.bytes;
    }
  });
});

describe("power cut of a record of 64 KiB, at every sector write", () => {
  const large = bench(LAYOUT_LE64, 64 * KIB);
  const text = Buffer.from(`Panic#1 Part1\n${logOf(2000)}`);

  test.each([
    ["free zone, raw", [3], "never", 129, 129 * 4],
    ["full ring, raw", [], "never", 130, 130 * 4],
    ["full ring, deflated", [], "always", 130, 130 * 4],
  ] as const)("%s", async (_name, zones, compress, atMost, cuts) => {
    const count = await cutAppendOnce(filled(large, zones), large, { text, reason: 1, compress });
    expect(count.sectorWrites).toBeLessThanOrEqual(atMost);
    expect(count.sectorWrites).toBeGreaterThan(60);
    expect(count.cuts).toBeLessThanOrEqual(cuts);
    expect(count.images).toBeGreaterThan(count.sectorWrites);
  });

  /** Without the second append, which would cost seconds here. */
  async function cutAppendOnce(
    image: Uint8Array,
    { geometry, config }: Bench,
    request: AppendRequest,
  ): Promise<CutCount> {
    const device = new CutDevice(image);
    const old = await recordSets(image, geometry, config);
    const report = await new PstoreStore(device, geometry, clock).append(request);
    const lost = report.replaced === undefined ? [] : [report.name];
    const rest = { kernel: without(old.kernel, lost), ours: without(old.ours, lost) };
    const fresh = await recordSets(device.bytes, geometry, config);
    expect(fresh.kernel.size).toBe(rest.kernel.size + 1);
    return checkCuts(device, [old, rest, fresh], geometry, config);
  }
});

describe("power cut of a record onto what a kernel wrote", () => {
  test.each([
    ["wrap4", 16, LAYOUT_LE64, 2, true],
    ["wrap4-unlinked", 16, LAYOUT_LE64, 2, false],
    ["k4", 4, LAYOUT_LE64, 3, false],
    ["i386-raw", 32, LAYOUT_I386, 1, false],
  ] as const)("%s", async (name, kib, layout, zone, replaced) => {
    const image = partitionBytes(name);
    const { geometry, config } = bench(layout, kib * KIB);
    const device = new CutDevice(image);
    const old = await recordSets(image, geometry, config);
    const report = await new PstoreStore(device, geometry, clock).append({
      text: PACKED,
      reason: 2,
    });
    expect(report.zone.index).toBe(zone);
    expect(report.replaced !== undefined).toBe(replaced);
    const lost = replaced ? [report.name] : [];
    const rest = { kernel: without(old.kernel, lost), ours: without(old.ours, lost) };
    const fresh = await recordSets(device.bytes, geometry, config);
    const count = await checkCuts(device, [old, rest, fresh], geometry, config);
    expect(count.images).toBeGreaterThan(8);
  });
});
