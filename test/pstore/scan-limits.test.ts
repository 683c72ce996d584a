import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import {
  BLOCK_SIZE,
  type BlockDevice,
  type BlockGeometryHints,
  MemoryBlockDevice,
} from "../../src/block/device.js";
import { detectGeometry } from "../../src/pstore/auto-geometry.js";
import { extractFiles } from "../../src/pstore/extract.js";
import { DEFAULT_GEOMETRY, MAX_TOTAL_BYTES } from "../../src/pstore/geometry.js";
import { scanPartition } from "../../src/pstore/scan.js";
import { encodeZoneHeader, type ZoneHeader } from "../../src/pstore/zone-header.js";
import { partitionBytes } from "../support/kernel-images.js";
import { KIB, kmsg, namesOf, putRecord, scan } from "../support/partition-bytes.js";

describe("bytes that are no partition", () => {
  const chunk = fc.uint8Array({ minLength: 64, maxLength: 64 });

  test("random bytes: an empty list, no throw", async () => {
    await fc.assert(
      fc.asyncProperty(chunk, fc.constantFrom(4, 16, 64), async (seed, kib) => {
        const bytes = randomBytes(seed, 64 * KIB);
        const geometry = { ...kmsg(kib * KIB) };
        const result = await scan(bytes, geometry);
        expect(result.records).toEqual([]);
        expect(result.warnings).toEqual([]);
        expect((await detectGeometry(new MemoryBlockDevice(bytes))).proved).toBe(false);
      }),
      { numRuns: 30 },
    );
  });

  test("zeros and FF: an empty list", async () => {
    for (const value of [0x00, 0xff]) {
      const result = await scan(new Uint8Array(128 * KIB).fill(value), DEFAULT_GEOMETRY);
      expect([result.records, result.warnings]).toEqual([[], []]);
    }
  });

  test("random bytes behind right signatures: every record has a state and its bytes", async () => {
    const geometry = {
      ...kmsg(4096),
      pmsgSize: 4096,
      consoleSize: 4096,
      ftraceSize: 8192,
      cpus: 2,
    };
    const head: fc.Arbitrary<RingHeader> = fc.record({
      byteOrder: fc.constantFrom("little", "big"),
      datalen: fc.oneof(fc.nat(5000), fc.nat(0xffff_ffff)),
      start: fc.nat(5000),
    });
    const heads = fc.array(head, { minLength: 16, maxLength: 16 });
    await fc.assert(
      fc.asyncProperty(chunk, heads, async (seed, headers) => {
        const bytes = randomBytes(seed, 64 * KIB);
        for (const [zone, header] of headers.entries()) putHead(bytes, zone, header);
        const result = await scan(bytes, geometry);
        for await (const file of extractFiles(result)) {
          const record = result.records.find(({ name }) => name === file.name);
          expect(file.bytes.length).toBe(record?.textBytes);
          expect(file.name).toMatch(/^[a-z]+-pstore_blk-\d+(\.enc\.z)?$/);
        }
      }),
      { numRuns: 60 },
    );
  });

  test("any change of a few bytes of a real partition is survived", async () => {
    const original = partitionBytes("hand16");
    const change = fc.tuple(fc.nat(15), fc.nat(120), fc.nat(255));
    await fc.assert(
      fc.asyncProperty(fc.array(change, { maxLength: 20 }), async (changes) => {
        const bytes = original.slice();
        for (const [zone, at, value] of changes) bytes[zone * 4096 + at] = value;
        const damaged = new Set(changes.map(([zone]) => zone));
        const names = namesOf(await scan(bytes, kmsg(4096)));
        const untouched = [0, 1, 2, 6, 9, 10, 11, 12, 13, 14, 15].filter((z) => !damaged.has(z));
        for (const zone of untouched) expect(names).toContain(`dmesg-pstore_blk-${zone}`);
      }),
      { numRuns: 60 },
    );
  });
});

type RingHeader = Omit<ZoneHeader, "type">;

/** Zones of 4 KiB: pmsg, console, ftrace of two CPUs, dmesg; of a dmesg record the magic only is right. */
function putHead(bytes: Uint8Array, zone: number, header: RingHeader): void {
  const type = (["pmsg", "console", "ftrace", "ftrace"] as const)[zone] ?? "dmesg";
  bytes.set(encodeZoneHeader({ type, ...header }), zone * 4096);
  if (type !== "dmesg") return;
  const magic = [0xe5, 0x3a, 0xfc, 0x4d];
  bytes.set(header.byteOrder === "big" ? magic.reverse() : magic, zone * 4096 + 12);
}

/** Repeatable noise, different at every place. */
function randomBytes(seed: Uint8Array, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed.reduce((sum, byte) => (Math.imul(sum, 31) + byte) | 0, 1) | 1;
  for (let at = 0; at < length; at++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

/** Zeros without end; counts what is read. */
class EmptyDevice implements BlockDevice {
  readonly blockSize: typeof BLOCK_SIZE = BLOCK_SIZE;
  readonly blockCount: number;
  readonly readOnly = true;
  readonly hints: BlockGeometryHints = {};
  calls = 0;
  bytes = 0;
  largest = 0;

  constructor(bytes: number) {
    this.blockCount = bytes / BLOCK_SIZE;
  }

  async read(_lba: number, into: Uint8Array): Promise<void> {
    this.calls++;
    this.bytes += into.length;
    this.largest = Math.max(this.largest, into.length);
  }

  async write(): Promise<void> {
    throw new Error("nothing may be written");
  }

  async flush(): Promise<void> {}
}

describe("what is read", () => {
  const Large = 1024 * 1024 * KIB;

  test("a list of the largest partition: heads, and the first MiB", async () => {
    const device = new EmptyDevice(Large);
    const { dmesg } = await scanPartition(device, DEFAULT_GEOMETRY);
    expect(dmesg).toHaveLength(2048);
    expect(device.bytes).toBeLessThan(2048 * BLOCK_SIZE + 1100 * KIB);
    expect(device.largest).toBeLessThanOrEqual(1024 * KIB);
  });

  test("small zones' heads come together", async () => {
    const device = new EmptyDevice(4096 * KIB);
    await scanPartition(device, kmsg(4096), { search: "heads" });
    expect(device.calls).toBeLessThanOrEqual(70);
  });

  test("finding the geometry: 128 MiB once, in large pieces", async () => {
    const device = new EmptyDevice(Large);
    await detectGeometry(device);
    expect(device.bytes).toBeLessThan(MAX_TOTAL_BYTES * 1.01);
    expect(device.calls).toBeLessThanOrEqual(256);
  });

  test("of a zone, no more than its data and its end", async () => {
    const bytes = new Uint8Array(2048 * KIB);
    putRecord(bytes, 0);
    const device = new MemoryBlockDevice(bytes);
    let read = 0;
    const inner = device.read.bind(device);
    device.read = (lba, into) => {
      read += into.length;
      return inner(lba, into);
    };
    await scanPartition(device, kmsg(1024 * KIB), { search: "heads" });
    expect(read).toBeLessThanOrEqual(4 * BLOCK_SIZE);
  });
});

test("a geometry that does not fit is refused before anything is read", async () => {
  const device = new EmptyDevice(32 * KIB);
  await expect(scanPartition(device, DEFAULT_GEOMETRY)).rejects.toMatchObject({
    code: "PSTORE_GEOMETRY_TOO_LARGE",
  });
  expect(device.calls).toBe(0);
});
