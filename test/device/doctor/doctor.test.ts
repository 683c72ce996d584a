import { describe, expect, it } from "@jest/globals";
import { openCard } from "../../../src/card/sd-card.js";
import { createSpiModeBus } from "../../../src/card/spi-mode/spi-mode-bus.js";
import { findAdapterData } from "../../../src/device/adapters/data.js";
import { runDoctor } from "../../../src/device/doctor/run.js";
import {
  DOCTOR_STEPS,
  type DoctorReport,
  type DoctorStepName,
} from "../../../src/device/doctor/types.js";
import { SIM_CHIPS } from "../../../src/device/sim-options.js";
import { ModelBench } from "./model-target.js";

/** One chip of each kind of driver. */
const FAMILIES = SIM_CHIPS.filter((chip) => chip !== "ft2232h" && chip !== "ft4232h");

type Options = Readonly<Record<string, string>>;

async function visit(
  bench: ModelBench,
  options: Partial<Parameters<typeof runDoctor>[1]> = {},
): Promise<DoctorReport> {
  const target = bench.target();
  try {
    return await runDoctor(target, { crc: true, ...options });
  } finally {
    await target.close();
  }
}

/** `name state`, and of what failed its code. */
function failures({ steps }: DoctorReport): string[] {
  return steps.flatMap(({ name, state, code }) => (state === "failed" ? [`${name} ${code}`] : []));
}

function notReached({ steps }: DoctorReport): DoctorStepName[] {
  return steps.flatMap(({ name, state }) => (state === "not reached" ? [name] : []));
}

function fixOf({ steps }: DoctorReport, step: DoctorStepName): string {
  return steps.find(({ name }) => name === step)?.fix ?? "";
}

describe("a healthy bench", () => {
  it.each(SIM_CHIPS)("%s: every step is ok, by the rules of chip and card", async (bridge) => {
    const bench = new ModelBench({ bridge });
    const report = await visit(bench);
    expect(report.steps.map(({ name, state }) => [name, state])).toEqual(
      DOCTOR_STEPS.map((name) => [name, "ok"]),
    );
    expect(report.card).toContain("SDHC card of 16 MiB");
    expect(report.frequencyHz).toBeGreaterThanOrEqual(1.5e6);
    // Some chips have no clock that is slow enough for identification.
    const tooFast = (findAdapterData(bridge)?.clock.minHz ?? 0) > 400_000;
    const broken = bench.violations.filter(
      ({ rule }) => !tooFast || rule !== "identification-clock",
    );
    expect(broken).toEqual([]);
    expect(bench.card.counters.blocksWritten).toBe(0);
  });

  it.each([
    ["sdsc", "SDSC"],
    ["mmc", "MMC"],
    ["sdhc", "SDHC"],
  ])("tells what card it is: %s", async (card, kind) => {
    const report = await visit(new ModelBench({ card }));
    expect([failures(report), report.card]).toEqual([[], expect.stringContaining(kind)]);
  });

  it("finds the highest clock of the adapter that the card allows, or that was asked for", async () => {
    expect((await visit(new ModelBench())).frequencyHz).toBe(15e6);
    expect((await visit(new ModelBench(), { speedHz: 11e6 })).frequencyHz).toBe(10e6);
    expect((await visit(new ModelBench(), { speedHz: 30e6 })).frequencyHz).toBe(30e6);
  });

  it("says at which clock errors begin", async () => {
    const report = await visit(new ModelBench({ clean: "8M" }));
    expect([failures(report), report.frequencyHz]).toEqual([[], 7.5e6]);
    expect(fixOf(report, "clock")).toContain("10 MHz there are errors");
  });

  it("can be seen twice in a row", async () => {
    const bench = new ModelBench();
    const first = await visit(bench);
    expect(await visit(bench)).toEqual(first);
  });

  it("tells each step as it is over", async () => {
    const told: string[] = [];
    await visit(new ModelBench(), { onStep: ({ name }) => void told.push(name) });
    expect(told).toEqual([...DOCTOR_STEPS]);
  });
});

/** Options of the model, the steps that fail and their codes, and where a fix is looked for. */
const CASES: readonly (readonly [string, Options, readonly string[], DoctorStepName, RegExp])[] = [
  ["no card", { quirk: "absent" }, ["cmd0 CARD_ABSENT"], "cmd0", /card is inserted.*3\.3 V/],
  ["MISO cut, pulled up", { miso: "high" }, ["cmd0 CARD_ABSENT"], "cmd0", /wires.*MISO/],
  [
    "MISO shorted to ground",
    { miso: "low" },
    ["miso CARD_ABSENT", "cmd0 CARD_ABSENT"],
    "miso",
    /3\.3 V.*pull-up/,
  ],
  ["MISO floating", { miso: "floating" }, ["miso CARD_CRC"], "miso", /pull-up/],
  ["a missing pull-up", { miso: "unpulled" }, ["miso CARD_CRC"], "miso", /pull-up of 10/],
  ["CRC refused", { quirk: "cmd59-refused" }, ["crc CARD_REFUSED"], "crc", /class B/],
  [
    "a card that holds MISO low",
    { quirk: "stuck-low" },
    ["miso CARD_ABSENT", "cmd0 CARD_ABSENT"],
    "miso",
    /3\.3 V.*wire of MISO/,
  ],
  ["a locked card", { locked: "on" }, ["registers CARD_LOCKED"], "registers", /unlock/],
  [
    "a card left in 1.8 V signalling",
    { quirk: "uhs-left-on" },
    ["cmd0 CARD_ABSENT"],
    "cmd0",
    /card is inserted/,
  ],
  ["wires too bad for any clock", { clean: "100k" }, ["clock CARD_CRC"], "clock", /wiring/],
];

describe("what is wrong with wires and card", () => {
  it.each(CASES)("%s", async (_, options, failed, step, fix) => {
    const report = await visit(new ModelBench(options));
    expect(failures(report)).toEqual(failed);
    expect(fixOf(report, step)).toMatch(fix);
  });

  it.each(FAMILIES)("tells them apart on a %s too", async (bridge) => {
    for (const [name, options, failed] of CASES.slice(0, 6)) {
      // Seconds of waiting, bit by bit: the model of that chip takes as long.
      if (bridge === "ch341a" && options["miso"] === "low") continue;
      const report = await visit(new ModelBench({ bridge, ...options }));
      expect([name, failures(report)]).toEqual([name, failed]);
    }
  });

  it("goes on behind what ends nothing", async () => {
    const unpulled = await visit(new ModelBench({ miso: "unpulled" }));
    expect([notReached(unpulled), unpulled.frequencyHz]).toEqual([[], 15e6]);
    const refused = await visit(new ModelBench({ quirk: "cmd59-refused" }));
    expect(notReached(refused)).toEqual([]);
  });

  it("a card that is silent at CMD8", async () => {
    const bench = new ModelBench();
    bench.card.inject({ kind: "no-response", command: 8, times: Infinity });
    const report = await visit(bench);
    expect(failures(report)).toEqual(["cmd8 CARD_NO_RESPONSE"]);
    expect(notReached(report)).toEqual(["ready", "crc", "registers", "clock"]);
    expect(fixOf(report, "cmd8")).toMatch(/wiring/);
  });

  it("a card that never gets ready", async () => {
    const bench = new ModelBench({ init: "1000s" });
    const report = await visit(bench);
    expect([failures(report), fixOf(report, "ready")]).toEqual([
      ["ready CARD_UNUSABLE"],
      expect.stringContaining("power"),
    ]);
  });

  it("an old card does not know CMD8, and that is right", async () => {
    const report = await visit(new ModelBench({ card: "sdsc" }));
    expect(report.steps.find(({ name }) => name === "cmd8")).toMatchObject({
      state: "ok",
      finding: expect.stringContaining("does not know it"),
    });
  });

  it("--crc off is said, and ends nothing", async () => {
    const report = await visit(new ModelBench({ quirk: "cmd59-refused" }), { crc: false });
    expect([failures(report), fixOf(report, "crc")]).toEqual([
      [],
      expect.stringContaining("torn block"),
    ]);
  });

  it("a programmer that cannot give start-up clocks", async () => {
    const half = { bridge: "serprog", board: "pico-serprog" };
    const strict = await visit(new ModelBench(half));
    expect([failures(strict), fixOf(strict, "cmd0")]).toEqual([
      ["cmd0 CARD_ABSENT"],
      expect.stringContaining("start-up clocks"),
    ]);
    const lenient = await visit(new ModelBench({ ...half, startup: "lax" }));
    expect(failures(lenient)).toEqual([]);
    for (const miso of ["low", "floating"]) {
      const report = await visit(new ModelBench({ ...half, startup: "lax", miso }));
      expect([miso, failures(report)[0]]).toEqual([miso, expect.stringMatching(/^miso/)]);
    }
  });

  it.each(["reset", "freeze"])(
    "takes back a card that was left in the middle of a read (CS: %s)",
    async (cs) => {
      const bench = new ModelBench({ cs });
      const reading = await leaveReading(bench);
      expect(reading).toMatchObject({ code: "TRANSPORT_DISCONNECTED" });
      expect(failures(await visit(bench))).toEqual([]);
    },
  );

  it("a passed deadline is a step that failed", async () => {
    const report = await visit(new ModelBench(), { deadlineMs: 1 });
    expect(failures(report)).toHaveLength(1);
    expect(notReached(report)).toContain("clock");
  });
});

describe("what is wrong with the adapter", () => {
  const flipped = async (transfer: number): Promise<DoctorReport> => {
    const bench = new ModelBench();
    const { adapter } = bench;
    if (adapter.family === "ftdi")
      adapter.model.inject({ kind: "flip", endpoint: "in", transfer, bit: 3 });
    return visit(bench);
  };

  it("a wrong bit on USB while the loopback runs", async () => {
    const seen = new Map<string, DoctorReport>();
    for (let transfer = 0; transfer < 12; transfer++) {
      const report = await flipped(transfer);
      for (const one of failures(report)) seen.set(one, report);
    }
    const report = seen.get("loopback BRIDGE_PROTOCOL");
    expect([...seen.keys()]).toContain("loopback BRIDGE_PROTOCOL");
    if (report === undefined) return;
    expect(fixOf(report, "loopback")).toMatch(/cable/);
    expect(report.steps.find(({ name }) => name === "sync")?.state).toBe("ok");
    expect(notReached(report)[0]).toBe("miso");
  });

  it("a chip that says nothing", async () => {
    const bench = new ModelBench();
    const { adapter } = bench;
    if (adapter.family === "ftdi")
      for (let transfer = 0; transfer < 100; transfer++)
        adapter.model.inject({ kind: "drop", endpoint: "in", transfer });
    const report = await visit(bench);
    expect([failures(report), notReached(report)[0]]).toEqual([["sync BRIDGE_SYNC"], "loopback"]);
    expect(fixOf(report, "sync")).toMatch(/plug it in again/);
  });

  it("one that is pulled while it is looked at: wherever that is, a step says so", async () => {
    const healthy = new ModelBench();
    let submitted = 0;
    await visit(healthy, {
      onStep: () => {
        submitted = healthy.adapter.model.submitted;
      },
    });
    for (let at = 0; at < submitted; at += 7) {
      const bench = new ModelBench();
      bench.adapter.model.unplug(at);
      const report = await visit(bench);
      expect([at, failures(report)]).toEqual([
        at,
        [expect.stringMatching(/TRANSPORT_DISCONNECTED$/)],
      ]);
    }
  });
});

/** A read that the adapter is pulled from, and plugged in again. */
async function leaveReading(bench: ModelBench): Promise<unknown> {
  const { model } = bench.adapter;
  const target = bench.target();
  const { bridge } = await target.start();
  const { clock } = target;
  const card = await openCard({ bus: createSpiModeBus({ bridge, clock }), clock });
  model.unplug(model.submitted + 8);
  const error = await card.read(0, new Uint8Array(1 << 20)).catch((reason: unknown) => reason);
  await target.close().catch(() => undefined);
  model.replug();
  return error;
}
