import { describe, expect, test } from "@jest/globals";
import type { PanicOutcome } from "../../src/block/panic.js";
import { commandBytes } from "../../src/card/spi-mode/frame.js";
import { MemoryFlash } from "../../src/sim/card/flash.js";
import { createCardModel } from "../../src/sim/card/model.js";
import type { CardModelOptions } from "../../src/sim/card/options.js";
import type { SpiDevice } from "../../src/sim/spi-device.js";
import { TransportError } from "../../src/transport/types.js";
import { errorCode } from "../../src/util/errors.js";
import { PanicBench, type PanicBenchOptions, START_LBA } from "./panic-bench.js";

interface Exception {
  readonly what: string;
  readonly options?: PanicBenchOptions;
  /** Makes it so, behind an armed writer. */
  readonly given: (bench: PanicBench) => void | Promise<void>;
  readonly ms?: number;
  /** The one right verdict, and what its hint says. */
  readonly outcome: PanicOutcome;
  readonly hint: RegExp;
  readonly dataAtRisk?: boolean;
}

const EMPTY: SpiDevice = {
  setCs: () => undefined,
  exchange: (_mosi, miso, length) => void miso?.fill(0xff, 0, length),
  peek: () => 0xff,
};
const GONE: SpiDevice = {
  ...EMPTY,
  exchange: () => {
    throw new TransportError("TRANSPORT_DISCONNECTED", "the adapter is gone", {
      hint: "plug it in again",
    });
  },
};

/** The same card, by its CID, in another state. */
function changed(bench: PanicBench, options: Partial<CardModelOptions>): void {
  bench.slot.card = createCardModel(bench.flash, {
    maxFrequencyHz: 30e6,
    initialisationUs: 1000,
    ...options,
  });
}

/** A host has died between CMD24 and its token, and this one knows of nothing but a failed bridge. */
async function stopBeforeToken({ model, bridge, card }: PanicBench): Promise<void> {
  model.setCs("low");
  const frame = Uint8Array.of(0xff, ...commandBytes(24, 2048), 0xff, 0xff, 0xff, 0xff);
  model.exchange(frame, undefined, frame.length, { startUs: bridge.clock.nowUs(), usPerByte: 1 });
  bridge.resetStats();
  bridge.faults.failStep = 0;
  await card.read(0, new Uint8Array(512)).catch(() => undefined);
}

const refuseAll = ({ model }: PanicBench): void => {
  for (let at = 0; at < 32; at++)
    model.inject({ kind: "write-error", sector: START_LBA + at, times: 100 });
};

const ERASE_FOR_EVER = { card: { eraseBusy: { us: 1e12 } } };
const erase = async ({ card }: PanicBench): Promise<void> => {
  void card.erase?.(2048, 1024).catch(() => undefined);
  for (let turn = 0; turn < 200; turn++) await Promise.resolve();
};

const EXCEPTIONS: readonly Exception[] = [
  {
    what: "the card was taken out",
    given: (bench) => {
      bench.slot.card = EMPTY;
    },
    outcome: "card-gone",
    hint: /a card is inserted/,
  },
  {
    what: "its power has gone",
    given: ({ model }) => model.cutPowerAt(0, "old"),
    outcome: "card-gone",
    hint: /a card is inserted/,
  },
  {
    what: "it was left in 1.8 V signalling",
    given: (bench) => changed(bench, { quirks: ["uhs-left-on"] }),
    outcome: "card-gone",
    hint: /take its power away.*1\.8 V/,
  },
  {
    what: "CRC checking is off, and it is deaf while it waits for a token",
    options: { crc: false },
    given: stopBeforeToken,
    outcome: "card-gone",
    hint: /take its power away.*CRC checking off/,
  },
  {
    what: "it is busy past the deadline, and hears no CMD0 meanwhile",
    options: ERASE_FOR_EVER,
    given: erase,
    outcome: "card-busy",
    hint: /leave it powered/,
    dataAtRisk: true,
  },
  {
    what: "another card is in the slot",
    given: (bench) => {
      bench.slot.card = createCardModel(new MemoryFlash(8192), { kind: "sdsc" });
    },
    outcome: "wrong-card",
    hint: /put the .*card back/,
  },
  {
    what: "it was locked meanwhile",
    given: (bench) => changed(bench, { locked: true }),
    outcome: "locked",
    hint: /unlock it/,
  },
  {
    what: "it was write-protected meanwhile",
    given: (bench) => changed(bench, { writeProtect: "temporary" }),
    outcome: "write-protected",
    hint: /protected/,
  },
  {
    what: "it refuses every block",
    given: refuseAll,
    outcome: "write-failed",
    hint: /another card/,
  },
  {
    what: "it never ends its initialisation",
    given: (bench) => changed(bench, { initialisationUs: Number.POSITIVE_INFINITY }),
    ms: 5000,
    outcome: "needs-power-cycle",
    hint: /power away/,
  },
  {
    what: "the adapter has gone",
    given: (bench) => {
      bench.slot.card = GONE;
    },
    outcome: "bridge-gone",
    hint: /plug it in/,
  },
  {
    what: "there is no time",
    given: () => undefined,
    ms: 0,
    outcome: "deadline",
    hint: /more time/,
  },
];

describe("what cannot end in a record: one right verdict, and what the user can do", () => {
  test.each(EXCEPTIONS.map((one) => [one.what, one] as const))("%s", async (_, exception) => {
    const { options, given, ms = 2000, outcome, hint, dataAtRisk = false } = exception;
    const bench = await PanicBench.open(options);
    await given(bench);
    const before = bench.partition();
    const startUs = bench.bridge.clock.nowUs();
    const { verdict, name } = await bench.fire("the last words\n", ms);
    expect([verdict.outcome, verdict.error?.message]).toEqual([outcome, expect.any(String)]);
    expect(verdict.error?.hint).toMatch(hint);
    expect(verdict.dataAtRisk).toBe(dataAtRisk);
    expect([verdict.stepsDone, name]).toEqual([0, undefined]);
    expect(Buffer.compare(bench.partition(), before)).toBe(0);
    // A step that has begun may end a little behind it.
    expect(bench.bridge.clock.nowUs() - startUs).toBeLessThan((ms + 200) * 1000);
  });
});

test("a card with the same CID, but other records, is in the slot: a copy, which is not written", async () => {
  const bench = await PanicBench.open({ records: 4 });
  const copy = new MemoryFlash(4096);
  bench.slot.card = createCardModel(copy, { initialisationUs: 1000 });
  const { verdict } = await bench.fire();
  expect([verdict.outcome, verdict.stepsDone]).toEqual(["wrong-card", 0]);
  expect(verdict.error?.hint).toMatch(/put the card back/);
  const sector = new Uint8Array(512);
  for (let lba = START_LBA; lba < START_LBA + 32; lba++) {
    copy.read(lba, sector);
    expect([lba, sector.every((byte) => byte === 0)]).toEqual([lba, true]);
  }
});

describe("a card that is taken back all the same", () => {
  test("busy past half of the time, but it hears CMD0: its data are at risk, and that is said", async () => {
    const card = { ...ERASE_FOR_EVER.card, resetWhileBusy: "abort" as const };
    const bench = await PanicBench.open({ card });
    await erase(bench);
    const { verdict } = await bench.fire("the last words\n", 2000);
    expect([verdict.outcome, verdict.dataAtRisk]).toEqual(["committed", true]);
  });

  test("power-cycled meanwhile: identified again, its contents looked at", async () => {
    const bench = await PanicBench.open();
    bench.model.powerCycle();
    const { verdict } = await bench.fire();
    expect([verdict.outcome, verdict.dataAtRisk]).toEqual(["committed", false]);
    expect(verdict.recovery?.steps).toContain("identify");
  });

  test("a second panic behind the first, without another look at the card, which was interrupted", async () => {
    const bench = await PanicBench.open();
    expect((await bench.fire()).verdict.outcome).toBe("committed");
    bench.bridge.resetStats();
    bench.bridge.faults.failStep = 1;
    const reading = bench.card.read(0, new Uint8Array(8192)).catch(errorCode);
    const second = await bench.fire("again\n");
    expect(await reading).toBe("BLOCK_PREEMPTED");
    expect(second.verdict.recovery).toBeDefined();
    expect(second.verdict.outcome).toBe("committed");
  });

  test("behind a record of the regular path that failed at any step: the writer stays armed", async () => {
    let failed = 0;
    for (let step = 0; ; step++) {
      const bench = await PanicBench.open();
      bench.bridge.resetStats();
      bench.bridge.faults.failStep = step;
      const text = Buffer.from("regular\n");
      await bench.store.append({ text, reason: 2 }).catch(() => failed++);
      if (bench.bridge.stats.roundTrips <= step) break;
      const { verdict } = await bench.fire();
      expect([step, verdict.outcome]).toEqual([step, "committed"]);
      const names = await bench.names();
      expect([step, names.filter((name) => !name.endsWith(" verified"))]).toEqual([step, []]);
    }
    expect(failed).toBeGreaterThan(10);
  });

  test("the verdict comes within the deadline, whatever the card was doing", async () => {
    for (const ms of [1, 20, 200, 1000]) {
      const bench = await PanicBench.open(ERASE_FOR_EVER);
      await erase(bench);
      const { verdict } = await bench.fire("the last words\n", ms);
      expect([ms, verdict.outcome]).toEqual([ms, expect.stringMatching(/^(card-busy|deadline)$/)]);
      expect([ms, verdict.us <= (ms + 50) * 1000]).toEqual([ms, true]);
    }
  });
});
