import { describe, expect, test } from "@jest/globals";
import { eraseBudgetMs, eraseChunkBlocks } from "../../src/card/erase.js";
import type { CardIdentity } from "../../src/card/identity.js";
import { deadlineIn } from "../../src/util/deadline.js";
import type { FakeRule } from "../support/fake-card-bus.js";
import { MMC, SD_V1, SDHC, SDSC, withBits } from "../support/fake-cards.js";
import { cardBench, pattern } from "./card-bench.js";

/** SDSC that erases in sectors of 32 blocks only. */
const SECTORS = { ...SDSC, csd: withBits(withBits(SDSC.csd, 46, 1, 0), 22, 4, 9) };

describe("what is sent", () => {
  test("SDHC: blocks as they are", async () => {
    const { bus, card } = await cardBench(SDHC);
    await card.write(99, pattern(99, 4));
    bus.forget();
    await card.erase?.(100, 2);
    expect(bus.names).toEqual(["CMD32", "CMD33", "CMD38", "CMD13"]);
    expect(bus.calls.map(({ argument }) => argument)).toEqual([100, 101, 0, 0]);
    expect([...bus.memory.keys()]).toEqual([99, 102]);
  });

  test("SDSC: byte addresses of whole blocks", async () => {
    const { bus, card } = await cardBench(SDSC);
    await card.erase?.(100, 2);
    expect(bus.calls.slice(0, 2).map(({ argument }) => argument)).toEqual([51_200, 51_712]);
  });

  test("MMC: CMD35 and CMD36 over whole groups, zeros around them", async () => {
    const { bus, card } = await cardBench(MMC);
    for (const lba of [29, 30, 64, 70, 71]) bus.memory.set(lba, pattern(lba, 1));
    await card.erase?.(30, 41);
    expect(bus.names).toEqual([
      "CMD25@15360x2",
      "CMD13",
      "CMD35",
      "CMD36",
      "CMD38",
      "CMD13",
      "CMD25@32768x7",
      "CMD13",
    ]);
    expect(bus.memory.get(29)).toEqual(pattern(29, 1));
    expect(bus.memory.get(71)).toEqual(pattern(71, 1));
    expect(bus.memory.get(70)).toEqual(new Uint8Array(512));
  });

  test("less than a group is all zeros", async () => {
    const { bus, card } = await cardBench(MMC);
    await card.erase?.(33, 5);
    expect(bus.names).toEqual(["CMD25@16896x5", "CMD13"]);
  });

  test("an SDSC that erases sectors only", async () => {
    const { bus, card } = await cardBench(SECTORS);
    const unit = card.identity.csd.eraseUnitBlocks;
    expect(unit).toBeGreaterThan(1);
    await card.erase?.(unit, unit + 1);
    expect(bus.names.filter((name) => /^CMD3/.test(name))).toEqual(["CMD32", "CMD33", "CMD38"]);
    expect(bus.calls[1]?.argument).toBe((2 * unit - 1) * 512);
    expect(bus.names.some((name) => name.startsWith("CMD24"))).toBe(true);
  });

  test("long ranges in chunks that begin at allocation units, each in its time", async () => {
    const { bus, card } = await cardBench(SDHC);
    const chunk = eraseChunkBlocks(card.identity);
    expect(eraseBudgetMs(card.identity, chunk)).toBeLessThanOrEqual(60_000);
    await card.erase?.(5, 2 * chunk);
    const starts = bus.calls.filter(({ name }) => name === "CMD32");
    expect(starts.map(({ argument }) => argument)).toEqual([5, chunk, 2 * chunk]);
  });
});

describe("the time it may take", () => {
  const identity = (changes: object): CardIdentity =>
    ({
      kind: "SDHC",
      csd: { eraseUnitBlocks: 1, accessTimeNs: 1e6, writeFactor: 4 },
      ssr: { allocationUnitBlocks: 8192, erase: { units: 8, timeoutS: 1, offsetS: 3 } },
      ...changes,
    }) as unknown as CardIdentity;

  test.each([
    ["SSR: one unit", identity({}), 1, 3000 + 125 + 500],
    ["SSR: 80 units", identity({}), 80 * 8192, 3000 + 10_000 + 500],
    ["SDHC that tells nothing: units of 4 MiB", identity({ ssr: undefined }), 10 * 8192, 2500],
    ["at least 1 s", identity({ ssr: undefined }), 1, 1000],
    ["SDSC: 250 ms a block", identity({ kind: "SDSC", ssr: undefined }), 100, 25_000],
    ["MMC: by TAAC and R2W_FACTOR", identity({ kind: "MMC" }), 100, 4000],
  ] as const)("%s", (_what, card, blocks, ms) => {
    expect(eraseBudgetMs(card, blocks)).toBeCloseTo(ms);
  });

  test("chunks stay under the cap, on every kind", async () => {
    for (const fake of [SDHC, SDSC, SD_V1, MMC, SECTORS]) {
      const { card } = await cardBench(fake);
      const chunk = eraseChunkBlocks(card.identity);
      expect(eraseBudgetMs(card.identity, chunk)).toBeLessThanOrEqual(60_000);
      expect(chunk % card.identity.csd.eraseUnitBlocks).toBe(0);
    }
    const slow = { allocationUnitBlocks: 131_072, erase: { units: 1, timeoutS: 63, offsetS: 3 } };
    expect(eraseChunkBlocks(identity({ ssr: slow }))).toBe(240);
  });
});

describe("faults", () => {
  test.each<[string, FakeRule[], object]>([
    ["CMD32 refused", [{ on: "CMD32", give: { r1: 0x40 } }], { code: "CARD_ERROR" }],
    ["CMD33 refused", [{ on: "CMD33", give: { r1: 0x20 } }], { code: "CARD_ERROR" }],
    ["CMD38 refused", [{ on: "CMD38", give: { r1: 0x10 } }], { code: "CARD_ERROR" }],
    ["illegal", [{ on: "CMD32", give: { r1: 0x04 } }], { code: "CARD_ERROR" }],
    [
      "protected blocks left out",
      [{ on: "CMD13", give: { r1: 0, extra: [0x02] } }],
      { code: "CARD_WRITE_PROTECTED" },
    ],
    [
      "invalid selection",
      [{ on: "CMD13", give: { r1: 0, extra: [0x40] } }],
      { code: "CARD_ERROR" },
    ],
    [
      "busy past the deadline",
      [{ on: "CMD38", give: { fail: "CARD_BUSY", stateKnown: false } }],
      { code: "CARD_BUSY", details: { stateKnown: false } },
    ],
    ["reset meanwhile", [{ on: "CMD13", give: { r1: 0x01, extra: [0] } }], { code: "CARD_ABSENT" }],
    [
      "CMD32 by a card that was reset",
      [{ on: "CMD32", give: { r1: 0x05 } }],
      { code: "CARD_ABSENT" },
    ],
    ["CRC errors always", [{ on: "CMD38", times: 99, give: { r1: 0x08 } }], { code: "CARD_CRC" }],
  ])("%s", async (_what, rules, expected) => {
    const { card } = await cardBench(SDHC, rules);
    await expect(card.erase?.(10, 20)).rejects.toMatchObject({
      message: expect.stringContaining("erasing blocks 10+20"),
      ...expected,
    });
    await card.write(0, pattern(0, 1));
  });

  test("a CRC error in CMD38: all three again, slower", async () => {
    const { bus, card } = await cardBench(SDHC, [{ on: "CMD38", give: { r1: 0x08 } }]);
    await card.erase?.(10, 20);
    expect(bus.names).toEqual([
      "CMD32",
      "CMD33",
      "CMD38",
      "configure",
      "CMD32",
      "CMD33",
      "CMD38",
      "CMD13",
    ]);
  });

  test("the next operation waits for an erase that outlived its caller", async () => {
    const { bus, card } = await cardBench(SDHC, [
      { on: "CMD38", give: { fail: "CARD_BUSY", stateKnown: false } },
    ]);
    const waited: number[] = [];
    const recover = bus.recover.bind(bus);
    bus.recover = async (deadline = { atUs: 0 }) => {
      waited.push(deadline.atUs - bus.clock.nowUs());
      return recover();
    };
    const chunk = eraseChunkBlocks(card.identity);
    await expect(card.erase?.(0, chunk, deadlineIn(bus.clock, 10))).rejects.toMatchObject({
      code: "CARD_BUSY",
    });
    await card.read(0, new Uint8Array(512), deadlineIn(bus.clock, 100_000));
    expect(waited[0]).toBeGreaterThan(30e6);
    await expect(card.read(0, new Uint8Array(512))).resolves.toBeUndefined();
  });
});
