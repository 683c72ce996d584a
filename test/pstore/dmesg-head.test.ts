import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import {
  decodeDmesgHead,
  encodeDmesgHead,
  reasonName,
  reasonNumber,
} from "../../src/pstore/dmesg-head.js";
import {
  LAYOUT_BE64,
  LAYOUT_I386,
  LAYOUT_LE64,
  type RecordHeader,
  type RecordLayout,
} from "../../src/pstore/types.js";
import {
  decodeZoneHeader,
  encodeZoneHeader,
  signatureOf,
  type ZoneHeader,
} from "../../src/pstore/zone-header.js";
import { concatBytes, fromHex, toHex } from "../../src/util/bytes.js";
import { kernelImages, partitionBytes } from "../support/kernel-images.js";

const KIB = 1024;

describe("zone header", () => {
  test.each([
    ["dmesg", "44424743"],
    ["console", "46424743"],
    ["ftrace", "47424743"],
    ["pmsg", "43424743"],
  ] as const)("signature of %s on a little-endian disk", (type, hex) => {
    const bytes = encodeZoneHeader({ type, byteOrder: "little", datalen: 1, start: 2 });
    expect(toHex(bytes)).toBe(`${hex}0100000002000000`);
    expect(signatureOf(type)).toBe(Number.parseInt(toHex(fromHex(hex).reverse()), 16));
  });

  test("goes round in both byte orders", () => {
    const header: fc.Arbitrary<ZoneHeader> = fc.record({
      type: fc.constantFrom("pmsg", "console", "ftrace", "dmesg"),
      byteOrder: fc.constantFrom("little", "big"),
      datalen: fc.nat(0xffff_ffff),
      start: fc.nat(0xffff_ffff),
    });
    fc.assert(
      fc.property(header, (one) => {
        expect(decodeZoneHeader(encodeZoneHeader(one))).toEqual(one);
      }),
    );
  });

  test("anything else is no header", () => {
    expect(decodeZoneHeader(new Uint8Array(12))).toBeUndefined();
    expect(decodeZoneHeader(fromHex("44424743 01000000"))).toBeUndefined();
    expect(decodeZoneHeader(new Uint8Array(12).fill(0xff))).toBeUndefined();
  });
});

/** The state that pstore.md's rules give a zone of the index. */
function stateOf(zone: { sig: string; magic?: string; datalen: number; size: number }): string {
  if (zone.sig !== "0x43474244") return "empty";
  if (zone.datalen > zone.size - 12) return "overtop";
  if (zone.magic !== "0x4dfc3ae5") return "invalid";
  return zone.datalen === 0 ? "erased" : "valid";
}

describe("record headers on the kernels' images", () => {
  const zones = kernelImages.flatMap(({ name, arch, zones: all }) =>
    all
      .filter(({ kind }) => kind === "dmesg")
      .map((zone) => ({ title: `${name} zone ${zone.index}`, name, arch, zone })),
  );

  test.each(zones)("$title", ({ name, arch, zone }) => {
    const bytes = partitionBytes(name).subarray(zone.offset, zone.offset + zone.size);
    const head = decodeDmesgHead(bytes.subarray(0, 64), zone.size);
    const state = stateOf(zone);
    expect(head.state).toBe(state);
    if (state === "empty") return;
    expect(head).toMatchObject({ datalen: zone.datalen, start: zone.start });
    if (state !== "valid" && state !== "erased") {
      expect(head.header).toBeUndefined();
      return;
    }
    expect(head.layout).toEqual(arch === "i386" ? LAYOUT_I386 : LAYOUT_LE64);
    const { tvSec = 0, tvNsec = 0, compressed, counter, reason } = zone;
    const header = { tvSec: BigInt(tvSec), tvNsec: BigInt(tvNsec), compressed, counter, reason };
    expect(head.header).toEqual(header);
    expect(decodeDmesgHead(bytes.subarray(0, 52), zone.size)).toEqual(head);
  });

  test("encoding a head gives the bytes that the kernel wrote", () => {
    for (const { name, offset, size } of [
      { name: "one-deflate", offset: 0, size: 64 * KIB },
      { name: "wrap4", offset: 16 * KIB, size: 16 * KIB },
      { name: "wrap4-unlinked", offset: 32 * KIB, size: 16 * KIB },
      { name: "i386-raw", offset: 0, size: 32 * KIB },
    ]) {
      const bytes = partitionBytes(name).subarray(offset, offset + size);
      const { layout, header, datalen } = decodeDmesgHead(bytes, size);
      if (layout === undefined || header === undefined) throw new Error(`${name}: no record`);
      const encoded = encodeDmesgHead(layout, { datalen, header });
      expect(toHex(encoded)).toBe(toHex(bytes.subarray(0, layout.headerBytes + 12)));
    }
  });
});

const VECTORS: readonly (readonly [string, RecordLayout, string, RecordHeader])[] = [
  [
    "64-bit little-endian (pstore.md section 4)",
    LAYOUT_LE64,
    `44424743 ec2a0000 00000000 e53afc4d 00000000 b935576900000000 f4d7073b00000000
     01000000 01000000 02000000 00000000`,
    { tvSec: 1_767_323_065n, tvNsec: 990_369_780n, compressed: 1, counter: 1, reason: 2 },
  ],
  [
    "i386 (pstore.md section 4)",
    LAYOUT_I386,
    `44424743 28700000 00000000 e53afc4d d835576900000000 c649cb15 00000000 01000000 02000000
     4f6f70732331205061727431`,
    { tvSec: 1_767_323_096n, tvNsec: 365_644_230n, compressed: 0, counter: 1, reason: 2 },
  ],
  [
    "64-bit big-endian",
    LAYOUT_BE64,
    `43474244 00002aec 00000000 4dfc3ae5 00000000 00000000695735b9 000000003b07d7f4
     01000000 00000001 00000002 00000000`,
    { tvSec: 1_767_323_065n, tvNsec: 990_369_780n, compressed: 1, counter: 1, reason: 2 },
  ],
  [
    "32-bit big-endian, tv_nsec of 4 bytes",
    LAYOUT_BE64,
    `43474244 00002aec 00000000 4dfc3ae5 00000000 00000000695735b9 3b07d7f400000000
     01000000 00000001 00000002 00000000`,
    { tvSec: 1_767_323_065n, tvNsec: 990_369_780n, compressed: 1, counter: 1, reason: 2 },
  ],
];

describe("vectors", () => {
  test.each(VECTORS)("%s", (_, layout, hex, header) => {
    const head = decodeDmesgHead(fromHex(hex), 64 * KIB);
    expect(head).toMatchObject({ state: "valid", layout, header });
  });
});

describe("states", () => {
  const header: RecordHeader = { tvSec: 9n, tvNsec: 8n, compressed: 0, counter: 7, reason: 1 };
  const at = (layout: RecordLayout, datalen: number): string => {
    const head = concatBytes([encodeDmesgHead(layout, { datalen, header }), new Uint8Array(24)]);
    return decodeDmesgHead(head, 4 * KIB).state;
  };

  test.each([
    [LAYOUT_LE64, 0, "erased"],
    [LAYOUT_LE64, 1, "damaged"],
    [LAYOUT_LE64, 39, "damaged"],
    [LAYOUT_LE64, 40, "valid"],
    [LAYOUT_LE64, 4084, "valid"],
    [LAYOUT_LE64, 4085, "overtop"],
    [LAYOUT_LE64, 0xffff_ffff, "overtop"],
    [LAYOUT_I386, 27, "damaged"],
    [LAYOUT_I386, 28, "valid"],
    [LAYOUT_BE64, 39, "damaged"],
    [LAYOUT_BE64, 40, "valid"],
  ])("%o with datalen %i is %s", (layout, datalen, state) => {
    expect(at(layout, datalen)).toBe(state);
  });

  test("magic in the other byte order than the signature is wrong", () => {
    const bytes = encodeDmesgHead(LAYOUT_LE64, { datalen: 100, header });
    bytes.subarray(12, 16).reverse();
    expect(decodeDmesgHead(bytes, 4 * KIB)).toMatchObject({ state: "invalid" });
    expect(decodeDmesgHead(bytes, 4 * KIB).header).toBeUndefined();
  });

  test("fewer bytes than a head are a fault of the caller", () => {
    expect(() => decodeDmesgHead(new Uint8Array(51), 4096)).toThrow(/51/);
  });
});

const anyHeader: fc.Arbitrary<RecordHeader> = fc.record({
  tvSec: fc.oneof(fc.bigInt(1n, 1n << 34n), fc.bigInt(-(1n << 31n), -1n), fc.constant(0n)),
  tvNsec: fc.bigInt(0n, 999_999_999n),
  compressed: fc.constantFrom(0, 1),
  counter: fc.oneof(fc.nat(50), fc.nat(0xffff_ffff)),
  reason: fc.integer({ min: 1, max: 4 }),
});

const LINE = new Uint8Array(Buffer.from("Panic#1 Part1\n<4>[    1.000000] log\n"));
/** Deflate of a log begins with a dynamic block: BTYPE 10, and a dozen bytes of code lengths. */
const packedStart = fc
  .uint8Array({ minLength: 12, maxLength: 12 })
  .map((bytes) => Uint8Array.from(bytes, (byte, at) => (at === 0 ? (byte & 0xf8) | 0b101 : byte)));

describe.each([
  ["64-bit little-endian", LAYOUT_LE64],
  ["big-endian", LAYOUT_BE64],
  ["i386", LAYOUT_I386],
])("%s", (_, layout) => {
  test("every record that a kernel can write is read back as it was, in its layout", () => {
    fc.assert(
      fc.property(anyHeader, packedStart, fc.boolean(), (header, packed, erased) => {
        // A record of second 0 and an empty payload is the same bytes in both layouts.
        const payload = header.compressed === 0 ? LINE : packed;
        const datalen = erased ? 0 : layout.headerBytes + payload.length;
        const head = encodeDmesgHead(layout, { datalen, header });
        const decoded = decodeDmesgHead(concatBytes([head, payload]), 64 * KIB);
        const state = erased ? "erased" : "valid";
        expect(decoded).toEqual({ state, layout, datalen, start: 0, header });
      }),
      { numRuns: 1000 },
    );
  });
});

test("any bytes give a state, and with signature and magic a layout", () => {
  const signed = fc.tuple(fc.boolean(), fc.uint8Array({ minLength: 64, maxLength: 64 }));
  fc.assert(
    fc.property(signed, fc.boolean(), ([isBig, bytes], isSigned) => {
      const start = fromHex(isBig ? "43474244" : "44424743");
      const magic = fromHex(isBig ? "4dfc3ae5" : "e53afc4d");
      if (isSigned) bytes.set(start);
      if (isSigned) bytes.set(magic, 12);
      const head = decodeDmesgHead(bytes, 0xffff_ffff + 12);
      expect(head.layout === undefined).toBe(!isSigned);
    }),
  );
});

test("reasons have the kernel's names", () => {
  expect([0, 1, 2, 3, 4, 5, 77, 0xffff_ffff].map(reasonName)).toEqual(
    ["Unknown", "Panic", "Oops", "Emergency", "Shutdown"].concat(Array(3).fill("Unknown")),
  );
  expect(["panic", "OOPS", "Emergency", "shutdown"].map(reasonNumber)).toEqual([1, 2, 3, 4]);
  expect(["unknown", "", "halt"].map(reasonNumber)).toEqual(Array(3).fill(undefined));
});
