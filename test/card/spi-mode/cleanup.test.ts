import { describe, expect, test } from "@jest/globals";
import { bench, cmd, failure, pattern, read, stored, write } from "./bench.js";

describe("failures while a failure is cleaned up", () => {
  test("the first error is thrown, the state unknown", async () => {
    const b = bench({ badCrc: [1] });
    // Step 0 is the read, step 1 the CMD12 that ends it.
    b.bridge.faults.failStep = 1;
    expect(await failure(read(b, 0, 4))).toMatchObject({ code: "CARD_CRC" });
    expect(b.bus.stateKnown).toBe(false);
    expect((await b.bus.recover(b.in(1000))).outcome).toBe("ready");
  });

  test("a card that does not prove its state is not believed", async () => {
    const b = bench({ badCrc: [1], r1: { 13: "none" } });
    expect(await failure(read(b, 0, 4))).toMatchObject({ code: "CARD_CRC" });
    expect(b.bus.stateKnown).toBe(false);
  });

  test("good blocks stay good when CMD12 is answered badly; the state is proved, or not known", async () => {
    const proved = bench({ r1: { 12: [0x04] } });
    expect(Buffer.compare(await read(proved, 7, 4), stored(proved.card, 7, 4))).toBe(0);
    expect(proved.bus.stateKnown).toBe(true);
    const unproved = bench({ r1: { 12: [0x04], 13: 0x04 } });
    expect(Buffer.compare(await read(unproved, 7, 4), stored(unproved.card, 7, 4))).toBe(0);
    expect(unproved.bus.stateKnown).toBe(false);
  });

  test("the stop token's busy past the deadline", async () => {
    const b = bench({ busy: (block) => (block < 0 ? 4_000_000 : 2) });
    const error = await failure(write(b, 0, pattern(2, 0), 100));
    expect(error.code).toBe("CARD_BUSY");
    expect(b.bus.stateKnown).toBe(false);
  });

  test("a bridge that was lost is brought back before the next command", async () => {
    const b = bench();
    b.bridge.faults.failStep = 0;
    expect((await failure(b.bus.command(cmd(13, 0, "R2"), b.in(100)))).code).toBe(
      "BRIDGE_PROTOCOL",
    );
    expect((await b.bus.command(cmd(13, 0, "R2"), b.in(100))).r1).toBe(0);
    expect(b.bridge.stats.aborts).toBe(1);
    expect(b.bus.stateKnown).toBe(false);
  });
});
