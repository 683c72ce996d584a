import { expect, test } from "@jest/globals";
import { CUT_STATES } from "../../../src/sim/card/cells.js";
import { FireBench } from "./bench.js";
import { FIRE_CASES } from "./cases.js";
import { firesDuring, judgeCuts, reallyCut, recordFire } from "./power-cuts.js";

/** The regular path is interrupted after each so-many-th byte: prime, so that no part of a block is left out. */
const STEP = { idle: 1, reading: 7, writing: 7, erasing: 13, appending: 37 } as const;
/** The power really goes at each so-many-th byte of one panic. */
const REAL_STEP = 11;
/** In the middle of a block, or of what is busy. */
const REAL_AT = 1700;

test.each(FIRE_CASES)("power cut at every byte of fire(): %s", async (name, panel) => {
  const bench = await FireBench.open(panel);
  const sums = { cuts: 0, different: 0, failures: [] as string[] };
  let fires = 0;
  for await (const fire of firesDuring(bench, STEP[panel.before])) {
    expect([fire.byte, fire.report.verdict.outcome]).toEqual([fire.byte, "committed"]);
    await judgeCuts(fire, sums);
    fires++;
  }
  process.stderr.write(
    `power cuts of fire(), ${name}: ${fires} panics, ${sums.cuts} cuts, ${sums.different} different partitions checked\n`,
  );
  expect(sums.failures).toEqual([]);
  expect(sums.cuts).toBeGreaterThan(36_000);
});

test.each(FIRE_CASES)("power really cut in fire(): %s", async (_, panel) => {
  const bench = await FireBench.open(panel);
  const fire = await recordFire(bench, REAL_AT);
  const failures: string[] = [];
  for (let at = fire.from; at < fire.to; at += REAL_STEP)
    failures.push(...(await reallyCut(fire, at, CUT_STATES[at % CUT_STATES.length] ?? "old")));
  expect(failures).toEqual([]);
});
