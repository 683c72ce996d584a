import { describe, expect, test } from "@jest/globals";
import type { CardModelOptions } from "../../../src/sim/card/options.js";
import { fromHex } from "../../../src/util/bytes.js";
import { frame, powered, type RawHost, ready } from "./raw-host.js";

function started(options: Partial<CardModelOptions> = {}): ReturnType<typeof powered> {
  const bench = powered(options);
  bench.host.clock(10);
  bench.host.card.setCs("low");
  return bench;
}

/** What goes out and what comes in, byte by byte. */
type Script = readonly (readonly [mosi: string, miso: string])[];

function play(host: RawHost, script: Script): void {
  for (const [index, [mosi, miso]] of script.entries())
    expect([index, mosi, host.hex(fromHex(mosi))]).toEqual([
      index,
      mosi,
      miso.replaceAll(" ", "").toLowerCase(),
    ]);
}

const F8 = "FFFFFFFFFFFFFFFF";

describe("identification, byte by byte (NCR 1)", () => {
  test("SDHC: CMD0, CMD8, CMD59, ACMD41 twice, CMD58", () => {
    const { host } = started({ initialisationUs: 200 });
    play(host, [
      ["400000000095" + "FFFFFF", "FFFFFFFFFFFF FF 01 FF"],
      [`48000001AA87${F8}`, "FFFFFFFFFFFF FF 01 00 00 01 AA FF FF"],
      ["7B0000000183" + "FFFFFF", "FFFFFFFFFFFF FF 01 FF"],
      ["770000000065" + "FFFFFF", "FFFFFFFFFFFF FF 01 FF"],
      ["694000000077" + "FFFFFF", "FFFFFFFFFFFF FF 01 FF"],
      ["770000000065" + "FFFFFF", "FFFFFFFFFFFF FF 01 FF"],
      ["694000000077" + "FFFFFF", "FFFFFFFFFFFF FF 00 FF"],
      [`7A00000000FD${F8}`, "FFFFFFFFFFFF FF 00 C0 FF 80 00 FF FF"],
    ]);
  });

  test("SDSC of version 1: CMD8 is unknown and has no trailing bytes; CCS is 0", () => {
    const { host } = started({ kind: "sdsc", initialisationUs: 0 });
    play(host, [
      ["400000000095" + "FFFFFF", "FFFFFFFFFFFF FF 01 FF"],
      [`48000001AA87${F8}`, "FFFFFFFFFFFF FF 05 FF FF FF FF FF FF"],
      ["770000000065" + "FFFFFF", "FFFFFFFFFFFF FF 01 FF"],
      ["6900000000E5" + "FFFFFF", "FFFFFFFFFFFF FF 00 FF"],
      [`7A00000000FD${F8}`, "FFFFFFFFFFFF FF 00 80 FF 80 00 FF FF"],
    ]);
  });

  test("MMC: CMD8, CMD55 and CMD41 are illegal, CMD1 makes it ready", () => {
    const { host } = started({ kind: "mmc", initialisationUs: 0 });
    play(host, [
      ["400000000095" + "FFFFFF", "FFFFFFFFFFFF FF 01 FF"],
      [`48000001AA87${F8}`, "FFFFFFFFFFFF FF 05 FF FF FF FF FF FF"],
      ["770000000065" + "FFFFFF", "FFFFFFFFFFFF FF 05 FF"],
      ["6900000000E5" + "FFFFFF", "FFFFFFFFFFFF FF 05 FF"],
      ["41400000006B" + "FFFFFF", "FFFFFFFFFFFF FF 00 FF"],
      [`7A00000000FD${F8}`, "FFFFFFFFFFFF FF 00 80 FF 80 80 FF FF"],
    ]);
  });

  test.each([0, 1, 2, 8])("R1 comes %d bytes behind the command", (ncr) => {
    const { host } = started({ ncr });
    expect(host.hex(fromHex(`400000000095${F8}FFFF`))).toBe(
      `ffffffffffff${"ff".repeat(ncr)}01${"ff".repeat(9 - ncr)}`,
    );
  });
});

describe("CMD8 (SD Physical Layer 7.3.2.6)", () => {
  test.each([
    ["2.7 to 3.6 V, echoed", 0x1aa, "01000001aa"],
    ["another pattern, echoed", 0x155, "0100000155"],
    ["a supply that it does not run at: VCA 0, pattern echoed", 0x2aa, "01000000aa"],
  ])("%s", (_name, argument, answer) => {
    const { host } = started();
    host.command(0);
    expect(host.command(8, argument, 4)).toBe(answer);
  });

  test("with a wrong CRC7: R1 alone", () => {
    const { host } = started();
    host.command(0);
    expect(host.send(fromHex("48000001aa85"), 4)).toBe("09ffffffff");
  });

  test("is illegal to a ready card; SDSC of version 2 knows it; a card for another voltage answers VCA 0", () => {
    expect(ready().host.command(8, 0x1aa, 4)).toBe("04ffffffff");
    const { host } = started({ kind: "sdsc", specVersion: 2 });
    host.command(0);
    expect(host.command(8, 0x1aa, 4)).toBe("01000001aa");
    const { host: low } = started({ registers: { ocr: 0x00000080 } });
    low.command(0);
    expect(low.command(8, 0x1aa, 4)).toBe("01000000aa");
  });
});

describe("before CMD0", () => {
  test("the card is in native mode: nothing but CMD0 is answered", () => {
    const { host } = started();
    for (const index of [1, 8, 13, 41, 55, 58, 59]) expect(host.command(index)).toBe("");
    expect(host.send(fromHex("400000000001"))).toBe("");
    expect(host.command(0)).toBe("01");
  });

  test.each([
    [9, ""],
    [10, "01"],
  ])("%d bytes of clock with CS high: CMD0 is answered with '%s'", (bytes, answer) => {
    const { host, model } = powered();
    host.clock(bytes);
    model.setCs("low");
    expect(host.command(0)).toBe(answer);
    expect(model.violations.map(({ rule }) => rule)).toEqual(answer === "" ? ["start-up"] : []);
  });

  test("clocks with CS low, or with MOSI low, do not count", () => {
    const { host, model } = powered();
    model.setCs("low");
    host.clock(40);
    model.setCs("high");
    host.clock(new Uint8Array(40));
    model.setCs("low");
    expect(host.command(0)).toBe("");
  });

  test("a card that does not insist takes CMD0 at once", () => {
    const { host, model } = powered({ requireStartUpClocks: false });
    model.setCs("low");
    expect(host.command(0)).toBe("01");
  });
});

describe("becoming ready", () => {
  test("takes its time from the first ACMD41, whatever happens between", () => {
    const { host } = started({ initialisationUs: 50_000 });
    host.command(0);
    host.command(8, 0x1aa, 4);
    host.wait(1e6);
    expect(host.app(41, 0x40000000)).toBe("01");
    const began = host.nowUs;
    while (host.app(41, 0x40000000) !== "00");
    expect(host.nowUs - began).toBeGreaterThan(49_000);
    expect(host.nowUs - began).toBeLessThan(52_000);
  });

  test.each([
    ["SDHC without CMD8", { kind: "sdhc" }, false, 0x40000000, "01"],
    ["SDHC without HCS", { kind: "sdhc" }, true, 0, "01"],
    ["SDHC with both", { kind: "sdhc" }, true, 0x40000000, "00"],
    ["SDSC without either", { kind: "sdsc" }, false, 0, "00"],
    ["never", { initialisationUs: Number.POSITIVE_INFINITY }, true, 0x40000000, "01"],
  ] as const)("%s", (_name, options, cmd8, argument, r1) => {
    const { host } = started({ initialisationUs: 0, ...options });
    host.command(0);
    if (cmd8) host.command(8, 0x1aa, 4);
    host.app(41, argument);
    expect(host.app(41, 0x40000000)).toBe(r1);
  });

  test("another command between two ACMD41 is noted; CMD0 begins anew", () => {
    const { host, model } = started({ initialisationUs: 50_000 });
    host.command(0);
    host.command(8, 0x1aa, 4);
    host.app(41, 0x40000000);
    expect(model.violations).toEqual([]);
    host.command(58, 0, 4);
    expect(model.violations.map(({ rule, what }) => `${rule} ${what}`)).toEqual([
      "initialisation CMD58",
    ]);
    host.wait(60_000);
    expect(host.command(0)).toBe("01");
    expect(host.app(41, 0x40000000)).toBe("01");
  });

  test("only bit 30 may be set in the argument", () => {
    const { host, model } = started({ quirks: ["ocr-bits-stall"], initialisationUs: 0 });
    host.command(0);
    host.command(8, 0x1aa, 4);
    expect(host.app(41, 0x40ff8000)).toBe("01");
    expect(host.app(41, 0x40000000)).toBe("01");
    expect(model.violations.map(({ rule }) => rule)).toEqual(["argument"]);
  });
});

test("CMD0 to a card in use forgets everything but the cells", () => {
  const { host, model } = ready();
  host.writeBlock(7, new Uint8Array(512).fill(7));
  host.command(16, 100);
  host.clock(frame(32, 1));
  host.clock(4);
  expect([host.command(0), model.crcOn, model.inTransferState]).toEqual(["01", false, false]);
  host.initialise();
  expect(host.readBlock(7)).toEqual(new Uint8Array(512).fill(7));
});
