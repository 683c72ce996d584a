import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { decodeDmesgHead, encodeDmesgHead } from "../../src/pstore/dmesg-head.js";
import { encodeTrailer, TRAILER_BYTES, verifyTrailer } from "../../src/pstore/trailer.js";
import {
  LAYOUT_BE64,
  LAYOUT_I386,
  LAYOUT_LE64,
  type RecordLayout,
} from "../../src/pstore/types.js";
import { concatBytes, toHex } from "../../src/util/bytes.js";
import { partitionBytes } from "../support/kernel-images.js";

const ZONE = 512;
const HEADER = { tvSec: 1_767_323_065n, tvNsec: 0n, compressed: 0, counter: 1, reason: 1 };

function zoneWith(payload: Uint8Array, layout: RecordLayout = LAYOUT_LE64): Uint8Array {
  const datalen = layout.headerBytes + payload.length;
  const record = concatBytes([encodeDmesgHead(layout, { datalen, header: HEADER }), payload]);
  const zone = new Uint8Array(ZONE);
  zone.set(record);
  zone.set(encodeTrailer(record), ZONE - TRAILER_BYTES);
  return zone;
}

const verdict = (zone: Uint8Array): string => verifyTrailer(zone, decodeDmesgHead(zone, ZONE));
const payloads = fc.uint8Array({ minLength: 1, maxLength: ZONE - 84 });

describe("checksum trailer", () => {
  test("its bytes", () => {
    const bytes = encodeTrailer(Buffer.from("a record of 20 bytes"));
    expect(toHex(bytes.subarray(0, 12))).toBe(`${toHex(Buffer.from("MMCP"))}0100000014000000`);
    expect(toHex(bytes.subarray(16, 28))).toBe("00".repeat(12));
    expect(bytes).toHaveLength(32);
  });

  test("both checksums are CRC-32C, worked out bit by bit", () => {
    const record = Uint8Array.from({ length: 60 }, (_, at) => at * 7);
    const trailer = encodeTrailer(record);
    const view = new DataView(trailer.buffer);
    expect(view.getUint32(12, true)).toBe(bitwiseCrc32c(record));
    expect(view.getUint32(28, true)).toBe(bitwiseCrc32c(trailer.subarray(0, 28)));
    expect(bitwiseCrc32c(Buffer.from("123456789"))).toBe(0xe3069283);
  });

  test.each([
    ["64-bit", LAYOUT_LE64],
    ["big-endian", LAYOUT_BE64],
    ["i386", LAYOUT_I386],
  ])("holds for what was written: %s", (_name, layout) => {
    expect(verdict(zoneWith(Buffer.from("Panic#1 Part1\n"), layout))).toBe("verified");
  });

  test("a changed byte of the record is torn, of the trailer no trailer at all", () => {
    fc.assert(
      fc.property(payloads, fc.nat(), fc.integer({ min: 1, max: 255 }), (payload, nat, flip) => {
        const zone = zoneWith(payload);
        const used = 52 + payload.length;
        const at = nat % (used + TRAILER_BYTES);
        const where = at < used ? at : ZONE - TRAILER_BYTES + at - used;
        zone[where] = (zone[where] as number) ^ flip;
        if (decodeDmesgHead(zone, ZONE).state !== "valid") return;
        const datalen = new DataView(zone.buffer).getUint32(4, true);
        const reachesIn = 12 + datalen > ZONE - TRAILER_BYTES;
        expect(verdict(zone)).toBe(at < used && !reachesIn ? "torn" : "none");
      }),
    );
  });

  test("bytes between record and trailer are nobody's", () => {
    const zone = zoneWith(Buffer.from("Panic#1 Part1\n"));
    zone.fill(0xa5, 200, ZONE - TRAILER_BYTES);
    expect(verdict(zone)).toBe("verified");
  });

  test("a version that is not known checks nothing", () => {
    const zone = zoneWith(Buffer.from("text"));
    const trailer = zone.subarray(ZONE - TRAILER_BYTES);
    trailer[4] = 2;
    new DataView(zone.buffer).setUint32(ZONE - 4, bitwiseCrc32c(trailer.subarray(0, 28)), true);
    expect(verdict(zone)).toBe("none");
  });

  test("an erased record and a kernel's own have none", () => {
    const erased = zoneWith(Buffer.from("text"));
    erased.fill(0, 4, 8);
    expect(verdict(erased)).toBe("none");
    const kernels = partitionBytes("one-raw").subarray(0, 65_536);
    expect(verifyTrailer(kernels, decodeDmesgHead(kernels, 65_536))).toBe("none");
  });

  test("a record that fills its zone leaves no place for one", () => {
    const zone = zoneWith(Buffer.from("text"));
    new DataView(zone.buffer).setUint32(4, ZONE - 12, true);
    expect(verdict(zone)).toBe("none");
  });
});

function bitwiseCrc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc >>> 0;
}
