import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { bitsOf, textOf } from "../../../src/card/registers/bits.js";
import { decodeCid } from "../../../src/card/registers/cid.js";
import { decodeCsd } from "../../../src/card/registers/csd.js";
import { decodeOcr, runsAt3V3 } from "../../../src/card/registers/ocr.js";
import { registerCrc } from "../../../src/card/registers/register-crc.js";
import { decodeScr } from "../../../src/card/registers/scr.js";
import { decodeSsr } from "../../../src/card/registers/ssr.js";
import { fromHex } from "../../../src/util/bytes.js";
import { withBits } from "../../support/fake-cards.js";
import { REAL_CARDS, type RealCard } from "./real-cards.js";

const named = (cards: readonly RealCard[]): [string, RealCard][] =>
  cards.map((card) => [card.name, card]);

describe("registers of real cards", () => {
  test.each(named(REAL_CARDS))("CSD of %s", (_name, card) => {
    const csd = decodeCsd(fromHex(card.csd), card.family);
    expect(csd).toMatchObject({
      layout: card.layout,
      blockCount: card.blocks,
      copy: card.copy ?? false,
      writeProtection: { permanent: false, temporary: false },
      crc: { state: card.csdCrc },
      raw: card.csd,
    });
    if (card.readBlockLength !== undefined) expect(csd.readBlockLength).toBe(card.readBlockLength);
  });

  test.each(named(REAL_CARDS.filter(({ cid }) => cid)))("CID of %s", (_name, card) => {
    const cid = decodeCid(fromHex(card.cid ?? ""), card.family);
    expect(cid.crc.state).toBe(card.cidCrc);
    const { manufacturerId, oemId, productName, revision, serial, date } = card;
    if (manufacturerId !== undefined) expect(cid.manufacturerId).toBe(manufacturerId);
    if (oemId !== undefined) expect(cid.oemId).toBe(oemId);
    if (productName !== undefined) expect(cid.productName).toBe(productName);
    if (revision !== undefined) expect(cid.productRevision).toBe(revision);
    if (serial !== undefined) expect(cid.serialNumber).toBe(serial);
    if (date !== undefined) expect(cid.manufactured).toEqual({ year: date[0], month: date[1] });
  });

  const stripped = REAL_CARDS.filter(({ lastBytes }) => lastBytes);
  test.each(named(stripped))("CRC7 that the dump of %s lacks", (_name, card) => {
    const computed = [card.cid ?? "", card.csd].map((hex) => registerCrc(fromHex(hex)).computed);
    expect(computed).toEqual(card.lastBytes);
  });

  test.each(named(REAL_CARDS.filter(({ scr }) => scr)))("SCR of %s", (_name, card) => {
    const scr = decodeScr(fromHex(card.scr ?? ""));
    expect(scr).toMatchObject({ specVersion: card.specVersion, busWidths: [1, 4], structure: 0 });
  });

  test.each(named(REAL_CARDS.filter(({ extCsd }) => extCsd)))("date of %s", (_name, card) => {
    const { revision, year } = card.extCsd ?? { revision: 0, year: 0 };
    const cid = decodeCid(fromHex(card.cid ?? ""), "MMC", { extCsdRevision: revision });
    expect(cid.manufactured.year).toBe(year);
  });
});

describe("CSD", () => {
  test("fields of an SDSC card (SanDisk SU01G)", () => {
    expect(decodeCsd(fromHex("002600325f5983ae7efbcfff924040d7"), "SD")).toMatchObject({
      structure: 0,
      mmcSpecVersion: undefined,
      accessTimeNs: 1_500_000,
      accessClocks: 0,
      maxFrequencyHz: 25_000_000,
      classes: [0, 2, 4, 5, 6, 7, 8, 10],
      writeBlockLength: 512,
      readPartialBlocks: true,
      writePartialBlocks: false,
      cSize: 3769,
      eraseUnitBlocks: 1,
      writeProtectGroupBlocks: 128 * 32,
      writeFactor: 16,
    });
  });

  test("fields of an eMMC (Samsung M8G1GC)", () => {
    expect(decodeCsd(fromHex("d02701320f5903fff6dbffef8e40400d"), "MMC")).toMatchObject({
      structure: 3,
      mmcSpecVersion: 4,
      cSize: 0xfff,
      classes: [0, 2, 4, 5, 6, 7],
      maxFrequencyHz: 25_000_000,
      eraseUnitBlocks: 1024,
    });
  });

  test.each([
    [0x32, 25_000_000],
    [0x5a, 50_000_000],
    [0x2a, 20_000_000],
    [0x0b, 100_000_000],
    [0x2b, 200_000_000],
    [0x48, 400_000],
    [0x07, 0],
  ])("TRAN_SPEED %s", (code, hz) => {
    expect(decodeCsd(withBits(new Uint8Array(16), 96, 8, code), "SD").maxFrequencyHz).toBe(hz);
  });

  test.each([
    [0x0e, 1_000_000],
    [0x26, 1_500_000],
    [0x7f, 80_000_000],
    [0x08, 1],
    [0x00, 0],
  ])("TAAC %s", (code, ns) => {
    expect(decodeCsd(withBits(new Uint8Array(16), 112, 8, code), "SD").accessTimeNs).toBe(ns);
  });

  test("version 3 counts in 512 KiB over 28 bits", () => {
    const v3 = withBits(withBits(new Uint8Array(16), 126, 2, 2), 48, 28, 0x0fff_ffff);
    const csd = decodeCsd(v3, "SD");
    expect(csd).toMatchObject({ layout: "SD-3", blockCount: 2 ** 38 });
  });

  test("a structure or a block length that no card has gives no capacity", () => {
    const structure3 = withBits(new Uint8Array(16), 126, 2, 3);
    expect(decodeCsd(structure3, "SD")).toMatchObject({ layout: undefined, blockCount: undefined });
    for (const readBlLen of [0, 8, 12, 15]) {
      const csd = decodeCsd(withBits(new Uint8Array(16), 80, 4, readBlLen), "SD");
      expect(csd.blockCount).toBeUndefined();
    }
  });

  test("write protection is bit 13 and bit 12", () => {
    const of = (bit: number): unknown =>
      decodeCsd(withBits(fromHex("400e00325b59000039b77f800a40003b"), bit, 1, 1), "SD")
        .writeProtection;
    expect(of(13)).toEqual({ permanent: true, temporary: false });
    expect(of(12)).toEqual({ permanent: false, temporary: true });
  });

  test("a card that erases in sectors only", () => {
    const sectors = withBits(
      withBits(fromHex("002600325f5983ae7efbcfff924040d7"), 46, 1, 0),
      39,
      7,
      31,
    );
    expect(decodeCsd(sectors, "SD").eraseUnitBlocks).toBe(32);
    // Units of 1024-byte write blocks are twice as many blocks of 512.
    expect(decodeCsd(withBits(sectors, 22, 4, 10), "SD").eraseUnitBlocks).toBe(64);
  });
});

describe("CID", () => {
  test("layout of MMC before 2.0", () => {
    // MID 06 00 0B, PNM "MMC 64M", hardware 1, firmware 2, PSN 123456, August 2004.
    const cid = decodeCid(fromHex("06000b4d4d43203634 4d 12 123456 87 00"), "MMC", {
      specVersion: 1,
    });
    expect(cid).toMatchObject({
      manufacturerId: 0x06000b,
      oemId: undefined,
      productName: "MMC 64M",
      productRevision: "1.2",
      serialNumber: 0x123456,
      manufactured: { year: 2004, month: 8 },
    });
  });

  test("the third epoch of MMC dates", () => {
    const cid = fromHex("1501004d384731474303dc0db061506f");
    expect(decodeCid(cid, "MMC", { extCsdRevision: 9 }).manufactured.year).toBe(2029);
  });

  test("characters that cannot be printed are shown as hex", () => {
    expect(textOf(Uint8Array.of(0x41, 0x00, 0x7f, 0x42, 0x20, 0x00))).toBe("A\\x00\\x7fB");
  });

  test("CRC: right, stripped, wrong", () => {
    const state = (last: string): string =>
      registerCrc(fromHex(`035054535330384730daaee8ad00f9${last}`)).state;
    expect([state("bb"), state("ba"), state("00"), state("bd")]).toEqual([
      "ok",
      "stripped",
      "stripped",
      "bad",
    ]);
  });
});

describe("OCR", () => {
  test("an SDHC card that takes 1.8 V signals (SanDisk SE32G)", () => {
    expect(decodeOcr(0xc1ff_8000, "SD")).toEqual({
      raw: 0xc1ff_8000,
      poweredUp: true,
      highCapacity: true,
      uhs2: false,
      over2Tb: false,
      signal18: true,
      lowVoltage: false,
      supplyMv: { min: 2700, max: 3600 },
    });
  });

  test("a dual-voltage MMC", () => {
    expect(decodeOcr(0xc0ff_8080, "MMC")).toMatchObject({ lowVoltage: true, highCapacity: true });
    expect(decodeOcr(0x80ff_8080, "MMC")).toMatchObject({ highCapacity: false });
    expect(decodeOcr(0xe0ff_8080, "MMC")).toMatchObject({ highCapacity: false, uhs2: false });
  });

  test("supply windows", () => {
    expect(decodeOcr(0x0030_0000, "SD").supplyMv).toEqual({ min: 3200, max: 3400 });
    expect(runsAt3V3(decodeOcr(0x0030_0000, "SD"))).toBe(true);
    expect(runsAt3V3(decodeOcr(0x000f_8000, "SD"))).toBe(false);
    expect(decodeOcr(0, "SD").supplyMv).toBeUndefined();
  });
});

describe("SCR", () => {
  test.each([
    ["0000000000000000", "1.0"],
    ["0100000000000000", "1.1"],
    ["0200000000000000", "2.0"],
    ["0200800000000000", "3.0"],
    ["0200840000000000", "4.x"],
    ["0200844000000000", "5.x"],
    ["0200808000000000", "6.x"],
    ["020080c000000000", "7.x"],
    ["0200810000000000", "8.x"],
    ["0300000000000000", "unknown (3)"],
  ])("%s is version %s", (hex, version) => {
    expect(decodeScr(fromHex(hex)).specVersion).toBe(version);
  });

  test("fields", () => {
    expect(decodeScr(fromHex("02b5848300000000"))).toMatchObject({
      erasedByte: 0xff,
      security: 3,
      commands: {
        speedClassControl: true,
        setBlockCount: true,
        extensionRegisters: false,
        extensionRegistersMulti: false,
      },
    });
  });
});

describe("SSR", () => {
  const ssr = (hex: string): Uint8Array => {
    const bytes = new Uint8Array(64);
    bytes.set(fromHex(hex));
    return bytes;
  };

  test("Panasonic Y08AG: class 4", () => {
    expect(decodeSsr(ssr("80000000 03000000 02029000 08070000"))).toMatchObject({
      secured: false,
      cardType: 0,
      protectedAreaSize: 0x0300_0000,
      speedClass: 4,
      performanceMove: 2,
      allocationUnitBytes: 4 * 1024 * 1024,
      allocationUnitBlocks: 8192,
      erase: { units: 8, timeoutS: 1, offsetS: 3 },
    });
  });

  test("SanDisk SE32G: class 10", () => {
    expect(decodeSsr(ssr("80000000 05000000 04009000 0f051a00"))).toMatchObject({
      speedClass: 10,
      allocationUnitBlocks: 8192,
      erase: { units: 15, timeoutS: 1, offsetS: 1 },
      uhsSpeedGrade: 1,
      discard: false,
    });
  });

  test("a card that tells nothing", () => {
    expect(decodeSsr(new Uint8Array(64))).toMatchObject({
      speedClass: 0,
      allocationUnitBytes: undefined,
      allocationUnitBlocks: undefined,
      erase: undefined,
    });
  });

  test.each([
    [1, 16],
    [6, 512],
    [9, 4096],
    [0xb, 12 * 1024],
    [0xd, 24 * 1024],
    [0xf, 64 * 1024],
  ])("AU_SIZE %s is %s KiB", (code, kib) => {
    const register = new Uint8Array(64);
    register[10] = code << 4;
    expect(decodeSsr(register).allocationUnitBytes).toBe(kib * 1024);
  });

  test("bits far down: DISCARD and FULE, a reserved speed class", () => {
    const register = new Uint8Array(64);
    register[24] = 0x03;
    register[8] = 9;
    expect(decodeSsr(register)).toMatchObject({
      discard: true,
      fullUserAreaLogicalErase: true,
      speedClass: undefined,
    });
  });
});

describe("any bytes", () => {
  const bytes = (length: number): fc.Arbitrary<Uint8Array> =>
    fc.uint8Array({ minLength: length, maxLength: length });

  test("decode without throwing, and keep the raw bytes", () => {
    fc.assert(
      fc.property(bytes(16), fc.constantFrom("SD" as const, "MMC" as const), (register, family) => {
        const csd = decodeCsd(register, family);
        expect(fromHex(csd.raw)).toEqual(register);
        expect(fromHex(decodeCid(register, family).raw)).toEqual(register);
        expect(csd.eraseUnitBlocks).toBeGreaterThanOrEqual(1);
        if (csd.blockCount !== undefined) expect(Number.isSafeInteger(csd.blockCount)).toBe(true);
      }),
    );
    fc.assert(
      fc.property(bytes(64), (register) => {
        expect(fromHex(decodeSsr(register).raw)).toEqual(register);
      }),
    );
  });

  test("bits that were put in come out", () => {
    fc.assert(
      fc.property(
        bytes(16),
        fc.integer({ min: 8, max: 96 }),
        fc.integer({ min: 1, max: 32 }),
        fc.nat(0xffff_ffff),
        (register, start, size, value) => {
          const kept = value % 2 ** size;
          expect(bitsOf(withBits(register, start, size, kept), start, size)).toBe(kept);
        },
      ),
    );
  });

  test.each([0, 15, 17])("a register of %s bytes is refused", (length) => {
    const register = new Uint8Array(length);
    for (const decode of [
      () => decodeCsd(register, "SD"),
      () => decodeCid(register, "SD"),
      () => decodeScr(register),
      () => decodeSsr(register),
    ]) {
      expect(decode).toThrow(expect.objectContaining({ code: "USAGE" }));
    }
    expect(() => decodeOcr(2 ** 32, "SD")).toThrow(expect.objectContaining({ code: "USAGE" }));
  });
});
