import { describe, expect, test } from "@jest/globals";
import type { DirectBridgeOptions } from "../../support/direct-bridge.js";
import { bench, cmd, failure, pattern, stored, write } from "./bench.js";

describe("hardware wait", () => {
  test("that stops at any clock: the transfer is ended, nothing called written, polling from then on", async () => {
    let waits = 0;
    const onStep: DirectBridgeOptions["onStep"] = (step) => {
      waits += step.ops.filter(({ kind }) => kind === "waitReady").length;
    };
    const b = bench({ busy: 40, edge: 0x1f }, { hardwareWait: "clock", onStep });
    const error = await failure(write(b, 0, pattern(4, 3)));
    expect(error).toMatchObject({
      code: "CARD_CRC",
      details: { reason: "hardware-wait", blocksDone: 0 },
    });
    expect(b.bus.capabilities.hardwareWait).toBe(false);
    const used = waits;
    if (!b.bus.stateKnown) expect((await b.bus.recover(b.in(1000))).outcome).toBe("ready");
    await write(b, 0, pattern(4, 3));
    expect(waits).toBe(used);
    expect(stored(b.card, 0, 4)).toEqual(Buffer.from(pattern(4, 3)));
  });
});

describe("hardware wait at byte borders", () => {
  for (const late of [0, 1, 2, 3]) {
    test(`response ${late} late`, async () => {
      for (const busy of [0, 1, 500, 200_000]) {
        const b = bench({ late, busy }, { hardwareWait: "border" });
        await write(b, 3, pattern(5, busy), 5000);
        await write(b, 20, pattern(1, busy), 5000);
        await b.bus.command(cmd(38, 0, "R1b"), b.in(1000));
        expect(stored(b.card, 3, 5)).toEqual(Buffer.from(pattern(5, busy)));
        expect(b.bus.capabilities.hardwareWait).toBe(true);
        expect(b.card.violations).toEqual([]);
      }
    });
  }

  test("a late response of 05 is lost in the wait: said to be a bus error, and polled from then on", async () => {
    const b = bench({ late: 1, busy: 50, response: { 0: 0x05 } }, { hardwareWait: "border" });
    const error = await failure(write(b, 3, pattern(2, 1)));
    expect(error).toMatchObject({ code: "CARD_CRC", details: { reason: "hardware-wait" } });
    await write(b, 3, pattern(2, 1));
    expect(stored(b.card, 3, 2)).toEqual(Buffer.from(pattern(2, 1)));
  });
});
