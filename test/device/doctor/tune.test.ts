import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { type TuneOptions, type TuneReport, tune } from "../../../src/device/doctor/tune.js";
import { ModelBench } from "./model-target.js";

const BYTES = 4096;

async function tuned(bench: ModelBench, options: Partial<TuneOptions> = {}): Promise<TuneReport> {
  const target = bench.target();
  try {
    return await tune(target, { bytes: BYTES, crc: true, ...options });
  } finally {
    await target.close();
  }
}

/** An FTDI chip has 30 MHz / n. */
function ftdiClockAtMost(hz: number): number {
  return 30e6 / Math.ceil(30e6 / hz);
}

/** As the model of the wire has it: rounding is not faster. */
const SLACK = 1.001;

describe("the highest clock that works", () => {
  it("is found exactly, wherever the wire gives out", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 420_000, max: 32_000_000 }),
        fc.constantFrom(15e6, 30e6, 7_000_000),
        async (cleanHz, maxHz) => {
          const bench = new ModelBench({ clean: String(cleanHz) });
          const { frequencyHz, trials, limitedBy } = await tuned(bench, { maxHz });
          const expected = ftdiClockAtMost(Math.min(maxHz, cleanHz * SLACK));
          expect(frequencyHz).toBeCloseTo(expected, 3);
          const failed = trials.filter(({ error }) => error !== undefined);
          const clocks = failed.map((trial) => trial.frequencyHz);
          const top = ftdiClockAtMost(maxHz);
          // The next one up was tried, and failed.
          const next = 30e6 / (Math.round(30e6 / expected) - 1);
          if (expected < top) expect(Math.min(...clocks)).toBeCloseTo(next, 3);
          else expect(clocks).toEqual([]);
          expect(limitedBy === "errors").toBe(expected < top);
          expect(bench.lastHz).toBeCloseTo(expected, 3);
        },
      ),
      { numRuns: 25 },
    );
  });

  it.each([
    ["ch341a", "1M", 190_476],
    ["ch341a", "3M", 1_500_000],
    ["mcp2210", "5M", 4_000_000],
    ["serprog", "12M", 12_000_000],
    ["serprog", "11999k", 12_000_000],
    ["serprog", "11M", 6_000_000],
  ])("%s, clean up to %s", async (bridge, clean, expected) => {
    const { frequencyHz } = await tuned(new ModelBench({ bridge, clean }));
    expect(Math.round(frequencyHz)).toBe(expected);
  });

  it("asks for no more than the card allows, unless it is told to", async () => {
    const bench = new ModelBench();
    expect(await tuned(bench)).toMatchObject({ frequencyHz: 15e6, limitedBy: "card" });
    expect(bench.violations).toEqual([]);
    expect(await tuned(bench, { maxHz: 12e6 })).toMatchObject({
      frequencyHz: 10e6,
      limitedBy: "asked",
    });
    expect(await tuned(bench, { maxHz: 50e6 })).toMatchObject({
      frequencyHz: 30e6,
      limitedBy: "adapter",
    });
  });

  it("tells the share of what the clock allows", async () => {
    const report = await tuned(new ModelBench(), { bytes: 1 << 18, maxHz: 30e6 });
    expect(report.limitBytesPerSecond).toBeCloseTo((30e6 / 8) * (512 / 515), 3);
    expect(report.share).toBeCloseTo(report.bytesPerSecond / report.limitBytesPerSecond, 9);
    expect(report.share).toBeGreaterThan(0.95);
    expect(report.share).toBeLessThan(1);
    const slow = await tuned(new ModelBench({ bridge: "mcp2210" }));
    expect(slow.share).toBeLessThan(0.05);
  });

  it("reads whole blocks, in rounds if the card is smaller than that", async () => {
    const bench = new ModelBench({ card: "sdsc" }, 2048);
    expect((await tuned(bench, { bytes: 100 })).bytes).toBe(512);
    const { bytes } = await tuned(bench, { bytes: (1 << 20) + 1000 });
    expect(bytes).toBe((1 << 20) + 1024);
    expect(bench.violations).toEqual([]);
    expect(bench.card.counters.blocksWritten).toBe(0);
  });

  it("works with a card that has single blocks only, and with a half-duplex programmer", async () => {
    const single = new ModelBench({ quirk: "single-block-only" });
    expect((await tuned(single)).frequencyHz).toBe(15e6);
    const half = { bridge: "serprog", board: "stm32-vserprog", startup: "lax", clean: "5M" };
    expect((await tuned(new ModelBench(half))).frequencyHz).toBe(4.5e6);
  });
});

describe("when there is none", () => {
  it("says so, and leaves the card at the clock that it was found at", async () => {
    const bench = new ModelBench({ clean: "100k" });
    await expect(tuned(bench)).rejects.toMatchObject({
      code: "CARD_CRC",
      message: "the card cannot be read at any clock, not even at 400000 Hz",
      hint: expect.stringContaining("wiring"),
    });
    expect(bench.lastHz).toBe(400_000);
  });

  it("takes what its user allows for it, and no longer", async () => {
    const bench = new ModelBench();
    const late = tuned(bench, { bytes: 1 << 20, deadlineMs: 300 });
    await expect(late).rejects.toMatchObject({ code: "CARD_TIMEOUT" });
    expect(bench.clock.nowUs()).toBeLessThan(2e6);
    expect(bench.lastHz).toBe(400_000);
  });

  it("no card is no matter of clocks", async () => {
    await expect(tuned(new ModelBench({ quirk: "absent" }))).rejects.toMatchObject({
      code: "CARD_ABSENT",
    });
  });

  it("a card that loses its power on the way is not blamed on the clock", async () => {
    const bench = new ModelBench({ clean: "8M" });
    bench.card.cutPowerAt(20_000, "old");
    await expect(tuned(bench)).rejects.toMatchObject({ code: "CARD_ABSENT" });
  });

  it("an adapter that is pulled: wherever that is, it is said, and nothing hangs", async () => {
    const healthy = new ModelBench({ clean: "8M" });
    await tuned(healthy);
    const { submitted } = healthy.adapter.model;
    for (let at = 0; at < submitted - 20; at += 23) {
      const bench = new ModelBench({ clean: "8M" });
      bench.adapter.model.unplug(at);
      const error = await tuned(bench).catch((reason: unknown) => reason);
      expect([at, error]).toEqual([
        at,
        expect.objectContaining({ code: "TRANSPORT_DISCONNECTED" }),
      ]);
    }
  });
});
