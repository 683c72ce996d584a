import { describe, expect, test } from "@jest/globals";
import { bench, openOn, pattern } from "./support.js";

const BENCH_CARD = {
  kind: "sdhc",
  ncr: 1,
  nac: { bytes: 8 },
  gap: 1,
  dataResponseDelay: 0,
  busy: { bytes: 14 },
  stopBusy: { bytes: 8 },
  maxFrequencyHz: 48e6,
} as const;

describe("a card behind a board with full duplex and CS hold", () => {
  test.each(["full", "pico-serprog-pr15"] as const)("%s: identify, write, read", async (board) => {
    const b = bench({ board });
    const card = await openOn(b);
    expect(card.identity.crc).toBe("on");
    const data = pattern(40 * 512);
    await card.write(2048, data);
    const into = new Uint8Array(data.length);
    await card.read(2048, into);
    expect(Buffer.compare(into, data)).toBe(0);
    await card.erase?.(2048, 8);
    await card.close();
    expect(b.model.board).toMatchObject({ cs: "high", fullDuplex: false });
    expect([b.model.violations, b.card.violations]).toEqual([[], []]);
  });

  test("bench gate: 64 KiB in at most 24 operations of 4096 bytes", async () => {
    const b = bench({ card: BENCH_CARD });
    const card = await openOn(b);
    const data = pattern(65_536);
    await card.write(2048, data);
    const into = new Uint8Array(data.length);
    await card.read(2048, into);
    const before = b.model.counters;
    await card.read(2048, into);
    const after = b.model.counters;
    expect(Buffer.compare(into, data)).toBe(0);
    const operations = after.operations - before.operations;
    const csModes = (after.commands[0x18] ?? 0) - (before.commands[0x18] ?? 0);
    expect(operations + csModes).toBeLessThanOrEqual(24);
    expect(b.model.violations).toEqual([]);
  });
});
