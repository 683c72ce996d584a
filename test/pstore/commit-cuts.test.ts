import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { MemoryBlockDevice } from "../../src/block/device.js";
import { type AppendRequest, PstoreStore } from "../../src/pstore/store.js";
import {
  type Geometry,
  LAYOUT_BE64,
  LAYOUT_I386,
  LAYOUT_LE64,
  type RecordLayout,
} from "../../src/pstore/types.js";
import type { WritePlan } from "../../src/pstore/write-plan.js";
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
const RAW = Buffer.from(logOf(300)); // more than fits: with compress "never" the zone is full
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
    ["small", SMALL, "auto", 3, 4, 9],
    ["raw, the whole zone", RAW, "never", 9, 26, 27],
  ] as const)("%s: free zone, full ring", async (_text, text, compress, writes, inFree, inFull) => {
    const request = { text, reason: 1, compress };
    const free = await cutAppend(filled(one, [2]), one, request);
    expect(free).toEqual({
      replaced: false,
      sectorWrites: writes,
      cuts: 4 * writes,
      images: inFree,
    });
    const full = await cutAppend(filled(one), one, request);
    expect(full).toEqual({
      replaced: true,
      sectorWrites: writes + 1,
      cuts: 4 * writes + 4,
      images: inFull,
    });
  });

  test("deflated: free zone, full ring", async () => {
    const request = { text: PACKED, reason: 1 };
    const free = await cutAppend(filled(one, [2]), one, request);
    expect(free.replaced).toBe(false);
    expect(free.sectorWrites).toBeGreaterThanOrEqual(5);
    const full = await cutAppend(filled(one), one, request);
    expect(full).toMatchObject({ replaced: true, sectorWrites: free.sectorWrites + 1 });
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
    ["free zone, raw", [3], 129, 516, 386],
    ["full ring, raw", [], 130, 520, 387],
  ] as const)("%s (%j): %d sector writes, %d cuts, %d images", async (_name, zones, ...counts) => {
    const request = { text, reason: 1, compress: "never" } as const;
    const count = await cutAppendOnce(filled(large, zones), large, request);
    expect([count.sectorWrites, count.cuts, count.images]).toEqual(counts);
  });

  test("full ring, deflated", async () => {
    const request = { text, reason: 1, compress: "always" } as const;
    const count = await cutAppendOnce(filled(large), large, request);
    expect(count.sectorWrites).toBeGreaterThan(40);
    expect(count.images).toBeGreaterThan(2 * count.sectorWrites);
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

describe("the judge", () => {
  const one = bench(LAYOUT_LE64);

  test("refuses a record written header first, as the kernel does", async () => {
    const image = filled(one);
    const device = new CutDevice(image);
    const plan = await new PstoreStore(device, one.geometry, clock).planAppend({
      text: RAW,
      reason: 1,
      compress: "never",
    });
    const done = new MemoryBlockDevice(image.slice());
    for (const { lba, bytes } of plan.steps.flat()) await done.write(lba, bytes);
    const { offset, size } = plan.report.zone;
    await device.write(offset / 512, done.bytes.subarray(offset, offset + size));
    const old = await recordSets(image, one.geometry, one.config);
    const fresh = await recordSets(done.bytes, one.geometry, one.config);
    const name = [plan.report.name];
    const rest = { kernel: without(old.kernel, name), ours: without(old.ours, name) };
    await expect(checkCuts(device, [old, rest, fresh], one.geometry, one.config)).rejects.toThrow(
      /sector write 1 of 8/,
    );
  });

  test("a step's sectors may reach the medium in any order, wholly or by halves", async () => {
    for (const zones of [[], [2]]) {
      const image = filled(one, zones);
      const store = new PstoreStore(new MemoryBlockDevice(image.slice()), one.geometry, clock);
      const plan = await store.planAppend({ text: PACKED, reason: 1 });
      const last = plan.steps.length - 1;
      const before = kernelFiles(image);
      const rest = before.filter(({ name }) => name !== plan.report.name);
      const after = kernelFiles(withHalves(image, plan, last + 1, []));
      expect(after).toHaveLength(rest.length + 1);
      fc.assert(
        fc.property(fc.nat(last), fc.array(fc.boolean(), { maxLength: 20 }), (step, halves) => {
          const allowed = step === last ? [before, rest, after] : [before, rest];
          expect(allowed).toContainEqual(kernelFiles(withHalves(image, plan, step, halves)));
        }),
        { numRuns: 300 },
      );
    }
  });

  const kernelFiles = (image: Uint8Array) => kernelView(image, one.config).files;

  /** The image after all steps before `step`, and those half sectors of it that are marked as done. */
  function withHalves(
    image: Uint8Array,
    { steps }: WritePlan,
    step: number,
    halves: readonly boolean[],
  ): Uint8Array {
    const cut = image.slice();
    for (const { lba, bytes } of steps.slice(0, step).flat()) cut.set(bytes, lba * 512);
    let half = 0;
    for (const { lba, bytes } of steps[step] ?? [])
      for (let at = 0; at < bytes.length; at += 256)
        if (halves[half++]) cut.set(bytes.subarray(at, at + 256), lba * 512 + at);
    return cut;
  }
});
