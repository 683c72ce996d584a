import { describe, expect, test } from "@jest/globals";
import { BridgeError } from "../../src/spi/errors.js";
import { deadlineIn } from "../../src/util/deadline.js";
import type { FakeRule } from "../support/fake-card-bus.js";
import { SDHC, withCrc7 } from "../support/fake-cards.js";
import { cardBench, contents, pattern } from "./card-bench.js";

const RESET_R1: FakeRule["give"] = { fail: "CARD_ERROR", details: { r1: 0x01 } };
const LOST: FakeRule["give"] = { fail: "CARD_NO_RESPONSE", stateKnown: false };
const OTHER = { ...SDHC, cid: withCrc7("275048534431364730da89b82900fb") };

describe("a card that lost power", () => {
  test.each([
    ["a read's R1", "read", [{ on: "CMD17", give: RESET_R1 }]],
    ["a write's R1", "write", [{ on: "CMD24", give: RESET_R1 }]],
    ["the status behind a write", "write", [{ on: "CMD13", give: { r1: 0x01, extra: [0] } }]],
  ] as const)("is seen by %s, and identified again by the next call", async (_by, verb, rules) => {
    const { bus, card } = await cardBench(SDHC, rules as readonly FakeRule[]);
    await expect(card[verb](0, new Uint8Array(512))).rejects.toMatchObject({
      code: "CARD_ABSENT",
      hint: expect.stringContaining("put the card back"),
      details: { lba: 0, blocksDone: 0, stateKnown: false },
    });
    expect(card.stateKnown).toBe(false);
    bus.replug();
    bus.forget();
    const data = pattern(5, 2);
    await card.write(5, data);
    expect(contents(bus, 5, 2)).toEqual(data);
    expect(bus.names[0]).toBe("recover");
    expect(bus.names).toContain("CMD0");
    expect(card.stateKnown).toBe(true);
  });

  test("silent because it was put back: CMD0 brings it back", async () => {
    const { bus, card } = await cardBench(SDHC, [
      { on: "CMD17", give: LOST, before: (it) => it.replug() },
    ]);
    await expect(card.read(0, new Uint8Array(512))).rejects.toMatchObject({
      code: "CARD_NO_RESPONSE",
    });
    bus.forget();
    await card.read(0, new Uint8Array(512));
    expect(bus.names[0]).toBe("recover");
    expect(bus.names.at(-1)).toBe("CMD17@0x1");
  });

  test("a card that takes a second to get ready again has the time, without a deadline", async () => {
    const { bus, card } = await cardBench(SDHC, [{ on: "CMD17", give: LOST }]);
    await expect(card.read(0, new Uint8Array(512))).rejects.toMatchObject({});
    bus.replug({ ...SDHC, polls: 150 });
    const before = bus.clock.nowUs();
    await card.read(0, new Uint8Array(512));
    expect(bus.clock.nowUs() - before).toBeGreaterThan(1.2e6);
  });

  test("another card is refused, until the first one is back", async () => {
    const { bus, card } = await cardBench(SDHC, [
      { on: "CMD17", give: LOST, before: (it) => it.replug(OTHER) },
    ]);
    await expect(card.read(0, new Uint8Array(512))).rejects.toMatchObject({});
    for (const verb of ["read", "write"] as const) {
      await expect(card[verb](0, new Uint8Array(512))).rejects.toMatchObject({
        code: "CARD_ABSENT",
        message: expect.stringContaining("another card"),
        details: { expected: card.identity.cid.raw },
      });
    }
    expect(bus.memory.size).toBe(0);
    bus.replug(SDHC);
    await card.write(0, pattern(0, 1));
    expect(bus.memory.size).toBe(1);
  });

  test("taken out for good: CARD_ABSENT from then on", async () => {
    const { card } = await cardBench(SDHC, [
      { on: "CMD17", give: LOST, before: (it) => it.replug({ ...SDHC, kind: "nothing" }) },
    ]);
    await expect(card.read(0, new Uint8Array(512))).rejects.toMatchObject({});
    await expect(card.write(0, new Uint8Array(512))).rejects.toMatchObject({
      code: "CARD_ABSENT",
      message: expect.stringContaining("writing block 0"),
    });
  });

  test("a reset seen while CRC errors are being retried: written from the start again", async () => {
    const { bus, card } = await cardBench(SDHC, [
      { on: "CMD25", give: { fail: "CARD_CRC", blocksDone: 3, stateKnown: false } },
      { on: "recover", give: { recovery: "reinitialise" } },
    ]);
    await card.write(0, pattern(0, 8));
    expect(bus.names.filter((name) => name.startsWith("CMD25"))).toEqual([
      "CMD25@0x8",
      "CMD25@0x8",
    ]);
    expect(bus.names.some((name) => name.startsWith("ACMD22"))).toBe(false);
    expect(card.identity.frequencyHz).toBe(12_500_000);
  });
});

describe("recovery before the next operation", () => {
  const unknown: FakeRule = { on: "CMD17", give: { fail: "CARD_TIMEOUT", stateKnown: false } };

  test.each([
    ["ready", ["recover", "CMD59", "CMD58", "CMD10@0x1", "CMD17@0x1"]],
    ["reinitialise", ["recover", "configure", "startUp"]],
    ["silent", ["recover", "configure", "startUp"]],
  ] as const)("%s", async (recovery, begins) => {
    const { bus, card } = await cardBench(SDHC, [unknown, { on: "recover", give: { recovery } }]);
    await expect(card.read(0, new Uint8Array(512))).rejects.toMatchObject({ code: "CARD_TIMEOUT" });
    bus.forget();
    await card.read(0, new Uint8Array(512));
    expect(bus.names.slice(0, begins.length)).toEqual(begins);
    expect(bus.names.at(-1)).toBe("CMD17@0x1");
    expect(card.counters.recoveries).toBeGreaterThanOrEqual(1);
  });

  test("busy: no reset, CARD_BUSY, and again by the next call", async () => {
    const { bus, card } = await cardBench(SDHC, [
      unknown,
      { on: "recover", give: { recovery: "busy" } },
    ]);
    await expect(card.read(0, new Uint8Array(512))).rejects.toMatchObject({ code: "CARD_TIMEOUT" });
    await expect(card.read(0, new Uint8Array(512))).rejects.toMatchObject({
      code: "CARD_BUSY",
      details: { stateKnown: false },
    });
    expect(bus.names).not.toContain("CMD0");
    await card.read(0, new Uint8Array(512));
  });

  test("what the bridge throws is not dressed up", async () => {
    const gone = new BridgeError("BRIDGE_SYNC", "lost");
    const { card } = await cardBench(SDHC, [
      { on: "CMD17", give: { throw: gone } },
      { on: "recover", give: { throw: gone } },
      { on: "CMD25", give: { throw: gone } },
      { on: "CMD13", skip: 1, give: { throw: gone } },
    ]);
    await expect(card.read(0, new Uint8Array(512))).rejects.toBe(gone);
    await expect(card.read(0, new Uint8Array(512))).rejects.toBe(gone);
    await expect(card.write(0, new Uint8Array(1024))).rejects.toBe(gone);
    await card.write(0, new Uint8Array(512));
    await expect(card.write(0, new Uint8Array(512))).rejects.toBe(gone);
  });

  test("a deadline bounds the recovery too", async () => {
    const { bus, card } = await cardBench(SDHC, [unknown]);
    await expect(card.read(0, new Uint8Array(512))).rejects.toMatchObject({});
    const deadline = deadlineIn(bus.clock, 0);
    await expect(card.read(0, new Uint8Array(512), deadline)).rejects.toMatchObject({
      code: "CARD_TIMEOUT",
    });
  });
});
