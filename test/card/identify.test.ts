import { describe, expect, test } from "@jest/globals";
import { type CardOptions, openCard, type SdCard } from "../../src/card/sd-card.js";
import { BridgeError } from "../../src/spi/errors.js";
import { fromHex } from "../../src/util/bytes.js";
import { deadlineIn } from "../../src/util/deadline.js";
import { FakeCardBus, type FakeRule } from "../support/fake-card-bus.js";
import { type FakeCard, MMC, SD_V1, SDHC, SDSC, withBits } from "../support/fake-cards.js";

const NOTHING: FakeCard = { ...SDHC, kind: "nothing" };

function open(bus: FakeCardBus, options: CardOptions = {}, ms?: number): Promise<SdCard> {
  const deadline = ms === undefined ? undefined : deadlineIn(bus.clock, ms);
  return openCard({ bus, clock: bus.clock, options }, deadline);
}

function bench(card: FakeCard, ...rules: FakeRule[]): FakeCardBus {
  return new FakeCardBus(card).rule(...rules);
}

describe("a card that keeps to the specification", () => {
  test("SDHC: the whole flow, in order", async () => {
    const bus = bench(SDHC);
    const card = await open(bus);
    expect(bus.names).toEqual([
      "configure",
      "startUp",
      "wait",
      "CMD0",
      "CMD8",
      "CMD59",
      "ACMD41",
      "ACMD41",
      "ACMD41",
      "CMD58",
      "probe",
      "CMD13",
      "CMD13",
      "CMD13",
      "CMD9@0x1",
      "CMD10@0x1",
      "ACMD51@0x1",
      "ACMD13@0x1",
      "configure",
      "CMD10@0x1",
    ]);
    expect(card.identity).toMatchObject({
      kind: "SDHC",
      specVersion: "3.0",
      addressing: "block",
      blockCount: 15_130_624,
      crc: "on",
      integrityClass: "A",
      frequencyHz: 25_000_000,
      writeProtected: "no",
      cid: { productName: "SS08G" },
      scr: { specVersion: "3.0" },
      ssr: { speedClass: 10 },
    });
    expect(card).toMatchObject({
      blockSize: 512,
      blockCount: 15_130_624,
      readOnly: false,
      stateKnown: true,
      frequencyHz: 25_000_000,
      hints: { allocationUnitBlocks: 8192 },
    });
  });

  test("starts at 400 kHz with at least 74 clocks", async () => {
    const bus = bench(SDHC);
    await open(bus);
    const [first, second] = bus.calls;
    expect(first).toMatchObject({ name: "configure", argument: 400_000 });
    expect(second).toMatchObject({ name: "startUp", argument: 20 });
  });

  test("SDSC of version 2: block length set, bytes as addresses", async () => {
    const bus = bench(SDSC);
    const card = await open(bus);
    expect(bus.calls.find(({ name }) => name === "CMD16")).toMatchObject({ argument: 512 });
    expect(card.identity).toMatchObject({
      kind: "SDSC",
      addressing: "byte",
      blockCount: 3_862_528,
      specVersion: "2.0",
    });
    expect(card.hints.allocationUnitBlocks).toBeUndefined();
  });

  test("SD 1.x: no CMD8, ACMD41 without HCS", async () => {
    const bus = bench(SD_V1);
    const card = await open(bus);
    expect(card.identity).toMatchObject({ kind: "SDSC", specVersion: "1.1" });
    const arguments41 = bus.calls.filter(({ name }) => name === "ACMD41");
    expect(arguments41.map(({ argument }) => argument)).toEqual([0, 0, 0]);
  });

  test("SD 2: HCS in every ACMD41, and no other bit", async () => {
    const bus = bench(SDHC);
    await open(bus);
    const arguments41 = bus.calls.filter(({ name }) => name === "ACMD41");
    expect(new Set(arguments41.map(({ argument }) => argument))).toEqual(new Set([0x4000_0000]));
  });

  test("MMC: CMD1 after another CMD0, CRC on again, no SD registers", async () => {
    const bus = bench(MMC);
    const card = await open(bus);
    expect(bus.names.slice(3, 14)).toEqual([
      "CMD0",
      "CMD8",
      "CMD59",
      "ACMD41",
      "CMD0",
      "CMD59",
      "CMD1",
      "CMD1",
      "CMD1",
      "CMD58",
      "probe",
    ]);
    expect(bus.names.some((name) => name.startsWith("ACMD13") || name.startsWith("ACMD51"))).toBe(
      false,
    );
    expect(card.identity).toMatchObject({
      kind: "MMC",
      specVersion: "3.x",
      addressing: "byte",
      blockCount: 131_072,
      integrityClass: "A",
      frequencyHz: 20_000_000,
    });
    expect(card.identity.scr).toBeUndefined();
    expect(card.hints.allocationUnitBlocks).toBe(32);
  });

  test.each([
    ["SDXC", fromHex("400e00325b590003b9ff7f800a4040ab"), 250_085_376],
    ["SDUC", withBits(withBits(SDHC.csd, 126, 2, 2), 48, 28, 0x3ff_ffff), 2 ** 36],
  ])("%s", async (kind, csd, blockCount) => {
    const card = await open(bench({ ...SDHC, csd }));
    expect(card.identity).toMatchObject({ kind, blockCount });
    expect(card.blockCount).toBe(Math.min(blockCount, 2 ** 32));
  });
});

describe("cards with habits", () => {
  test.each<[string, Partial<FakeCard>]>([
    ["CMD0 answered with 00 first (Intenso)", { beforeIdle: [0x00] }],
    ["garbage before 01", { beforeIdle: [0x3f, 0x00, 0x7e, 0x05] }],
    ["CMD58 with the idle bit (QEMU)", { ocrR1: 0x01 }],
    ["ready at once", { polls: 0 }],
    ["long in its initialisation", { polls: 150 }],
    ["CMD59 refused the first time", { crc: "refused-once" }],
  ])("%s", async (_what, habit) => {
    const card = await open(bench({ ...SDHC, ...habit }));
    expect(card.identity).toMatchObject({ kind: "SDHC", crc: "on", integrityClass: "A" });
  });

  test("CMD59 refused for good: three tries, class B", async () => {
    const bus = bench({ ...SDHC, crc: "refused" });
    const card = await open(bus);
    expect(card.identity).toMatchObject({ crc: "off", integrityClass: "B" });
    expect(bus.names.filter((name) => name === "CMD59")).toHaveLength(3);
    expect(bus.names).not.toContain("probe");
  });

  test("CMD59 accepted but nothing checked (QEMU): class B", async () => {
    const card = await open(bench({ ...SDHC, crc: "unchecked" }));
    expect(card.identity).toMatchObject({ crc: "on", integrityClass: "B" });
  });

  test("the probe's error is burnt: CMD13 shows it once more (QEMU)", async () => {
    const card = await open(bench(SDHC, { on: "CMD13", give: { r1: 0x04, extra: [0] } }));
    expect(card.identity.integrityClass).toBe("A");
  });

  test("no answer to the probe: class B, the card brought back", async () => {
    const bus = bench(SDHC, { on: "probe", give: { fail: "CARD_NO_RESPONSE", stateKnown: false } });
    const card = await open(bus);
    expect(card.identity.integrityClass).toBe("B");
    expect(bus.names.slice(bus.names.indexOf("probe"))[1]).toBe("recover");
    expect(card.stateKnown).toBe(true);
  });

  test("CRC not wanted: no CMD59", async () => {
    const bus = bench(SDHC);
    const card = await open(bus, { crc: false });
    expect(card.identity).toMatchObject({ crc: "off", integrityClass: "B" });
    expect(bus.names).not.toContain("CMD59");
  });

  test("stuck in a block: drained when CMD0 stays unanswered", async () => {
    const bus = bench(SDHC, {
      on: "CMD0",
      times: 5,
      give: { fail: "CARD_NO_RESPONSE", stateKnown: false },
    });
    await open(bus);
    expect(bus.names.slice(3, 10)).toEqual([...Array(5).fill("CMD0"), "recover", "CMD0"]);
  });

  test("still programming: waited for before CMD0", async () => {
    const bus = bench(SDHC, { on: "wait", give: { fail: "CARD_BUSY", stateKnown: false } });
    await open(bus);
    expect(bus.names.slice(2, 5)).toEqual(["wait", "recover", "CMD0"]);
  });

  test("a noisy CMD8: asked again after another CMD0", async () => {
    const bus = bench(
      SDHC,
      { on: "CMD8", give: { r1: 0x01, extra: [0, 0, 1, 0xab] } },
      { on: "CMD8", skip: 1, give: { fail: "CARD_NO_RESPONSE" } },
    );
    const card = await open(bus);
    expect(card.identity.kind).toBe("SDHC");
    expect(bus.names.slice(3, 9)).toEqual(["CMD0", "CMD8", "CMD0", "CMD8", "CMD0", "CMD8"]);
  });

  test("CRC errors in commands are sent again", async () => {
    const bus = bench(
      SDHC,
      { on: "CMD8", give: { r1: 0x09 } },
      { on: "ACMD41", times: 2, give: { r1: 0x09 } },
      { on: "CMD58", give: { r1: 0x08 } },
    );
    const card = await open(bus);
    expect(card.identity.kind).toBe("SDHC");
    expect(card.counters.crcErrors).toBe(4);
  });

  test.each(["ACMD51", "ACMD13"])("%s refused: the card goes without", async (register) => {
    const bus = bench(SDHC, {
      on: register,
      give: { fail: "CARD_ERROR", details: { r1: 4 } },
    });
    const { identity } = await open(bus);
    expect(identity.kind).toBe("SDHC");
    expect(register === "ACMD51" ? identity.scr : identity.ssr).toBeUndefined();
  });

  test("a register with a wrong CRC7 once is read again", async () => {
    const bus = bench(SDHC, { on: "CMD10", give: { bytes: new Uint8Array(16).fill(1) } });
    const card = await open(bus);
    expect(card.identity.cid.raw).toBe("035054535330384730daaee8ad00f9bb");
  });
});

describe("the clock", () => {
  test.each([
    ["the card's TRAN_SPEED", SDHC, undefined, 25_000_000],
    [
      "never past 25 MHz by itself",
      { ...SDHC, csd: withBits(SDHC.csd, 96, 8, 0x5a) },
      undefined,
      25_000_000,
    ],
    ["as asked for, past 25 MHz", SDHC, 30_000_000, 30_000_000],
    ["as asked for, lower", SDHC, 1_000_000, 1_000_000],
    ["as asked for, below identification's", SDHC, 50_000, 50_000],
    ["no more than the adapter has", SDHC, 100_000_000, 30_000_000],
    [
      "a reserved TRAN_SPEED says nothing",
      { ...SDHC, csd: withBits(SDHC.csd, 96, 8, 0x07) },
      undefined,
      400_000,
    ],
  ] as const)("%s", async (_what, fake, speedHz, expected) => {
    const bus = bench(fake);
    const card = await open(bus, speedHz === undefined ? {} : { speedHz });
    expect(card.identity.frequencyHz).toBe(expected);
    expect(bus.frequencyHz).toBe(expected);
    expect(bus.calls[0]?.argument).toBe(Math.min(400_000, expected));
  });

  test("an adapter that is slower than the card", async () => {
    const bus = bench(SDHC);
    bus.capabilities = { ...bus.capabilities, maxFrequencyHz: 12_000_000 };
    expect((await open(bus)).identity.frequencyHz).toBe(12_000_000);
  });

  test("an adapter that cannot go as low as 400 kHz", async () => {
    const bus = bench(NOTHING);
    bus.capabilities = { ...bus.capabilities, minFrequencyHz: 750_000 };
    await expect(open(bus)).rejects.toMatchObject({ code: "CARD_ABSENT" });
    const clocks = bus.calls.filter(({ name }) => name === "configure");
    expect(clocks.map(({ argument }) => argument)).toEqual([750_000]);
  });

  test("too fast for the wires: stepped down until the CID comes through", async () => {
    const bus = bench(SDHC, {
      on: "CMD10",
      aboveHz: 7_000_000,
      times: 99,
      give: { fail: "CARD_CRC" },
    });
    const card = await open(bus);
    expect(card.identity.frequencyHz).toBe(6_250_000);
    expect(card.counters.clockStepsDown).toBe(2);
  });

  test("another CID at speed is no CID", async () => {
    const other = fromHex("275048534431364730da89b82900fb61");
    const bus = bench(SDHC, { on: "CMD10", aboveHz: 20_000_000, times: 9, give: { bytes: other } });
    expect((await open(bus)).identity.frequencyHz).toBe(12_500_000);
  });

  test("CRC errors in identification: the same at half the clock", async () => {
    const bus = bench(SDHC, {
      on: "CMD9",
      aboveHz: 300_000,
      times: 99,
      give: { fail: "CARD_CRC" },
    });
    const card = await open(bus, { speedHz: 200_000 });
    expect(card.identity.frequencyHz).toBe(200_000);
    const slow = bench(SDHC, {
      on: "CMD9",
      aboveHz: 150_000,
      times: 99,
      give: { fail: "CARD_CRC" },
    });
    await open(slow);
    const clocks = slow.calls.filter(({ name }) => name === "configure");
    expect(clocks.map(({ argument }) => argument)).toEqual([400_000, 200_000, 100_000, 25_000_000]);
    expect(slow.names.filter((name) => name === "recover")).toHaveLength(2);
  });
});

describe("cards that cannot be used", () => {
  const badCrc = new Uint8Array(16).fill(0x33);

  test.each<[string, FakeCard, FakeRule[], object]>([
    ["nothing there", NOTHING, [], { code: "CARD_ABSENT", details: { miso: "high" } }],
    [
      "MISO low",
      SDHC,
      [
        { on: "wait", give: { fail: "CARD_BUSY" } },
        { on: "recover", times: 9, give: { recovery: "busy" } },
        { on: "CMD0", times: 99, give: { r1: 0 } },
      ],
      { code: "CARD_ABSENT", details: { miso: "low" } },
    ],
    [
      "never idle",
      SDHC,
      [{ on: "CMD0", times: 99, give: { r1: 0 } }],
      { code: "CARD_REFUSED", details: { lastR1: 0 } },
    ],
    [
      "a CRC error in every CMD0",
      SDHC,
      [{ on: "CMD0", times: 999, give: { r1: 0x09 } }],
      { code: "CARD_CRC" },
    ],
    [
      "a CRC error in every command",
      SDHC,
      [{ on: "CMD8", times: 999, give: { r1: 0x09 } }],
      { code: "CARD_CRC", details: { command: "CMD8_SEND_IF_COND", tries: 3 } },
    ],
    [
      "a CRC error in all data",
      SDHC,
      [{ on: "CMD9", times: 999, give: { fail: "CARD_CRC" } }],
      { code: "CARD_CRC" },
    ],
    [
      "data bad at any speed but identification's",
      SDHC,
      [{ on: "CMD10", skip: 1, times: 999, give: { fail: "CARD_CRC" } }],
      { code: "CARD_CRC" },
    ],
    [
      "CMD8: another voltage",
      SDHC,
      [{ on: "CMD8", times: 99, give: { r1: 1, extra: [0, 0, 0, 0xaa] } }],
      { code: "CARD_UNUSABLE", details: { echoed: 0x0aa } },
    ],
    [
      "CMD8: another pattern",
      SDHC,
      [{ on: "CMD8", times: 99, give: { r1: 1, extra: [0, 0, 1, 0x55] } }],
      { code: "CARD_CRC" },
    ],
    [
      "CMD8: silence",
      SDHC,
      [{ on: "CMD8", times: 99, give: { fail: "CARD_NO_RESPONSE" } }],
      { code: "CARD_NO_RESPONSE" },
    ],
    [
      "CMD8: half an answer",
      SDHC,
      [{ on: "CMD8", times: 99, give: { r1: 1, extra: [0, 0] } }],
      { code: "CARD_NO_RESPONSE" },
    ],
    ["never ready", { ...SDHC, polls: 1e9 }, [], { code: "CARD_UNUSABLE" }],
    [
      "SD 2 without ACMD41",
      SDHC,
      [{ on: "ACMD41", times: 99, give: { r1: 0x05 } }],
      { code: "CARD_REFUSED" },
    ],
    [
      "neither SD nor MMC",
      MMC,
      [{ on: "CMD1", times: 99, give: { r1: 0x05 } }],
      { code: "CARD_UNUSABLE" },
    ],
    ["another supply", { ...SDHC, ocr: 0x0007_8000 }, [], { code: "CARD_UNUSABLE" }],
    [
      "OCR never powered up",
      SDHC,
      [{ on: "CMD58", times: 1e6, give: { r1: 0, extra: [0, 0xff, 0x80, 0] } }],
      { code: "CARD_UNUSABLE", details: { ocr: 0x00ff_8000 } },
    ],
    [
      "CMD58 refused",
      SDHC,
      [{ on: "CMD58", times: 9, give: { r1: 0x04 } }],
      { code: "CARD_ERROR", details: { r1: 4 } },
    ],
    [
      "locked",
      SDHC,
      [{ on: "CMD13", times: 9, give: { r1: 0, extra: [0x01] } }],
      { code: "CARD_LOCKED" },
    ],
    [
      "CMD13 never clean",
      SDHC,
      [{ on: "CMD13", times: 99, give: { r1: 0x04, extra: [0] } }],
      { code: "CARD_ERROR" },
    ],
    [
      "CMD16 refused",
      SDSC,
      [{ on: "CMD16", times: 9, give: { r1: 0x40 } }],
      { code: "CARD_ERROR", details: { command: "CMD16_SET_BLOCKLEN", r1: 0x40 } },
    ],
    ["a CID with a wrong CRC7", { ...SDHC, cid: badCrc }, [], { code: "CARD_CRC" }],
    ["a CSD with a wrong CRC7", { ...SDHC, csd: badCrc }, [], { code: "CARD_CRC" }],
    [
      "a CSD of an unknown structure",
      { ...SDHC, csd: withBits(SDHC.csd, 126, 2, 3) },
      [],
      { code: "CARD_UNUSABLE" },
    ],
    [
      "an MMC whose capacity is in EXT_CSD",
      { ...MMC, csd: fromHex("d02701320f5903fff6dbffef8e40400d") },
      [],
      { code: "CARD_UNUSABLE" },
    ],
    [
      "no CSD",
      SDHC,
      [{ on: "CMD9", times: 9, give: { fail: "CARD_TIMEOUT" } }],
      { code: "CARD_TIMEOUT" },
    ],
  ])("%s", async (_what, fake, rules, expected) => {
    const bus = bench(fake, ...rules);
    const opening = open(bus);
    await expect(opening).rejects.toMatchObject(expected);
    await expect(opening).rejects.toHaveProperty("message", expect.not.stringMatching(/^$/));
    expect(bus.closed).toBe(false);
    expect(bus.clock.nowUs()).toBeLessThan(16e6);
  });

  test("each of them has a hint", async () => {
    for (const fake of [NOTHING, { ...SDHC, polls: 1e9 }, { ...SDHC, ocr: 0x0007_8000 }]) {
      await expect(open(bench(fake))).rejects.toHaveProperty("hint", expect.stringMatching(/\w/));
    }
  });

  test("nothing there is said within two seconds", async () => {
    const bus = bench(NOTHING);
    await expect(open(bus)).rejects.toMatchObject({ code: "CARD_ABSENT" });
    expect(bus.clock.nowUs()).toBeLessThan(2e6);
    expect(bus.names.filter((name) => name === "CMD0").length).toBeLessThanOrEqual(50);
  });

  test("the caller's deadline ends a card that is never ready", async () => {
    const bus = bench({ ...SDHC, polls: 1e9 });
    await expect(open(bus, {}, 300)).rejects.toMatchObject({ code: "CARD_TIMEOUT" });
    expect(bus.clock.nowUs()).toBeLessThan(400_000);
  });

  test("what the bridge throws goes through as it is", async () => {
    const gone = new BridgeError("BRIDGE_PROTOCOL", "the chip has gone mad");
    for (const on of ["configure", "startUp", "wait", "CMD0", "CMD8", "CMD9", "probe", "recover"]) {
      const extra: FakeRule[] =
        on === "recover" ? [{ on: "wait", give: { fail: "CARD_BUSY" } }] : [];
      const rule: FakeRule = { on, times: 99, give: { throw: gone } };
      await expect(open(bench(SDHC, rule, ...extra))).rejects.toBe(gone);
    }
  });
});
