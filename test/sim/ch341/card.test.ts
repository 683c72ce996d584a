import { describe, expect, test } from "@jest/globals";
import { cardRig, openOver, pattern } from "./support.js";

const BLOCK = 512;

describe("a card behind a CH341A", () => {
  test("is identified slowly, written, read, and left alone", async () => {
    const { clock, model, card } = cardRig();
    const { bridge, device } = await openOver(model.transport(), clock);
    expect(bridge.chip.name).toBe("CH341A");
    const data = pattern(9 * BLOCK);
    await device.write(100, data);
    const back = new Uint8Array(data.length);
    await device.read(100, back);
    expect(Buffer.from(back).equals(Buffer.from(data))).toBe(true);
    await device.close();
    expect(card.violations).toEqual([]);
    expect(model.violations).toEqual([]);
    expect(model.engine).toMatchObject({ cs: "high", wedged: false });
    expect(card.inTransferState).toBe(true);
  });

  test("64 KiB cost at most 2150 packets each way", async () => {
    const { clock, model } = cardRig();
    const { device } = await openOver(model.transport(), clock);
    const into = new Uint8Array(128 * BLOCK);
    await device.read(0, into);
    const before = { ...model.counters };
    await device.read(0, into);
    const after = model.counters;
    expect(after.outPackets - before.outPackets).toBeLessThanOrEqual(2150);
    expect(after.inPackets - before.inPackets).toBeLessThanOrEqual(2150);
  });
});
