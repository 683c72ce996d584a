import { describe, expect, test } from "@jest/globals";
import { MemoryBlockDevice } from "../../src/block/device.js";
import { PstoreStore, type StoreOptions } from "../../src/pstore/store.js";
import { type Geometry, LAYOUT_BE64, LAYOUT_I386, LAYOUT_LE64 } from "../../src/pstore/types.js";
import { encodeZoneHeader } from "../../src/pstore/zone-header.js";
import { CutDevice } from "../support/cut-device.js";
import { geometryOf, kernelImage, partitionBytes } from "../support/kernel-images.js";
import { kernelView } from "../support/kernel-view.js";
import { KIB, kmsg, namesOf, putRecord, scan } from "../support/partition-bytes.js";
import { checkCuts, type RecordSets, recordSets, without } from "../support/record-sets.js";

const clock = { wallTime: () => Date.UTC(2026, 5, 1) };

function storeOf(bytes: Uint8Array, geometry: Geometry, options?: StoreOptions) {
  const device = new CutDevice(bytes);
  return { device, store: new PstoreStore(device, geometry, clock, options) };
}

/** Places of bytes that differ. */
function changes(a: Uint8Array, b: Uint8Array): number[] {
  return [...a.keys()].filter((at) => a[at] !== b[at]);
}

const pmsgImage = kernelImage("pmsg-wrap");
const allImage = kernelImage("all-smp2");

describe("erase", () => {
  test("is what a kernel's unlink does: wrap4 becomes wrap4-unlinked, byte for byte", async () => {
    const { device, store } = storeOf(partitionBytes("wrap4"), geometryOf(kernelImage("wrap4")));
    expect(await store.erase(["dmesg-pstore_blk-2"])).toEqual(["dmesg-pstore_blk-2"]);
    expect(changes(device.bytes, partitionBytes("wrap4-unlinked"))).toEqual([]);
    expect(device.sectorWrites).toBe(1);
  });

  test("pmsg: datalen and start to 0, bytes 4, 5, 8, 9", async () => {
    const bytes = partitionBytes("pmsg-wrap");
    const { device, store } = storeOf(bytes, geometryOf(pmsgImage));
    await store.erase(["pmsg-pstore_blk-0"]);
    expect(changes(device.bytes, bytes)).toEqual([4, 5, 8, 9]);
    expect(namesOf(await store.list())).toEqual([]);
  });

  test("the ftrace file: the zones of all CPUs", async () => {
    const { device, store } = storeOf(partitionBytes("all-smp2"), geometryOf(allImage));
    expect(await store.erase(["ftrace-pstore_blk-0"])).toEqual(["ftrace-pstore_blk-0"]);
    expect(device.sectorWrites).toBe(2);
    const { records } = await store.list();
    expect(records.map(({ type }) => type)).toEqual(["dmesg", "pmsg", "console"]);
  });

  test("all", async () => {
    const { store } = storeOf(partitionBytes("all-smp2"), geometryOf(allImage));
    expect(await store.erase("all")).toEqual([
      "pmsg-pstore_blk-0",
      "console-pstore_blk-0",
      "ftrace-pstore_blk-0",
      "dmesg-pstore_blk-0",
    ]);
    const { records } = await store.list();
    expect(records.map(({ state }) => state)).toEqual(["erased"]);
    expect(await store.erase("all")).toEqual([]);
  });

  test("undecodable ones by either name", async () => {
    for (const name of ["dmesg-pstore_blk-2.enc.z", "dmesg-pstore_blk-2"]) {
      const { store } = storeOf(partitionBytes("hand16"), kmsg(4 * KIB));
      await store.erase([name]);
      const { records } = await store.list();
      expect(records.find(({ zone }) => zone.index === 2)?.state).toBe("erased");
    }
  });

  test.each([
    ["no such name", ["dmesg-pstore_blk-0", "nonsense"]],
    ["an erased one", ["dmesg-pstore_blk-7"]],
    ["an empty zone", ["dmesg-pstore_blk-4"]],
  ])("%s: not found, nothing written", async (_what, names) => {
    const { device, store } = storeOf(partitionBytes("hand16"), kmsg(4 * KIB));
    await expect(store.erase(names)).rejects.toMatchObject({
      code: "PSTORE_NOT_FOUND",
      details: { name: names.at(-1) },
      hint: expect.stringContaining("dmesg-pstore_blk-0, dmesg-pstore_blk-1"),
    });
    expect(device.sectorWrites).toBe(0);
  });

  test("a zone with too short a length only if the user agrees", async () => {
    const bytes = new Uint8Array(16 * KIB);
    putRecord(bytes, 0);
    putRecord(bytes, 4 * KIB, { datalen: 8 });
    const careful = storeOf(bytes, kmsg(4 * KIB));
    expect(await careful.store.erase("all")).toEqual(["dmesg-pstore_blk-0"]);
    const { device, store } = storeOf(bytes, kmsg(4 * KIB), { yes: true });
    expect(await store.erase("all")).toEqual(["dmesg-pstore_blk-0", "dmesg-pstore_blk-1"]);
    expect((await scan(device.bytes, kmsg(4 * KIB))).warnings).toEqual([]);
  });

  test("a ring that starts behind its data, which keeps a kernel from listing anything", async () => {
    const bytes = partitionBytes("pmsg-wrap");
    const header = { type: "pmsg", byteOrder: "little", datalen: 10, start: 20 } as const;
    bytes.set(encodeZoneHeader(header));
    const { device, store } = storeOf(bytes, geometryOf(pmsgImage));
    expect(await store.erase("all")).toEqual(["pmsg-pstore_blk-0"]);
    expect((await scan(device.bytes, geometryOf(pmsgImage))).warnings).toEqual([]);
  });

  test("a header across two halves of a sector is left alone", async () => {
    // 100-byte ftrace zones: that of CPU 46 begins at byte 248 of a sector's half.
    const geometry = { ...kmsg(4 * KIB), ftraceSize: 25 * 4096, cpus: 1024 };
    const bytes = new Uint8Array(128 * KIB);
    bytes.set(
      encodeZoneHeader({ type: "ftrace", byteOrder: "little", datalen: 24, start: 24 }),
      4600,
    );
    const { device, store } = storeOf(bytes, geometry);
    await expect(store.erase("all")).rejects.toMatchObject({ code: "REFUSED" });
    expect(device.sectorWrites).toBe(0);
  });

  const geometries = [
    ["dmesg of an amd64 kernel", "wrap4", "dmesg-pstore_blk-1", false],
    ["dmesg of an i386 kernel", "i386-raw", "dmesg-pstore_blk-0", true],
    ["pmsg", "pmsg-wrap", "pmsg-pstore_blk-0", false],
    ["console", "all-smp2", "console-pstore_blk-0", false],
  ] as const;
  test.each(geometries)(
    "power cut: the old set, or without that one: %s",
    async (_n, image, name, i386) => {
      const bytes = partitionBytes(image);
      const geometry = geometryOf(kernelImage(image));
      const { device, store } = storeOf(bytes, geometry);
      const config = { ...kernelOf(geometry), headerBytes: i386 ? (28 as const) : (40 as const) };
      const old = await recordSets(bytes, geometry, config);
      await store.erase([name]);
      const rest = setsWithout(old, [name]);
      expect(rest.ours.size).toBe(old.ours.size - 1);
      const count = await checkCuts(device, [old, rest], geometry, config);
      expect(count).toEqual({ sectorWrites: 1, cuts: 4, images: 2 });
    },
  );

  test("power cut of erasing all: they go one by one, in every layout", async () => {
    for (const layout of [LAYOUT_LE64, LAYOUT_BE64, LAYOUT_I386]) {
      const bytes = new Uint8Array(16 * KIB);
      for (const zone of [0, 1, 2, 3]) putRecord(bytes, zone * 4 * KIB, { layout });
      const { device, store } = storeOf(bytes, kmsg(4 * KIB));
      const little = layout.byteOrder === "little";
      const config = { kmsgSize: 4 * KIB, headerBytes: layout.headerBytes, little };
      const names = await store.erase("all");
      const old = await recordSets(bytes, kmsg(4 * KIB), config);
      const allowed = names.map((_, gone) => setsWithout(old, names.slice(0, gone)));
      const none = setsWithout(old, names);
      const count = await checkCuts(device, [...allowed, none], kmsg(4 * KIB), config);
      expect(count).toEqual({ sectorWrites: 4, cuts: 16, images: 5 });
    }
  });
});

function kernelOf({ kmsgSize, pmsgSize, consoleSize, ftraceSize }: Geometry) {
  return { kmsgSize, pmsgSize, consoleSize, ftraceSize, headerBytes: 40 as const, little: true };
}

function setsWithout(sets: RecordSets, names: readonly string[]): RecordSets {
  return { kernel: without(sets.kernel, names), ours: without(sets.ours, names) };
}

describe("format", () => {
  test.each(["hand16", "wrap4", "all-smp2", "pmsg-wrap", "hand-empty-compressed", "card-gpt"])(
    "%s is empty afterwards, with nothing to warn of",
    async (name) => {
      const geometry = geometryOf(kernelImage(name));
      const { device, store } = storeOf(partitionBytes(name), geometry);
      await store.format();
      expect(await scan(device.bytes, geometry, { search: "all" })).toMatchObject({
        records: [],
        warnings: [],
      });
      expect(kernelView(device.bytes, kernelOf(geometry)).next).toBe(0);
      const report = await store.append({ text: Buffer.from("<0>x\n"), reason: 1 });
      expect(report).toMatchObject({ zone: { index: 0 }, counter: 1 });
    },
  );

  test("zeroes first sectors and nothing else", async () => {
    const bytes = new Uint8Array(16 * KIB).fill(0xab);
    const { device, store } = storeOf(bytes, kmsg(4 * KIB));
    const plan = await store.format();
    expect(plan).toMatchObject({ records: [], foreign: [] });
    const changed = changes(device.bytes, bytes);
    expect(changed).toHaveLength(4 * 512);
    expect(changed.every((at) => at % 4096 < 512 && device.bytes[at] === 0)).toBe(true);
  });

  test("takes the zones of another geometry with it, which would contradict the new one", async () => {
    const bytes = partitionBytes("wrap4");
    const { device, store } = storeOf(bytes, kmsg(32 * KIB));
    await expect(store.append({ text: Buffer.from("x\n"), reason: 1 })).rejects.toMatchObject({
      code: "PSTORE_GEOMETRY_CONTRADICTED",
    });
    const { foreign } = await store.format();
    expect(foreign).toEqual([16 * KIB, 48 * KIB]);
    expect((await scan(device.bytes, kmsg(32 * KIB), { search: "all" })).warnings).toEqual([]);
    await store.append({ text: Buffer.from("x\n"), reason: 1 });
  });

  test("power cut: each record whole or gone, then nothing", async () => {
    const bytes = new Uint8Array(16 * KIB);
    const payload = Buffer.from("Panic#1 Part1\n".padEnd(900, "text of a record\n"));
    for (const zone of [0, 1, 2]) putRecord(bytes, zone * 4 * KIB, { payload });
    const geometry = kmsg(4 * KIB);
    const { device, store } = storeOf(bytes, geometry);
    await store.format();
    const old = await recordSets(bytes, geometry, kernelOf(geometry));
    const names = [...old.kernel.keys()];
    const allowed = [0, 1, 2, 3].map((gone) => setsWithout(old, names.slice(0, gone)));
    const count = await checkCuts(device, allowed, geometry, kernelOf(geometry));
    expect(count).toEqual({ sectorWrites: 7, cuts: 28, images: 13 });
  });

  test("a dry run writes nothing", async () => {
    const { device, store } = storeOf(partitionBytes("wrap4"), geometryOf(kernelImage("wrap4")));
    const format = await store.planFormat();
    const erase = await store.planErase("all");
    expect(format.records.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
    expect(erase.steps).toHaveLength(4);
    expect(device.sectorWrites).toBe(0);
  });

  test("read-only", async () => {
    const device = new MemoryBlockDevice(partitionBytes("wrap4"), { readOnly: true });
    const store = new PstoreStore(device, geometryOf(kernelImage("wrap4")), clock);
    const readOnly = { code: "BLOCK_READ_ONLY" };
    await expect(store.format()).rejects.toMatchObject(readOnly);
    await expect(store.erase("all")).rejects.toMatchObject(readOnly);
    await expect(store.append({ text: new Uint8Array(0), reason: 1 })).rejects.toMatchObject(
      readOnly,
    );
  });
});
