import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import {
  bufferSize,
  computeLayout,
  DEFAULT_GEOMETRY,
  MAX_TOTAL_BYTES,
  maxPayload,
} from "../../src/pstore/geometry.js";
import { type Geometry, LAYOUT_I386, LAYOUT_LE64, type Zone } from "../../src/pstore/types.js";
import { geometryOf, kernelImages } from "../support/kernel-images.js";

const KIB = 1024;
const MIB = 1024 * KIB;
const only = (sizes: Partial<Geometry>): Geometry => ({
  ...DEFAULT_GEOMETRY,
  kmsgSize: 0,
  ...sizes,
});

describe("the kernel's arithmetic", () => {
  test.each(kernelImages.map((image) => [image.name, image] as const))(
    "zones of the image %s lie where the kernel put them",
    (_, image) => {
      const layout = computeLayout(geometryOf(image), image.partition?.size ?? image.size);
      for (const { kind, index, offset, size } of image.zones) {
        const zone = layout.zones.find((candidate) => candidate.offset === offset);
        expect(zone).toMatchObject({ type: kind, offset, size, index: index ?? zone?.index });
      }
    },
  );

  test("all-smp2: 12288 bytes unused behind ten dmesg zones", () => {
    const geometry = only({ kmsgSize: 16 * KIB, pmsgSize: 4 * KIB, consoleSize: 16 * KIB });
    const layout = computeLayout({ ...geometry, ftraceSize: 64 * KIB, cpus: 2 }, 256 * KIB);
    expect(layout.dmesg).toHaveLength(10);
    expect(layout.unusedBytes).toBe(12_288);
  });

  test("three CPUs: zones of 21845 bytes, dmesg from 86015", () => {
    const geometry = only({ kmsgSize: 16 * KIB, pmsgSize: 4 * KIB, consoleSize: 16 * KIB });
    const layout = computeLayout({ ...geometry, ftraceSize: 64 * KIB, cpus: 3 }, 256 * KIB);
    const ftrace = layout.zones.filter(({ type }) => type === "ftrace");
    expect(ftrace.map(({ offset, size }) => [offset, size])).toEqual([
      [20_480, 21_845],
      [42_325, 21_845],
      [64_170, 21_845],
    ]);
    expect(layout.dmesg[0]?.offset).toBe(86_015);
  });

  test("more than 128 MiB counts as 128 MiB", () => {
    const layout = computeLayout(DEFAULT_GEOMETRY, 200 * MIB);
    expect(layout.dmesg).toHaveLength(MAX_TOTAL_BYTES / (64 * KIB));
    expect(layout.unusedBytes).toBe(72 * MIB);
  });

  test("one zone and an unused rest; kinds that are off have no zone", () => {
    const layout = computeLayout(DEFAULT_GEOMETRY, 68 * KIB);
    expect(layout.zones).toEqual([{ type: "dmesg", index: 0, offset: 0, size: 64 * KIB }]);
    expect(layout.unusedBytes).toBe(4 * KIB);
    expect(computeLayout(only({ pmsgSize: 4 * KIB }), 8 * KIB).dmesg).toEqual([]);
  });

  test("zones follow each other without overlap inside the partition", () => {
    const size = fc.integer({ min: 0, max: 40 }).map((n) => n * 1000);
    fc.assert(
      fc.property(size, size, size, size, fc.integer({ min: 1, max: 9 }), (a, b, c, d, cpus) => {
        fc.pre(a + b + c + d > 0);
        const geometry = { pmsgSize: a, consoleSize: b, ftraceSize: c, kmsgSize: d, cpus };
        const layout = computeLayout(geometry, 200 * KIB);
        let end = 0;
        for (const zone of layout.zones) {
          expect(zone.offset).toBe(end);
          end += zone.size;
        }
        expect(end + layout.unusedBytes).toBe(200 * KIB);
        expect(layout.unusedBytes).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});

describe("what cannot be", () => {
  test.each([
    ["negative", { kmsgSize: -4096 }],
    ["a fraction", { kmsgSize: 4096.5 }],
    ["no number", { pmsgSize: Number.NaN }],
    ["smaller than a header", { kmsgSize: 51 }],
    ["all 0", { kmsgSize: 0 }],
    ["no CPU", { cpus: 0 }],
    ["too many CPUs", { cpus: 1 << 20 }],
    ["more CPUs than bytes", { ftraceSize: 4096, cpus: 4096 }],
  ])("%s is refused", (_, sizes) => {
    expect(() => computeLayout({ ...DEFAULT_GEOMETRY, ...sizes }, 1 * MIB)).toThrow(
      expect.objectContaining({ code: "PSTORE_GEOMETRY_INVALID" }),
    );
  });

  test.each([
    ["kmsg larger than the partition", { kmsgSize: 64 * KIB }, 32 * KIB],
    ["no room left for kmsg", { kmsgSize: 16 * KIB, pmsgSize: 56 * KIB }, 64 * KIB],
    ["rings alone too large", { kmsgSize: 0, consoleSize: 128 * KIB }, 64 * KIB],
    ["larger than 128 MiB", { kmsgSize: 129 * MIB }, 1024 * MIB],
  ])("%s: does not fit", (_, sizes, total) => {
    expect(() => computeLayout({ ...DEFAULT_GEOMETRY, ...sizes }, total)).toThrow(
      expect.objectContaining({ code: "PSTORE_GEOMETRY_TOO_LARGE", hint: expect.any(String) }),
    );
  });
});

test("room for data and payload", () => {
  const zone: Zone = { type: "dmesg", index: 0, offset: 0, size: 64 * KIB };
  expect(bufferSize(zone)).toBe(65_524);
  expect(maxPayload(LAYOUT_LE64, zone)).toBe(65_484);
  expect(maxPayload(LAYOUT_I386, zone)).toBe(65_496);
});
