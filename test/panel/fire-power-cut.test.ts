import { expect, test } from "@jest/globals";
import { CUT_STATES } from "../../src/sim/card/cells.js";
import { FireBench } from "../matrix/fire/bench.js";
import { FIRE_CASES } from "../matrix/fire/cases.js";
import { judgeCuts, reallyCut, recordFire } from "../matrix/fire/power-cuts.js";

/** Bytes of what the regular path does: in a command, in a block, in a later one. `npm run test:matrix` takes many more. */
const MOMENTS = [4, 300, 1700];
/** The power really goes at each so-many-th byte of one panic. */
const REAL_STEP = 509;

test.each(FIRE_CASES)("power cut at every byte of fire(): %s", async (_, panel) => {
  const bench = await FireBench.open(panel);
  const sums = { cuts: 0, different: 0, failures: [] as string[] };
  for (const moment of panel.before === "idle" ? [0] : MOMENTS) {
    const fire = await recordFire(bench, moment);
    expect([moment, fire.report.verdict.outcome]).toEqual([moment, "committed"]);
    await judgeCuts(fire, sums);
  }
  expect(sums.failures).toEqual([]);
  expect(sums.cuts).toBeGreaterThan(36_000);
  expect(sums.different).toBeGreaterThan(20);
});

test.each(FIRE_CASES)("power really cut in fire(): %s", async (_, panel) => {
  const bench = await FireBench.open(panel);
  const fire = await recordFire(bench, 1700);
  const failures: string[] = [];
  for (let at = fire.from; at < fire.to; at += REAL_STEP)
    failures.push(...(await reallyCut(fire, at, CUT_STATES[at % CUT_STATES.length] ?? "old")));
  expect(failures).toEqual([]);
});

test("power cut while the card is asked whether it is the one that was armed: gone, not late", async () => {
  const bench = await FireBench.open({ kmsgSize: 4096, records: 2, before: "reading" });
  const fire = await recordFire(bench, 700);
  const failures: string[] = [];
  for (let at = 10_655; at < 10_695; at++)
    failures.push(...(await reallyCut(fire, fire.from + at, "old")));
  expect(failures).toEqual([]);
});
