import { createHash } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import { MemoryBlockDevice } from "../../src/block/device.js";
import { PartitionView } from "../../src/block/partition-view.js";
import { PstoreStore, type StoreOptions } from "../../src/pstore/store.js";
import { type Geometry, LAYOUT_BE64, LAYOUT_I386, LAYOUT_LE64 } from "../../src/pstore/types.js";
import {
  geometryOf,
  kernelImage,
  partitionBytes,
  shownByKernel,
} from "../support/kernel-images.js";
import { kernelView } from "../support/kernel-view.js";
import { logOf, noise } from "../support/logs.js";
import { KIB, kmsg, putRecord } from "../support/partition-bytes.js";

/** 2026-06-01T00:00:00.250Z */
const clock = { wallTime: () => 1_780_272_000_250 };
const NOW = { seconds: 1_780_272_000n, nanoseconds: 250_000_000 };
const LOG = Buffer.from("<0>[    1.000000] Kernel panic - not syncing\n");
const LE64 = { headerBytes: 40, little: true } as const;

function storeOf(bytes: Uint8Array, geometry: Geometry, options?: StoreOptions) {
  const device = new MemoryBlockDevice(bytes.slice());
  return { device, store: new PstoreStore(device, geometry, clock, options) };
}

const storeOn = (name: string, options?: StoreOptions) =>
  storeOf(partitionBytes(name), geometryOf(kernelImage(name)), options);
const empty = (kib = 64): Uint8Array => new Uint8Array(kib * KIB);
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

describe("append onto what a kernel wrote", () => {
  // Zone and counter that the kernel's own next oops would get, seen with a booted kernel, where its zone is free.
  test.each([
    ["wrap4", 2, 7, true],
    ["wrap4-unlinked", 2, 7, false],
    ["hand16", 3, 14, false],
    ["k4", 3, 4, false],
    ["one-raw", 1, 2, false],
    ["one-deflate", 1, 2, false],
    ["i386-raw", 1, 2, false],
    ["card-gpt", 2, 3, false],
    ["all-smp2", 1, 2, false],
    ["panic-raw", 1, 1, false],
  ])("%s: an oops goes to zone %d with counter %d", async (name, zone, counter, replaces) => {
    const { device, store } = storeOn(name);
    const report = await store.append({ text: LOG, reason: 2 });
    expect(report).toMatchObject({
      name: `dmesg-pstore_blk-${zone}`,
      zone: { index: zone },
      counter,
      reason: "Oops",
      time: NOW,
      compressed: false,
    });
    expect(report.replaced !== undefined).toBe(replaces);
    expect(report).not.toHaveProperty("raisedFrom");
    const config = { ...geometryOf(kernelImage(name)), ...LE64 };
    const view = kernelView(device.bytes, { ...config, headerBytes: report.layout.headerBytes });
    expect(view.next).toBe((zone + 1) % store.layout.dmesg.length);
    expect(view.oopsCounter).toBe(counter);
    const shown = `Oops: Total ${counter} times\nOops#${counter} Part1\n${LOG}`;
    expect(view.files.find((file) => file.name === report.name)).toMatchObject({
      sha256: sha256(Buffer.from(shown)),
      seconds: NOW.seconds,
    });
  });

  test("the other records stay as the kernel showed them", async () => {
    const { store } = storeOn("wrap4");
    await store.append({ text: LOG, reason: 1 });
    for (const [name, bytes] of shownByKernel("wrap4"))
      if (name !== "dmesg-pstore_blk-2")
        expect(sha256((await store.read(name)).bytes)).toBe(sha256(bytes));
  });

  test("what is replaced is said", async () => {
    const { store } = storeOn("wrap4");
    expect((await store.append({ text: LOG, reason: 1 })).replaced).toEqual({
      reason: "Oops",
      counter: 3,
      time: { seconds: 1_767_323_062n, nanoseconds: 375_915_660 },
    });
  });

  test("a zone that ends a kernel's listing in front of the new record is said", async () => {
    const { store } = storeOn("hand-empty-compressed");
    const report = await store.append({ text: LOG, reason: 1 });
    expect(report).toMatchObject({ zone: { index: 3 }, hiddenBehind: { index: 1 } });
    expect(await storeOn("wrap4").store.append({ text: LOG, reason: 1 })).not.toHaveProperty(
      "hiddenBehind",
    );
  });
});

describe("append", () => {
  test.each([
    [1, "Panic", 1],
    [2, "Oops", 1],
    [3, "Emergency", 0],
    [4, "Shutdown", 0],
  ])("reason %d: %s#%d", async (reason, word, counter) => {
    const { store } = storeOf(empty(), kmsg(16 * KIB));
    const { name } = await store.append({ text: LOG, reason });
    const { record, bytes } = await store.read(name);
    expect(Buffer.from(bytes).toString()).toBe(
      `${word}: Total ${counter} times\n${word}#${counter} Part1\n${LOG}`,
    );
    expect(record).toMatchObject({ state: "verified", reason: word, mtime: NOW });
  });

  test("a large log is deflated, its oldest lines go, and that is said", async () => {
    const { store } = storeOf(empty(), kmsg(4 * KIB));
    const log = Buffer.from(logOf(900));
    const report = await store.append({ text: log, reason: 1 });
    expect(report).toMatchObject({ compressed: true, addedDumpLine: true });
    expect(report.droppedLines).toBeGreaterThan(500);
    const { record, bytes } = await store.read(report.name);
    expect(bytes).toHaveLength(report.textBytes);
    expect(record.storedBytes).toBe(report.storedBytes);
    expect(Buffer.from(bytes).subarray(14).equals(log.subarray(report.droppedBytes))).toBe(true);
  });

  test("too large: nothing is written", async () => {
    const { device, store } = storeOf(empty(16), kmsg(4 * KIB));
    const text = Buffer.from(noise(20_000), "latin1");
    await expect(store.append({ text, reason: 1 })).rejects.toMatchObject({
      code: "PSTORE_TOO_LARGE",
    });
    expect(device.bytes.every((byte) => byte === 0)).toBe(true);
  });

  test("a time given is kept, or raised to go on behind what is there, and that is said", async () => {
    const { store } = storeOn("wrap4");
    const time = { seconds: 1_767_323_000n, nanoseconds: 7 };
    const report = await store.append({ text: LOG, reason: 1, time });
    expect(report).toMatchObject({
      time: { seconds: 1_767_323_068n, nanoseconds: 0 },
      raisedFrom: time,
    });
    const later = { seconds: 4_000_000_000n, nanoseconds: 999_999_999 };
    expect((await store.append({ text: LOG, reason: 1, time: later })).time).toEqual(later);
  });

  test("2^63 - 1 on disk: refused", async () => {
    const bytes = empty();
    putRecord(bytes, 0, { header: { tvSec: 2n ** 63n - 1n } });
    const { device, store } = storeOf(bytes, kmsg(16 * KIB));
    await expect(store.append({ text: LOG, reason: 1 })).rejects.toMatchObject({
      code: "PSTORE_TIME",
    });
    expect(Buffer.compare(device.bytes, bytes)).toBe(0);
  });

  test.each([
    ["i386", LAYOUT_I386],
    ["big-endian", LAYOUT_BE64],
    ["64-bit", LAYOUT_LE64],
  ])("in the layout that is there: %s, and in another if told to", async (_name, layout) => {
    const bytes = empty();
    putRecord(bytes, 0, { layout });
    const { device, store } = storeOf(bytes, kmsg(16 * KIB));
    const report = await store.append({ text: LOG, reason: 1 });
    expect(report.layout).toEqual(layout);
    const little = layout.byteOrder === "little";
    const config = { kmsgSize: 16 * KIB, headerBytes: layout.headerBytes, little };
    expect(kernelView(device.bytes, config).files).toHaveLength(2);
    for (const other of [LAYOUT_LE64, LAYOUT_BE64, LAYOUT_I386]) {
      const told = storeOf(bytes, kmsg(16 * KIB), { layout: other });
      expect((await told.store.append({ text: LOG, reason: 1 })).layout).toEqual(other);
    }
  });

  test("a damaged zone is written over only if the user agrees", async () => {
    const bytes = empty();
    putRecord(bytes, 0, { datalen: 8 });
    const header = { tvSec: 1_600_000_000n };
    putRecord(bytes, 48 * KIB, { header });
    const next = async (options: StoreOptions) =>
      (await storeOf(bytes, kmsg(16 * KIB), options).store.append({ text: LOG, reason: 1 })).zone
        .index;
    expect(await next({})).toBe(1);
    putRecord(bytes, 48 * KIB, { header: { tvSec: 1_800_000_000n } });
    expect(await next({})).toBe(1);
    expect(await next({ yes: true })).toBe(0);
  });

  test("a dry run says the same and writes nothing", async () => {
    const { device, store } = storeOn("wrap4");
    const before = device.bytes.slice();
    const { report, steps } = await store.planAppend({ text: LOG, reason: 1 });
    expect(Buffer.compare(device.bytes, before)).toBe(0);
    expect(steps).toHaveLength(3);
    expect(await store.append({ text: LOG, reason: 1 })).toEqual(report);
  });

  test("inside a card it stays inside its partition", async () => {
    const card = new MemoryBlockDevice(new Uint8Array(256 * KIB).fill(0x5a));
    const geometry = kmsg(32 * KIB);
    const view = new PartitionView(card, 128, 192);
    card.bytes.fill(0, 64 * KIB, 160 * KIB);
    const store = new PstoreStore(view, geometry, clock);
    for (let n = 0; n < 4; n++) await store.append({ text: Buffer.from(logOf(2000)), reason: 1 });
    const outside = [card.bytes.subarray(0, 64 * KIB), card.bytes.subarray(160 * KIB)];
    expect(outside.every((bytes) => bytes.every((byte) => byte === 0x5a))).toBe(true);
    expect((await store.list()).records.map(({ state }) => state)).toEqual([
      "verified",
      "verified",
      "verified",
    ]);
  });
});

describe("refused", () => {
  test("signatures that contradict the geometry: list warns, nothing is written", async () => {
    const { device, store } = storeOf(partitionBytes("wrap4"), kmsg(32 * KIB));
    const before = device.bytes.slice();
    expect(
      (await store.list()).warnings.some(({ contradictsGeometry }) => contradictsGeometry),
    ).toBe(true);
    const refusal = {
      code: "PSTORE_GEOMETRY_CONTRADICTED",
      hint: expect.stringContaining("--geometry auto"),
    };
    await expect(store.append({ text: LOG, reason: 1 })).rejects.toMatchObject(refusal);
    await expect(store.erase("all")).rejects.toMatchObject(refusal);
    expect(Buffer.compare(device.bytes, before)).toBe(0);
  });

  test("dmesg zones at odd bytes: read, not written, and the ftrace sizes that fit", async () => {
    const geometry = { ...kmsg(16 * KIB), ftraceSize: 64 * KIB, cpus: 3 };
    const bytes = empty(256);
    putRecord(bytes, 65_535);
    const { store } = storeOf(bytes, geometry);
    expect((await store.list()).records).toHaveLength(1);
    const refusal = {
      code: "REFUSED",
      hint: expect.stringMatching(/--ftrace-size 60K or --ftrace-size 72K/),
    };
    await expect(store.append({ text: LOG, reason: 1 })).rejects.toMatchObject(refusal);
    await expect(store.erase("all")).rejects.toMatchObject(refusal);
    await expect(store.format()).rejects.toMatchObject(refusal);
    for (const ftraceSize of [60 * KIB, 72 * KIB])
      await storeOf(empty(256), { ...geometry, ftraceSize }).store.append({ text: LOG, reason: 1 });
  });

  test("odd sizes of other zones", async () => {
    const { store } = storeOf(empty(), { ...kmsg(16 * KIB), pmsgSize: 1000 });
    await expect(store.append({ text: LOG, reason: 1 })).rejects.toMatchObject({
      code: "REFUSED",
      hint: expect.stringContaining("multiples of 4 KiB"),
    });
  });

  test("a geometry without dmesg zones, or too large", async () => {
    const { store } = storeOf(empty(), { ...kmsg(0), pmsgSize: 16 * KIB });
    await expect(store.append({ text: LOG, reason: 1 })).rejects.toMatchObject({
      code: "PSTORE_GEOMETRY_INVALID",
    });
    expect(() => storeOf(empty(), kmsg(128 * KIB))).toThrow(
      expect.objectContaining({ code: "PSTORE_GEOMETRY_TOO_LARGE" }),
    );
  });
});

describe("read", () => {
  test("what a kernel shows, by its name or without .enc.z", async () => {
    const { store } = storeOn("hand16");
    const expected = shownByKernel("hand16").get("dmesg-pstore_blk-8.enc.z");
    for (const name of ["dmesg-pstore_blk-8.enc.z", "dmesg-pstore_blk-8"]) {
      const { record, bytes } = await store.read(name);
      expect(record.zone.index).toBe(8);
      expect(sha256(bytes)).toBe(sha256(expected ?? new Uint8Array(0)));
    }
  });

  test("no such name, and what there is", async () => {
    const { store } = storeOn("wrap4-unlinked");
    await expect(store.read("dmesg-pstore_blk-2")).rejects.toMatchObject({
      code: "PSTORE_NOT_FOUND",
      details: { names: ["dmesg-pstore_blk-0", "dmesg-pstore_blk-1", "dmesg-pstore_blk-3"] },
    });
    await expect(storeOf(empty(), kmsg(16 * KIB)).store.read("x")).rejects.toMatchObject({
      hint: "the partition holds no records",
    });
  });
});
