import { describe, expect, test } from "@jest/globals";
import { bench, cmd, failure, pattern, stored, write } from "./bench.js";

describe("writes", () => {
  for (const late of [0, 1, 2, 3]) {
    for (const busy of [0, 1, 16, 5000]) {
      test(`one and seven blocks, response ${late} late, busy ${busy}`, async () => {
        const b = bench({ late, busy });
        await write(b, 9, pattern(1, late));
        await write(b, 20, pattern(7, busy));
        expect(stored(b.card, 9, 1)).toEqual(Buffer.from(pattern(1, late)));
        expect(stored(b.card, 20, 7)).toEqual(Buffer.from(pattern(7, busy)));
        expect(b.card.violations).toEqual([]);
        expect(b.card.transferring).toBe(false);
      });
    }
  }

  test.each([
    [0x0b, "CARD_CRC"],
    [0x0d, "CARD_WRITE_REJECTED"],
    [0x03, "CARD_CRC"],
    ["none", "CARD_CRC"],
  ] as const)("data response %s to block 3", async (response, code) => {
    for (const deafInWrite of [false, true]) {
      const b = bench({ response: { 3: response }, busy: 30, deafInWrite });
      const error = await failure(write(b, 100, pattern(8, 1)));
      expect(error).toMatchObject({ code, details: { blocksDone: 3 } });
      expect(b.card.transferring).toBe(false);
      expect(b.bus.stateKnown).toBe(true);
      expect(b.card.memory.size).toBe(3);
    }
  });

  test("a bit flipped on the way to the card: CARD_CRC, nothing stored", async () => {
    const b = bench();
    await b.bus.command(cmd(13, 0, "R2"), b.in(100));
    b.bridge.resetStats();
    b.bridge.faults.mosi.set(200, 0x10);
    const error = await failure(write(b, 0, pattern(1, 2)));
    expect(error).toMatchObject({ code: "CARD_CRC", details: { blocksDone: 0, response: 0x0b } });
    expect(b.card.memory.size).toBe(0);
    expect(b.bus.stateKnown).toBe(true);
  });

  test("R1 that refuses", async () => {
    const b = bench({ r1: { 25: [0x08] } });
    expect((await failure(write(b, 0, pattern(2, 0)))).code).toBe("CARD_CRC");
    expect(b.card.log).not.toContain("block 0");
    await write(b, 0, pattern(2, 0));
  });

  test("CARD_BUSY past the deadline", async () => {
    const b = bench({ busy: (block) => (block === 1 ? 4_000_000 : 2) });
    const error = await failure(write(b, 0, pattern(4, 0), 100));
    expect(error).toMatchObject({ code: "CARD_BUSY", details: { blocksDone: 1 } });
    expect(b.bus.stateKnown).toBe(false);
  });
});
