import { describe, expect, test } from "@jest/globals";
import { bench, cmd, pattern, read, stored, write } from "./bench.js";
import type { ScriptCardOptions } from "./script-card.js";

describe("what the bench gates count", () => {
  const quick: ScriptCardOptions = { ncr: 1, nac: 8, gap: 1, busy: 16 };

  test("64 KiB read: 2 steps, at most 66 600 SPI bytes", async () => {
    const b = bench(quick);
    await read(b, 0, 128);
    b.bridge.resetStats();
    const start = b.bridge.clock.nowUs();
    await read(b, 128, 128);
    expect(b.bridge.stats.roundTrips).toBe(2);
    expect(b.bridge.stats.spiBytes).toBeLessThanOrEqual(66_600);
    const limit = (30e6 / 8) * (512 / 515);
    const rate = 65536 / ((b.bridge.clock.nowUs() - start) * 1e-6);
    expect(rate / limit).toBeGreaterThan(0.96);
  });

  test("1 MiB streamed: 98 % of the limit", async () => {
    const b = bench(quick);
    await read(b, 0, 128);
    const start = b.bridge.clock.nowUs();
    await read(b, 128, 2048, 5000);
    const rate = 1048576 / ((b.bridge.clock.nowUs() - start) * 1e-6);
    expect(rate / ((30e6 / 8) * (512 / 515))).toBeGreaterThan(0.98);
  });

  test("one block: 1 step", async () => {
    const b = bench(quick);
    await read(b, 0, 1);
    b.bridge.resetStats();
    await read(b, 1, 1);
    expect(b.bridge.stats.roundTrips).toBe(1);
  });

  for (const hardwareWait of [undefined, "border"] as const) {
    test(`64 KiB written, CMD13 included: 131 steps${hardwareWait ? ", any busy up to 17 ms" : ""}`, async () => {
      const busy = (block: number): number => (hardwareWait ? (block * 977) % 64_000 : block % 17);
      const b = bench({ ...quick, busy }, hardwareWait && { hardwareWait });
      await write(b, 0, pattern(128, 1), 60_000);
      b.bridge.resetStats();
      await write(b, 0, pattern(128, 2), 60_000);
      const status = await b.bus.command(cmd(13, 0, "R2"), b.in(100));
      expect(status).toEqual({ r1: 0, extra: Uint8Array.of(0) });
      expect(b.bridge.stats.roundTrips).toBeLessThanOrEqual(131);
      expect(stored(b.card, 0, 128)).toEqual(Buffer.from(pattern(128, 2)));
    });
  }
});
