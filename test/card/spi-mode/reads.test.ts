import { describe, expect, test } from "@jest/globals";
import { acmd, bench, cmd, failure, read, stored } from "./bench.js";

describe("reads", () => {
  for (const nac of [0, 1, 8, 300, 300_000]) {
    for (const gap of [0, 1, 2, 700]) {
      test(`one, two and 128 blocks with NAC ${nac}, gap ${gap}`, async () => {
        const b = bench({ nac, gap });
        for (const count of [1, 2, 128, 3]) {
          const data = await read(b, 40, count, 5000);
          expect(Buffer.compare(data, stored(b.card, 40, count))).toBe(0);
          expect(b.card.transferring).toBe(false);
        }
        expect(b.card.violations).toEqual([]);
      });
    }
  }

  test("registers, also behind CMD55", async () => {
    const b = bench({ nac: 3 });
    const csd = new Uint8Array(16);
    const scr = new Uint8Array(8);
    await b.bus.receive(
      { command: cmd(9), blockLength: 16, blockCount: 1, into: csd, openEnded: false },
      b.in(100),
    );
    await b.bus.receive(
      { command: acmd(51), blockLength: 8, blockCount: 1, into: scr, openEnded: false },
      b.in(100),
    );
    expect(csd).toEqual(Uint8Array.from({ length: 16 }, (_, at) => at * 5 + 1));
    expect(scr).toEqual(Uint8Array.from({ length: 8 }, (_, at) => at * 5 + 1));
  });

  test("a wrong CRC16 in block 5: CARD_CRC, the transfer ended and proved", async () => {
    const b = bench({ badCrc: [5] });
    const error = await failure(read(b, 0, 8));
    expect(error).toMatchObject({ code: "CARD_CRC", details: { blocksDone: 5, reason: "crc" } });
    expect(b.card.log).toEqual(["CMD18", "CMD12", "CMD13", "CMD13"]);
    expect(b.bus.stateKnown).toBe(true);
  });

  test("blocks before a failing one are filled in", async () => {
    const b = bench({ badCrc: [2] });
    const into = new Uint8Array(4 * 512);
    const request = { command: cmd(18), blockLength: 512, blockCount: 4, into, openEnded: true };
    await failure(b.bus.receive(request, b.in(100)));
    expect(Buffer.compare(into.subarray(0, 1024), stored(b.card, 0, 2))).toBe(0);
  });

  test.each([
    [0x01, "error"],
    [0x02, "card controller error"],
    [0x04, "card ECC failed"],
    [0x09, "error, out of range"],
  ])("error token %i", async (token, text) => {
    for (const block of [0, 3]) {
      const b = bench({ token: { [block]: token } });
      const error = await failure(read(b, 0, 8));
      expect(error).toMatchObject({ code: "CARD_ERROR", details: { blocksDone: block, token } });
      expect(error.message).toContain(text);
      expect(b.bus.stateKnown).toBe(true);
      expect(b.card.transferring).toBe(false);
    }
  });

  test("an error token on a single block ends without CMD12", async () => {
    const b = bench({ token: { 0: 0x08 } });
    expect((await failure(read(b, 5, 1))).code).toBe("CARD_ERROR");
    expect(b.card.log).toEqual(["CMD17 0x5", "CMD13", "CMD13"]);
    expect(b.bus.stateKnown).toBe(true);
  });

  test("garbage instead of a token is a bus error", async () => {
    const b = bench({ token: { 1: 0xf0 } });
    expect(await failure(read(b, 0, 4))).toMatchObject({
      code: "CARD_CRC",
      details: { blocksDone: 1 },
    });
    expect(b.card.transferring).toBe(false);
  });

  test("no token: CARD_TIMEOUT after 600 ms, well before the deadline, and the card usable", async () => {
    const b = bench({ token: { 2: 0xff } });
    const start = b.bridge.clock.nowUs();
    // FF instead of a token makes the data garbage, so silence is made of an endless NAC.
    b.card.options = { nac: 4_000_000 };
    const error = await failure(read(b, 0, 4, 10_000));
    expect(error.code).toBe("CARD_TIMEOUT");
    expect((b.bridge.clock.nowUs() - start) / 1000).toBeGreaterThan(600);
    expect((b.bridge.clock.nowUs() - start) / 1000).toBeLessThan(700);
    expect(b.bus.stateKnown).toBe(true);
  });

  test("CARD_TIMEOUT at the deadline leaves the state unknown", async () => {
    const b = bench({ nac: 4_000_000 });
    expect((await failure(read(b, 0, 4, 50))).code).toBe("CARD_TIMEOUT");
    expect(b.bus.stateKnown).toBe(false);
  });

  test.each([
    [0x08, "CARD_CRC"],
    [0x40, "CARD_ERROR"],
    [0x05, "CARD_ERROR"],
  ])("R1 %i is thrown as such", async (r1, code) => {
    const b = bench({ r1: { 18: r1 } });
    expect(await failure(read(b, 0, 4))).toMatchObject({ code, details: { r1 } });
    expect(b.bus.stateKnown).toBe(true);
  });

  test("a refused CMD55 before a register", async () => {
    const b = bench({ r1: { 55: 0x04 } });
    const request = {
      command: acmd(51),
      blockLength: 8,
      blockCount: 1,
      into: new Uint8Array(8),
      openEnded: false,
    };
    expect(await failure(b.bus.receive(request, b.in(100)))).toMatchObject({ code: "CARD_ERROR" });
  });

  test("out of range in CMD12's R1 is no error: the card's end was reached", async () => {
    const b = bench({ r1: { 12: 0x40 } });
    expect(Buffer.compare(await read(b, 0, 4), stored(b.card, 0, 4))).toBe(0);
    expect(b.card.log).toEqual(["CMD18", "CMD12"]);
    expect(b.bus.stateKnown).toBe(true);
  });

  test("a lost CMD12 is repeated", async () => {
    const b = bench({ r1: { 12: ["none"] } });
    expect(Buffer.compare(await read(b, 7, 4), stored(b.card, 7, 4))).toBe(0);
    expect(b.card.transferring).toBe(false);
    expect(b.bus.stateKnown).toBe(true);
  });
});
