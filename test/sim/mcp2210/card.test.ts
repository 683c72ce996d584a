import { describe, expect, it } from "@jest/globals";
import type { SdCard } from "../../../src/card/sd-card.js";
import type { Mcp2210Counts, Mcp2210ModelOptions } from "../../../src/sim/mcp2210/model.js";
import { deadlineIn } from "../../../src/util/deadline.js";
import { errorCode } from "../../../src/util/errors.js";
import { type CardBench, cardBench, openBenchCard, pattern } from "./support.js";

/** What `work` adds to the counters. */
async function counted(bench: CardBench, work: () => Promise<void>): Promise<Mcp2210Counts> {
  const before = bench.model.counters;
  await work();
  const after = bench.model.counters;
  const names = Object.keys(after) as (keyof Mcp2210Counts)[];
  return Object.fromEntries(
    names.map((name) => [name, after[name] - before[name]]),
  ) as unknown as Mcp2210Counts;
}

describe("a card behind an MCP2210", () => {
  it.each<[string, Partial<Mcp2210ModelOptions>]>([
    ["as documented", {}],
    ["that tells the end behind the data", { finished: "after-data" }],
    ["that is slow", { busyUs: 3000, pollInChunk: "busy", rounding: "up", divisors: "even" }],
  ])("%s is identified, written and read", async (_, options) => {
    const bench = cardBench(options);
    const { card } = await openBenchCard(bench);
    expect(card.frequencyHz).toBe(12e6);
    const data = pattern(4096);
    await card.write(100, data);
    const into = new Uint8Array(4096);
    await card.read(100, into);
    expect(Buffer.from(into).equals(Buffer.from(data))).toBe(true);
    await card.close();
    expect(bench.model.violations).toEqual([]);
    expect(bench.cardModel.violations).toEqual([]);
    expect(bench.model.chip).toMatchObject({ cs: "high", transferring: false });
  });

  it.each<[string, Partial<Mcp2210ModelOptions>]>([
    ["as documented", {}],
    ["that tells the end behind the data", { finished: "after-data" }],
  ])(
    "%s gives 64 KiB in 1130 reports, in SPI transactions as long as they can be",
    async (_, options) => {
      const bench = cardBench(options);
      const { card } = await openBenchCard(bench);
      const into = new Uint8Array(65_536);
      const read = (): Promise<Mcp2210Counts> => counted(bench, () => card.read(0, into));
      for (const reports of [(await read()).outReports, (await read()).outReports])
        expect(reports).toBeLessThanOrEqual(1130);
      // By now it is known when a block begins.
      const counts = await read();
      expect(counts.outReports).toBeLessThanOrEqual(1118);
      expect(counts.inReports).toBe(counts.outReports);
      // The first 65 535 bytes, the rest, the stop, and the clocks that let the card go.
      expect(counts.transactions).toBe(4);
      expect(counts.settingsWrites).toBeLessThanOrEqual(4);
      // For the last bytes of each transaction, and where it is told in an answer of its own, for its end.
      expect(counts.polls).toBe(options.finished === "after-data" ? 8 : 4);
      expect(counts.busyAnswers).toBe(0);
      await card.close();
      expect(bench.model.violations).toEqual([]);
    },
  );

  it("has time enough at the 5.3 kB/s that a real one was seen to do", async () => {
    const bench = cardBench({ roundTripUs: (60 * 1e6) / 5300 });
    const { card } = await openBenchCard(bench);
    const startUs = bench.clock.nowUs();
    await card.read(0, new Uint8Array(65_536));
    expect(bench.clock.nowUs() - startUs).toBeGreaterThan(12e6);
    await card.write(0, pattern(65_536));
    await card.close();
  });

  it("runs at 30 kB/s at best", async () => {
    const bench = cardBench();
    const { card } = await openBenchCard(bench);
    const into = new Uint8Array(65_536);
    await card.read(0, into);
    const startUs = bench.clock.nowUs();
    await card.read(0, into);
    const rate = (into.length * 1e6) / (bench.clock.nowUs() - startUs);
    expect(rate).toBeGreaterThan(29_000);
    expect(rate).toBeLessThan(30_000);
  });
});

interface Outcome {
  readonly code: string;
  /** Transfers until the use of the card was over, if it came to that. */
  readonly used: number;
}

/** Opens the card and uses it; what went wrong, by its code. */
async function outcomeOf(
  bench: CardBench,
  use: (card: SdCard) => Promise<unknown>,
): Promise<Outcome> {
  let used = Infinity;
  try {
    const { card } = await openBenchCard(bench);
    try {
      await use(card);
      used = bench.model.submitted;
    } finally {
      await card.close();
    }
    return { code: "done", used };
  } catch (error) {
    return { code: errorCode(error) ?? String(error), used };
  }
}

/** `npm run test:matrix` takes every one. */
const STEP = 5;

/** Unplugs at transfers from `from` on, up to the last one; returns how many there are, or a few more. */
async function unplugEverywhere(
  use: (card: SdCard) => Promise<unknown>,
  from: number,
): Promise<number> {
  for (let index = from; ; index += STEP) {
    const bench = cardBench();
    bench.model.unplug(index);
    const { code, used } = await outcomeOf(bench, use);
    if (bench.model.submitted <= index) return index;
    // A close does not fail; nothing before it is lost without a word.
    const wanted = index < used ? "TRANSPORT_DISCONNECTED" : "done";
    if (code !== wanted) throw new Error(`unplugged at transfer ${index}: ${code}`);
    if (bench.clock.nowUs() > 3e6) throw new Error(`unplugged at transfer ${index}: took too long`);
  }
}

async function transfersUntilOpen(): Promise<number> {
  const bench = cardBench();
  await openBenchCard(bench);
  return bench.model.submitted;
}

describe("an adapter pulled out", () => {
  it("at a transfer of opening, identifying and reading a block is told at once", async () => {
    const read = (card: SdCard): Promise<void> => card.read(7, new Uint8Array(512));
    const transfers = await unplugEverywhere(read, 0);
    expect(transfers).toBeGreaterThan(await transfersUntilOpen());
  });

  it("at a transfer of a write of 4 KiB is told at once", async () => {
    const data = pattern(4096);
    const from = await transfersUntilOpen();
    const transfers = await unplugEverywhere((card) => card.write(50, data), from);
    expect(transfers - from).toBeGreaterThan(2 * (4096 / 60));
  });

  it("and put back in is opened again, the card as it was written", async () => {
    const bench = cardBench();
    const { card } = await openBenchCard(bench);
    await card.write(9, pattern(512));
    const reading = card.read(0, new Uint8Array(65_536)).catch(errorCode);
    await bench.clock.sleep(100_000);
    bench.model.unplug();
    expect(await reading).toBe("TRANSPORT_DISCONNECTED");
    await card.close();
    bench.model.replug();
    const again = await openBenchCard(bench);
    const into = new Uint8Array(512);
    await again.card.read(9, into);
    expect(Buffer.from(into).equals(Buffer.from(pattern(512)))).toBe(true);
    await again.card.close();
  });
});

describe("a card operation", () => {
  it("ends at its deadline, and the next one works", async () => {
    const bench = cardBench();
    const { card, bridge } = await openBenchCard(bench);
    const into = new Uint8Array(65_536);
    const late = await card.read(0, into, deadlineIn(bench.clock, 300)).catch(errorCode);
    expect(["BRIDGE_TIMEOUT", "CARD_TIMEOUT"]).toContain(late);
    await card.read(0, new Uint8Array(512));
    await bridge.abort(deadlineIn(bench.clock, 1000));
    await card.close();
    expect(bench.model.violations).toEqual([]);
  });
});
