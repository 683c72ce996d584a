import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { plausibleCount } from "../../src/card/well-written.js";
import { fromHex } from "../../src/util/bytes.js";
import { deadlineIn } from "../../src/util/deadline.js";
import type { FakeRule } from "../support/fake-card-bus.js";
import { type FakeCard, MMC, SD_V1, SDHC, SDSC, withBits } from "../support/fake-cards.js";
import { cardBench, contents, pattern } from "./card-bench.js";

/** What proves that a recovered card is the one that was identified. */
const SAME_CARD = ["CMD59", "CMD58", "CMD10@0x1"];

const KINDS: readonly (readonly [string, FakeCard])[] = [
  ["SDHC", SDHC],
  ["SDSC", SDSC],
  ["SD 1.x", SD_V1],
  ["MMC", MMC],
];

describe.each(KINDS)("blocks of %s", (_kind, fake) => {
  test.each([1, 2, 9])("%s written and read back", async (count) => {
    const { bus, card } = await cardBench(fake);
    const data = pattern(100, count);
    await card.write(100, data);
    expect(contents(bus, 100, count)).toEqual(data);
    const into = new Uint8Array(data.length);
    await card.read(100, into);
    expect(into).toEqual(data);
  });

  test("the last block is reachable, the one behind it is not", async () => {
    const { bus, card } = await cardBench(fake);
    await card.write(card.blockCount - 1, pattern(0, 1));
    expect(bus.memory.has(card.blockCount - 1)).toBe(true);
    const calls = bus.calls.length;
    for (const [lba, blocks] of [
      [card.blockCount, 1],
      [card.blockCount - 1, 2],
      [-1, 1],
      [0.5, 1],
    ] as const) {
      const bytes = new Uint8Array(blocks * 512);
      await expect(card.read(lba, bytes)).rejects.toMatchObject({ code: "BLOCK_RANGE" });
      await expect(card.write(lba, bytes)).rejects.toMatchObject({ code: "BLOCK_RANGE" });
      await expect(card.erase?.(lba, blocks)).rejects.toMatchObject({ code: "BLOCK_RANGE" });
    }
    await expect(card.read(0, new Uint8Array(100))).rejects.toMatchObject({ code: "BLOCK_RANGE" });
    expect(bus.calls).toHaveLength(calls);
  });
});

describe("which commands are sent", () => {
  test("one block, many blocks; a status behind each write only", async () => {
    const { bus, card } = await cardBench(SDHC);
    await card.read(7, new Uint8Array(512));
    await card.read(8, new Uint8Array(4 * 512));
    await card.write(9, pattern(9, 1));
    await card.write(10, pattern(10, 3));
    expect(bus.names).toEqual([
      "CMD17@7x1",
      "CMD18@8x4",
      "CMD24@9x1",
      "CMD13",
      "CMD25@10x3",
      "CMD13",
    ]);
  });

  test("addresses are bytes on SDSC and MMC", async () => {
    for (const fake of [SDSC, MMC]) {
      const { bus, card } = await cardBench(fake);
      await card.read(7, new Uint8Array(1024));
      expect(bus.names).toEqual(["CMD18@3584x2"]);
    }
  });

  test("large transfers are cut to what the bus takes", async () => {
    const { bus, card } = await cardBench(SDHC);
    bus.capabilities = { ...bus.capabilities, maxBlocks: 4 };
    await card.write(0, pattern(0, 9));
    expect(bus.names).toEqual(["CMD25@0x4", "CMD13", "CMD25@4x4", "CMD13", "CMD24@8x1", "CMD13"]);
    const into = new Uint8Array(9 * 512);
    await card.read(0, into);
    expect(into).toEqual(pattern(0, 9));
  });

  test("a bus of single blocks", async () => {
    const { bus, card } = await cardBench(SDHC);
    bus.capabilities = { ...bus.capabilities, maxBlocks: 1 };
    await card.write(0, pattern(0, 2));
    expect(bus.names).toEqual(["CMD24@0x1", "CMD13", "CMD24@1x1", "CMD13"]);
  });

  test("nothing for nothing", async () => {
    const { bus, card } = await cardBench(SDHC);
    await card.read(0, new Uint8Array(0));
    await card.write(0, new Uint8Array(0));
    await card.flush();
    await card.erase?.(0, 0);
    expect(bus.calls).toEqual([]);
  });

  test("reading up to the end: the status that this leaves is cleared", async () => {
    const { bus, card } = await cardBench(SDHC, [
      { on: "CMD18", before: (it) => it.model.latch(0x80), give: () => undefined },
    ]);
    await card.read(card.blockCount - 2, new Uint8Array(1024));
    expect(bus.names.at(-1)).toBe("CMD13");
    await card.write(0, pattern(0, 1));
  });

  test("an MMC without multiple blocks falls back to single ones, once", async () => {
    const illegal = { fail: "CARD_ERROR", details: { r1: 0x04 } } as const;
    const { bus, card } = await cardBench(MMC, [
      { on: "CMD25", give: illegal },
      { on: "CMD18", give: illegal },
    ]);
    const data = pattern(0, 2);
    await card.write(0, data);
    const into = new Uint8Array(1024);
    await card.read(0, into);
    await card.write(2, data);
    expect(into).toEqual(data);
    expect(bus.names.filter((name) => /CMD(18|25)/.test(name))).toHaveLength(2);
    expect(contents(bus, 2, 2)).toEqual(data);
  });

  test("a card whose CSD lacks the write class is written in single blocks", async () => {
    const readOnlyClasses = withBits(SDHC.csd, 84, 12, 0b1_0000_0101);
    const { bus, card } = await cardBench({ ...SDHC, csd: readOnlyClasses });
    await card.write(0, pattern(0, 2));
    expect(bus.names).toEqual(["CMD24@0x1", "CMD13", "CMD24@1x1", "CMD13"]);
    expect(card.erase).toBeUndefined();
  });
});

describe("calls queue", () => {
  test("first in, first out; a failed one does not stop the next", async () => {
    const { bus, card } = await cardBench(SDHC, [{ on: "CMD17", give: { fail: "CARD_TIMEOUT" } }]);
    const order: string[] = [];
    const done = (name: string) => (): void => void order.push(name);
    await Promise.all([
      card.write(0, pattern(0, 1)).then(done("write")),
      card.read(0, new Uint8Array(512)).catch(done("failed read")),
      card.flush().then(done("flush")),
      card.read(0, new Uint8Array(512)).then(done("read")),
    ]);
    expect(order).toEqual(["write", "failed read", "flush", "read"]);
    expect(bus.names).toEqual(["CMD24@0x1", "CMD13", "CMD17@0x1", "CMD17@0x1"]);
  });

  test("close waits for them, releases the card, closes the bus; once", async () => {
    const { bus, card } = await cardBench(SDHC);
    const writing = card.write(0, pattern(0, 1));
    await Promise.all([card.close(), card.close(), writing]);
    await card.close();
    expect(bus.names).toEqual(["CMD24@0x1", "CMD13", "release", "close"]);
    await expect(card.read(0, new Uint8Array(512))).rejects.toMatchObject({
      code: "BLOCK_PREEMPTED",
    });
    await expect(card.flush()).rejects.toMatchObject({ code: "BLOCK_PREEMPTED" });
  });

  test("the bus is closed though the card cannot be released", async () => {
    const { bus, card } = await cardBench(SDHC, [
      { on: "release", give: { fail: "CARD_TIMEOUT" } },
    ]);
    await card.close();
    expect(bus.closed).toBe(true);
  });
});

describe("write protection", () => {
  test("--read-only: nothing is sent", async () => {
    const { bus, card } = await cardBench(SDHC, [], { readOnly: true });
    expect(card.readOnly).toBe(true);
    await expect(card.write(0, pattern(0, 1))).rejects.toMatchObject({ code: "BLOCK_READ_ONLY" });
    await expect(card.erase?.(0, 1)).rejects.toMatchObject({ code: "BLOCK_READ_ONLY" });
    await card.read(0, new Uint8Array(512));
    expect(bus.names).toEqual(["CMD17@0x1"]);
  });

  test.each([
    [13, "permanent"],
    [12, "temporary"],
  ])("bit %s of the CSD: %s, nothing is sent", async (bit, writeProtected) => {
    const { bus, card } = await cardBench({ ...SDHC, csd: withBits(SDHC.csd, bit, 1, 1) });
    expect(card.readOnly).toBe(true);
    expect(card.identity.writeProtected).toBe(writeProtected);
    const expected = { code: "CARD_WRITE_PROTECTED", hint: expect.stringContaining(`bit ${bit}`) };
    await expect(card.write(0, pattern(0, 1))).rejects.toMatchObject(expected);
    await expect(card.erase?.(0, 1)).rejects.toMatchObject(expected);
    expect(bus.calls).toEqual([]);
  });
});

describe("CRC errors", () => {
  test("a read goes on from the first bad block, slower", async () => {
    const { bus, card } = await cardBench(SDHC, [
      { on: "CMD18", give: { fail: "CARD_CRC", blocksDone: 3 } },
    ]);
    bus.forget();
    const into = new Uint8Array(8 * 512);
    for (const [index, block] of [...Array(8).keys()].entries()) {
      bus.memory.set(block, pattern(block, 1).slice());
      expect(index).toBe(block);
    }
    await card.read(0, into);
    expect(bus.names).toEqual(["CMD18@0x8", "configure", "CMD18@3x5"]);
    expect(into).toEqual(contents(bus, 0, 8));
    expect(card.frequencyHz).toBe(12_500_000);
    expect(card.counters).toEqual({ crcErrors: 1, clockStepsDown: 1, recoveries: 0 });
  });

  test("a write goes on behind what the card says is on it", async () => {
    const { bus, card } = await cardBench(SDHC, [
      { on: "CMD25", give: { fail: "CARD_CRC", blocksDone: 3 } },
    ]);
    const data = pattern(0, 8);
    await card.write(0, data);
    expect(bus.names).toEqual(["CMD25@0x8", "configure", "ACMD22@0x1", "CMD25@3x5", "CMD13"]);
    expect(contents(bus, 0, 8)).toEqual(data);
  });

  test.each<[string, Partial<FakeCard>, FakeRule[], string]>([
    [
      "fewer than accepted",
      {},
      [{ on: "ACMD22", give: { bytes: fromHex("00000001") } }],
      "CMD25@1x7",
    ],
    ["little-endian (QEMU)", { littleEndianCount: true }, [], "CMD25@3x5"],
    [
      "more than were sent",
      {},
      [{ on: "ACMD22", give: { bytes: fromHex("00000009") } }],
      "CMD25@0x8",
    ],
    ["garbage", {}, [{ on: "ACMD22", give: { bytes: fromHex("a5a5a5a5") } }], "CMD25@0x8"],
    ["refused", {}, [{ on: "ACMD22", give: { fail: "CARD_ERROR" } }], "CMD25@0x8"],
  ])("ACMD22 says %s", async (_what, habit, rules, next) => {
    const { bus, card } = await cardBench({ ...SDHC, ...habit }, [
      { on: "CMD25", give: { fail: "CARD_CRC", blocksDone: 3 } },
      ...rules,
    ]);
    const data = pattern(0, 8);
    await card.write(0, data);
    expect(bus.names).toContain(next);
    expect(contents(bus, 0, 8)).toEqual(data);
  });

  test("MMC has no ACMD22: everything is written again", async () => {
    const { bus, card } = await cardBench(MMC, [
      { on: "CMD25", give: { fail: "CARD_CRC", blocksDone: 3 } },
    ]);
    await card.write(0, pattern(0, 8));
    expect(bus.names).toEqual(["CMD25@0x8", "configure", "CMD25@0x8", "CMD13"]);
  });

  test("a state that is not known is recovered before the next try", async () => {
    const { bus, card } = await cardBench(SDHC, [
      { on: "CMD17", give: { fail: "CARD_CRC", stateKnown: false } },
    ]);
    await card.read(0, new Uint8Array(512));
    expect(bus.names).toEqual(["CMD17@0x1", "configure", "recover", ...SAME_CARD, "CMD17@0x1"]);
  });

  test("hardware wait that lost the byte border does not slow the clock", async () => {
    const { bus, card } = await cardBench(SDHC, [
      { on: "CMD24", give: { fail: "CARD_CRC", details: { reason: "hardware-wait" } } },
    ]);
    await card.write(0, pattern(0, 1));
    expect(bus.names).toEqual(["CMD24@0x1", "CMD24@0x1", "CMD13"]);
  });

  test.each([
    ["read", "CMD17"],
    ["write", "CMD24"],
  ] as const)("always, on %s: bounded, then CARD_CRC", async (verb, on) => {
    const { bus, card } = await cardBench(SDHC, [{ on, times: 999, give: { fail: "CARD_CRC" } }]);
    await expect(card[verb](5, new Uint8Array(512))).rejects.toMatchObject({
      code: "CARD_CRC",
      details: { lba: 5, blocks: 1, blocksDone: 0, stateKnown: true },
    });
    expect(bus.names.filter((name) => name.startsWith(on))).toHaveLength(4);
    expect(card.frequencyHz).toBe(3_125_000);
  });

  test("in every block of a long read: bounded too", async () => {
    const { bus, card } = await cardBench(SDHC, [
      { on: "CMD18", times: 999, give: { fail: "CARD_CRC", blocksDone: 1 } },
    ]);
    await expect(card.read(0, new Uint8Array(100 * 512))).rejects.toMatchObject({
      code: "CARD_CRC",
      details: { blocksDone: 16 },
    });
    expect(bus.names.filter((name) => name.startsWith("CMD18"))).toHaveLength(16);
    expect(card.frequencyHz).toBe(100_000);
  });
});

describe("a write is only over when the card's status says so", () => {
  test.each([
    [0x20, "CARD_WRITE_PROTECTED"],
    [0x01, "CARD_LOCKED"],
    [0x04, "CARD_ERROR"],
    [0x08, "CARD_ERROR"],
    [0x10, "CARD_ERROR"],
    [0x80, "CARD_ERROR"],
  ])("R2 %s is %s", async (r2, code) => {
    for (const blocks of [1, 4]) {
      const { card } = await cardBench(SDHC, [{ on: "CMD13", give: { r1: 0, extra: [r2] } }]);
      await expect(card.write(0, pattern(0, blocks))).rejects.toMatchObject({
        code,
        details: { r2, lba: 0, blocks },
      });
    }
  });

  test("CMD13 with an R1 error", async () => {
    const { card } = await cardBench(SDHC, [{ on: "CMD13", give: { r1: 0x40, extra: [0] } }]);
    await expect(card.write(0, pattern(0, 1))).rejects.toMatchObject({ code: "CARD_ERROR" });
  });

  test("CMD13 unanswered: the card is gone, however ready it looked", async () => {
    const { card } = await cardBench(SDHC, [
      { on: "CMD13", give: { fail: "CARD_NO_RESPONSE", stateKnown: false } },
    ]);
    await expect(card.write(3, pattern(0, 1))).rejects.toMatchObject({
      code: "CARD_NO_RESPONSE",
      details: { lba: 3, stateKnown: false },
    });
  });

  test("a noisy CMD13 is sent again", async () => {
    const { bus, card } = await cardBench(SDHC, [{ on: "CMD13", times: 2, give: { r1: 0x08 } }]);
    await card.write(0, pattern(0, 1));
    expect(bus.names).toEqual(["CMD24@0x1", "CMD13", "CMD13", "CMD13"]);
  });

  test("bad status after many blocks: ACMD22 says how many are good", async () => {
    const { card } = await cardBench(SDHC, [
      { on: "CMD13", give: { r1: 0, extra: [0x10] } },
      { on: "ACMD22", give: { bytes: fromHex("00000002") } },
    ]);
    await expect(card.write(10, pattern(0, 5))).rejects.toMatchObject({
      code: "CARD_ERROR",
      details: { lba: 10, blocks: 5, blocksDone: 2 },
    });
  });
});

describe("failures end the operation, and say where", () => {
  test.each([
    ["CARD_TIMEOUT", true],
    ["CARD_TIMEOUT", false],
    ["CARD_ERROR", true],
    ["CARD_NO_RESPONSE", false],
  ] as const)("read: %s, state known %s", async (fail, stateKnown) => {
    const { bus, card } = await cardBench(SDHC, [
      { on: "CMD18", give: { fail, blocksDone: 2, stateKnown } },
    ]);
    await expect(card.read(20, new Uint8Array(5 * 512))).rejects.toMatchObject({
      code: fail,
      message: expect.stringContaining("reading blocks 20+5"),
      details: { lba: 20, blocks: 5, blocksDone: 2, stateKnown },
    });
    expect(card.stateKnown).toBe(stateKnown);
    bus.forget();
    await card.read(0, new Uint8Array(512));
    expect(bus.names).toEqual(stateKnown ? ["CMD17@0x1"] : ["recover", ...SAME_CARD, "CMD17@0x1"]);
    expect(card.stateKnown).toBe(true);
  });

  test.each([
    ["CARD_WRITE_REJECTED", true],
    ["CARD_BUSY", false],
    ["CARD_TIMEOUT", false],
  ] as const)("write: %s, state known %s", async (fail, stateKnown) => {
    const { bus, card } = await cardBench(SDHC, [
      { on: "CMD25", give: { fail, blocksDone: 2, stateKnown } },
    ]);
    await expect(card.write(20, pattern(20, 5))).rejects.toMatchObject({
      code: fail,
      message: expect.stringContaining("writing blocks 20+5"),
      details: { lba: 20, blocks: 5, blocksDone: 2, stateKnown },
    });
    const expected = stateKnown ? ["CMD25@20x5", "CMD13", "ACMD22@0x1"] : ["CMD25@20x5"];
    expect(bus.names).toEqual(expected);
  });

  test.each([
    [
      "the status that the bus has read",
      [{ on: "CMD24", give: { fail: "CARD_WRITE_REJECTED", details: { status: [0, 0x20] } } }],
    ],
    [
      "the next status",
      [
        { on: "CMD24", give: { fail: "CARD_WRITE_REJECTED" } },
        { on: "CMD13", give: { r1: 0, extra: [0x20] } },
      ],
    ],
  ] as const)("a refused block of a protected group is told by %s", async (_where, rules) => {
    const { card } = await cardBench(SDSC, rules as readonly FakeRule[]);
    await expect(card.write(4, pattern(4, 1))).rejects.toMatchObject({
      code: "CARD_WRITE_PROTECTED",
      details: { lba: 4, blocksDone: 0 },
    });
  });

  test("no status behind a refused block: the refusal stands", async () => {
    const { card } = await cardBench(SDHC, [
      { on: "CMD24", give: { fail: "CARD_WRITE_REJECTED" } },
      { on: "CMD13", give: { fail: "CARD_NO_RESPONSE" } },
    ]);
    await expect(card.write(4, pattern(4, 1))).rejects.toMatchObject({
      code: "CARD_WRITE_REJECTED",
    });
  });
});

describe("deadlines", () => {
  test("passed before it began: nothing is sent", async () => {
    const { bus, card } = await cardBench(SDHC);
    const deadline = deadlineIn(bus.clock, -1);
    await expect(card.read(0, new Uint8Array(512), deadline)).rejects.toMatchObject({
      code: "CARD_TIMEOUT",
    });
    expect(bus.calls).toEqual([]);
  });

  test("passed between two commands: says how far it came", async () => {
    const { bus, card } = await cardBench(SDHC);
    bus.capabilities = { ...bus.capabilities, maxBlocks: 2 };
    bus.callUs = 1000;
    await expect(card.write(0, pattern(0, 10), deadlineIn(bus.clock, 5))).rejects.toMatchObject({
      code: "CARD_TIMEOUT",
      details: { blocks: 10, blocksDone: 6 },
    });
  });

  test("passed while it waited in the queue", async () => {
    const { bus, card } = await cardBench(SDHC);
    bus.callUs = 2000;
    const deadline = deadlineIn(bus.clock, 3);
    const first = card.write(0, pattern(0, 1));
    const second = card.read(0, new Uint8Array(512), deadline);
    await first;
    await expect(second).rejects.toMatchObject({ code: "CARD_TIMEOUT" });
  });

  test("without one, a long transfer gets time for its blocks", async () => {
    const { bus, card } = await cardBench(SDHC);
    bus.capabilities = { ...bus.capabilities, maxBlocks: 1 };
    bus.callUs = 40_000;
    await card.read(0, new Uint8Array(64 * 512));
    expect(bus.names).toHaveLength(64);
  });
});

test("plausible counts are never above what was accepted, plus one", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.nat(70_000),
      (count, accepted) => {
        const told = plausibleCount(count, accepted);
        if (told !== undefined) expect(told).toBeLessThanOrEqual(accepted + 1);
      },
    ),
  );
  expect(plausibleCount(fromHex("00000003"), 3)).toBe(3);
  expect(plausibleCount(fromHex("03000000"), 3)).toBe(3);
  expect(plausibleCount(fromHex("00000300"), 3)).toBeUndefined();
});
