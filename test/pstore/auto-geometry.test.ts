import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { MemoryBlockDevice } from "../../src/block/device.js";
import { detectGeometry, requireProved } from "../../src/pstore/auto-geometry.js";
import { encodeDmesgHead } from "../../src/pstore/dmesg-head.js";
import { computeLayout, ftraceZones } from "../../src/pstore/geometry.js";
import { encodeTrailer } from "../../src/pstore/trailer.js";
import {
  type Geometry,
  type GeometryReport,
  LAYOUT_BE64,
  LAYOUT_I386,
  LAYOUT_LE64,
  type SizeFinding,
  type Zone,
} from "../../src/pstore/types.js";
import { encodeZoneHeader } from "../../src/pstore/zone-header.js";
import { geometryOf, kernelImage, partitionBytes, partitionOf } from "../support/kernel-images.js";

const KIB = 1024;
const proved = (bytes: number): SizeFinding => ({ proof: "proved", bytes });
const atLeast = (bytes: number): SizeFinding => ({ proof: "lower-bound", bytes });
const unknown: SizeFinding = { proof: "unknown", bytes: 0 };

const detect = (bytes: Uint8Array): Promise<GeometryReport> =>
  detectGeometry(new MemoryBlockDevice(bytes));

function sizes({ kmsg, pmsg, console, ftrace }: GeometryReport): SizeFinding[] {
  return [pmsg, console, ftrace, kmsg];
}

describe("images of real kernels", () => {
  test.each(["wrap4", "wrap4-unlinked", "k4", "card-gpt", "hand16", "hand-empty-compressed"])(
    "%s: all sizes proved",
    async (name) => {
      const report = await detectGeometry(partitionOf(name));
      const geometry = geometryOf(kernelImage(name));
      expect(sizes(report)).toEqual([proved(0), proved(0), proved(0), proved(geometry.kmsgSize)]);
      expect(report.proved).toBe(true);
      expect(requireProved(report)).toEqual(geometry);
    },
  );

  test("all-smp2: all but kmsg, whose one record is a lower bound; two CPUs", async () => {
    const report = await detectGeometry(partitionOf("all-smp2"));
    expect(sizes(report)).toEqual([
      proved(4 * KIB),
      proved(16 * KIB),
      proved(64 * KIB),
      atLeast(8 * KIB),
    ]);
    expect(report.geometry.cpus).toBe(2);
    expect(() => requireProved(report)).toThrow(
      expect.objectContaining({ code: "PSTORE_GEOMETRY_UNPROVED" }),
    );
  });

  test("pmsg-wrap: pmsg by its full ring, the rest unknown", async () => {
    const report = await detectGeometry(partitionOf("pmsg-wrap"));
    expect(sizes(report)).toEqual([proved(4 * KIB), unknown, unknown, unknown]);
  });

  test.each([
    ["one-deflate", 12 * KIB],
    ["one-raw", 32 * KIB],
    ["i386-raw", 32 * KIB],
    ["panic-raw", 28 * KIB],
  ])("%s: one record proves the zeros in front of it, and a lower bound", async (name, bytes) => {
    const report = await detectGeometry(partitionOf(name));
    expect(sizes(report)).toEqual([proved(0), proved(0), proved(0), atLeast(bytes)]);
  });
});

/** Zone starts as a kernel leaves them; `datalen` of a ring includes where it stands. */
function withZones(
  total: number,
  zones: readonly (Pick<Zone, "type" | "offset"> & { datalen?: number; start?: number })[],
): Uint8Array {
  const bytes = new Uint8Array(total);
  for (const { type, offset, datalen = 100, start = datalen } of zones) {
    bytes.set(
      type === "dmesg"
        ? encodeDmesgHead(LAYOUT_LE64, { datalen, header: SOME_HEADER })
        : encodeZoneHeader({ type, byteOrder: "little", datalen, start }),
      offset,
    );
  }
  return bytes;
}

const SOME_HEADER = { tvSec: 1_700_000_000n, tvNsec: 5n, compressed: 0, counter: 1, reason: 2 };
const dmesg = (offset: number, datalen = 100) => ({ type: "dmesg" as const, offset, datalen });

describe("rules", () => {
  test("nothing on the partition: nothing known, the default to read with", async () => {
    const report = await detect(new Uint8Array(256 * KIB));
    expect(sizes(report)).toEqual([unknown, unknown, unknown, unknown]);
    expect(report.geometry.kmsgSize).toBe(64 * KIB);
    expect((await detect(new Uint8Array(32 * KIB))).geometry.kmsgSize).toBe(32 * KIB);
  });

  test("a gap refutes a smaller size, also one that is no power of two", async () => {
    const report = await detect(withZones(256 * KIB, [dmesg(0), dmesg(20 * KIB), dmesg(40 * KIB)]));
    expect(report.kmsg).toEqual(proved(20 * KIB));
  });

  test("signatures that leave gaps at every size prove none", async () => {
    const old = [96, 112, 128].map((at) => dmesg(at * KIB));
    const report = await detect(withZones(256 * KIB, [dmesg(0, 40), dmesg(40 * KIB), ...old]));
    expect(report.kmsg.proof).toBe("lower-bound");
  });

  test("two neighbours at the smallest distance prove it, whatever gaps follow", async () => {
    const zones = [0, 4, 8, 24, 36].map((at) => dmesg(at * KIB));
    expect((await detect(withZones(64 * KIB, zones))).kmsg).toEqual(proved(4 * KIB));
  });

  test("a zone with the magic but a damaged signature is no gap", async () => {
    const bytes = withZones(
      256 * KIB,
      [0, 16, 32, 48].map((at) => dmesg(at * KIB)),
    );
    bytes.fill(0x11, 16 * KIB, 16 * KIB + 4);
    expect((await detect(bytes)).kmsg).toEqual(proved(16 * KIB));
    bytes.fill(0, 16 * KIB, 17 * KIB);
    expect((await detect(bytes)).kmsg.proof).toBe("lower-bound");
  });

  test("one record that fills the rest of the partition proves its zone", async () => {
    const report = await detect(withZones(16 * KIB, [dmesg(0, 13_000)]));
    expect(sizes(report)).toEqual([proved(0), proved(0), proved(0), proved(16 * KIB)]);
  });

  test("one record of ours proves its zone by the trailer at its end, if the checksum holds", async () => {
    const bytes = withZones(256 * KIB, [dmesg(0)]);
    const stale = encodeTrailer(bytes.slice(0, 90));
    const own = encodeTrailer(bytes.slice(0, 112));
    bytes.set(stale, 16 * KIB - stale.length);
    expect((await detect(bytes)).kmsg).toEqual(atLeast(4 * KIB));
    bytes.set(own, 48 * KIB - own.length);
    const report = await detect(bytes);
    expect(report.kmsg).toEqual(proved(48 * KIB));
    expect(report.proved).toBe(true);
    bytes[80] = 1;
    expect((await detect(bytes)).kmsg).toEqual(atLeast(4 * KIB));
  });

  test("a damaged length proves nothing", async () => {
    const report = await detect(withZones(16 * KIB, [dmesg(0, 0xffff_ff00)]));
    expect(report.kmsg).toEqual(atLeast(4 * KIB));
  });

  test("pmsg that leaves no room in front of dmesg proves the others 0", async () => {
    const pmsg = { type: "pmsg" as const, offset: 0 };
    const zones = [pmsg, dmesg(4 * KIB), dmesg(12 * KIB)];
    const report = await detect(withZones(64 * KIB, zones));
    expect(sizes(report)).toEqual([proved(4 * KIB), proved(0), proved(0), proved(8 * KIB)]);
  });

  test("room that more than one kind may have had is left open", async () => {
    const pmsg = { type: "pmsg" as const, offset: 0 };
    const report = await detect(withZones(64 * KIB, [pmsg, dmesg(16 * KIB), dmesg(24 * KIB)]));
    expect(sizes(report)).toEqual([atLeast(4 * KIB), unknown, unknown, proved(8 * KIB)]);
    const nothing = await detect(withZones(64 * KIB, [dmesg(16 * KIB), dmesg(24 * KIB)]));
    expect(sizes(nothing)).toEqual([unknown, unknown, unknown, proved(8 * KIB)]);
  });

  test("a console zone proves the pmsg size in front of it, also 0", async () => {
    const console = { type: "console" as const, offset: 0, datalen: 8180, start: 77 };
    const report = await detect(withZones(64 * KIB, [console, dmesg(8 * KIB)]));
    expect(sizes(report)).toEqual([proved(0), proved(8 * KIB), proved(0), atLeast(4 * KIB)]);
    const alone = await detect(withZones(64 * KIB, [{ type: "console", offset: 8 * KIB }]));
    expect(sizes(alone)).toEqual([proved(8 * KIB), atLeast(4 * KIB), unknown, unknown]);
  });

  test("an ftrace area that the CPUs do not divide puts dmesg at an odd offset", async () => {
    const { size, count } = ftraceZones(64 * KIB, 3);
    const rings = [0, 1, 2].map((cpu) => ({
      type: "ftrace" as const,
      offset: cpu * size,
      datalen: size - 12,
      start: 5,
    }));
    const at = size * count;
    const report = await detect(withZones(128 * KIB, [...rings, dmesg(at), dmesg(at + 16 * KIB)]));
    expect(sizes(report)).toEqual([proved(0), proved(0), proved(64 * KIB), proved(16 * KIB)]);
    expect(report.geometry.cpus).toBe(3);
  });

  test("ftrace rings that are not full leave the number of CPUs open", async () => {
    const ring = { type: "ftrace" as const, offset: 0 };
    const report = await detect(withZones(128 * KIB, [ring, dmesg(64 * KIB), dmesg(80 * KIB)]));
    expect(report.ftrace).toEqual(atLeast(64 * KIB));
  });

  test("kinds in an order that no kernel makes are not believed", async () => {
    const zones = [
      { type: "pmsg" as const, offset: 0, datalen: 16 * KIB - 12, start: 1 },
      dmesg(4 * KIB),
    ];
    const report = await detect(withZones(64 * KIB, zones));
    expect(report.proved).toBe(false);
  });

  test("a copy of a zone inside a record does not count", async () => {
    const bytes = withZones(128 * KIB, [dmesg(0, 9000), dmesg(32 * KIB)]);
    bytes.set(encodeDmesgHead(LAYOUT_LE64, { datalen: 50, header: SOME_HEADER }), 52);
    bytes.set(encodeDmesgHead(LAYOUT_LE64, { datalen: 50, header: SOME_HEADER }), 5000);
    expect((await detect(bytes)).kmsg).toEqual(proved(32 * KIB));
  });

  test.each([
    ["big-endian", LAYOUT_BE64],
    ["i386", LAYOUT_I386],
  ])("%s records count", async (_, layout) => {
    const bytes = new Uint8Array(64 * KIB);
    const head = encodeDmesgHead(layout, { datalen: 60, header: SOME_HEADER });
    for (const at of [0, 8, 16]) bytes.set(head, at * KIB);
    expect((await detect(bytes)).kmsg).toEqual(proved(8 * KIB));
  });

  test("signatures across the pieces that are read are found", async () => {
    const step = 172 * KIB;
    const at = [0, 1, 2, 3, 4, 5].map((zone) => dmesg(zone * step));
    expect((await detect(withZones(1200 * KIB, at))).kmsg).toEqual(proved(step));
  });
});

const anyGeometry: fc.Arbitrary<Geometry> = fc.record({
  kmsgSize: fc.integer({ min: 1, max: 12 }).map((n) => n * 4 * KIB),
  pmsgSize: fc.integer({ min: 0, max: 5 }).map((n) => n * 4 * KIB),
  consoleSize: fc.integer({ min: 0, max: 5 }).map((n) => n * 4 * KIB),
  ftraceSize: fc.integer({ min: 0, max: 5 }).map((n) => n * 4 * KIB),
  cpus: fc.integer({ min: 1, max: 5 }),
});

/** Zones as kernels leave them: any rings written or not, full or not; dmesg zones from 0 on. */
function fill(geometry: Geometry, seeds: readonly number[], records: number): Uint8Array {
  const layout = computeLayout(geometry, 512 * KIB);
  const rings = layout.zones.filter(({ type }) => type !== "dmesg");
  const written = rings.flatMap(({ type, offset, size }, at) => {
    const seed = seeds[at % seeds.length] ?? 0;
    if (seed % 4 === 0) return [];
    if (seed % 4 === 1) return [{ type, offset, datalen: seed % (size - 12) }];
    return [{ type, offset, datalen: size - 12, start: seed % (size - 12) }];
  });
  const first = layout.dmesg.slice(0, records).map(({ offset }) => dmesg(offset));
  return withZones(512 * KIB, [...written, ...first]);
}

test("what is called proved is true, and a lower bound is none above the truth", async () => {
  await fc.assert(
    fc.asyncProperty(
      anyGeometry,
      fc.array(fc.nat(1 << 20), { minLength: 1, maxLength: 8 }),
      fc.integer({ min: 0, max: 5 }),
      async (geometry, seeds, records) => {
        const report = await detect(fill(geometry, seeds, records));
        const truth: Record<string, number> = {
          kmsg: geometry.kmsgSize,
          pmsg: geometry.pmsgSize,
          console: geometry.consoleSize,
          ftrace: geometry.ftraceSize,
        };
        for (const [name, size] of Object.entries(truth)) {
          const { proof, bytes } = report[name as "kmsg"];
          if (proof === "proved") expect({ name, bytes }).toEqual({ name, bytes: size });
          else expect(bytes).toBeLessThanOrEqual(size);
        }
      },
    ),
    { numRuns: 150 },
  );
});

test("any damage of a real partition is reported without a throw", async () => {
  const original = partitionBytes("all-smp2");
  const places = kernelImage("all-smp2").zones.map(({ offset }) => offset);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.constantFrom(...places), fc.nat(16), fc.nat(255)), { maxLength: 6 }),
      async (changes) => {
        const bytes = original.slice();
        for (const [offset, at, value] of changes) bytes[offset + at] = value;
        const report = await detect(bytes);
        expect(computeLayout(report.geometry, bytes.length).zones.length).toBeGreaterThan(0);
      },
    ),
    { numRuns: 50 },
  );
});
