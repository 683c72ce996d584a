import { createHash } from "node:crypto";
import type { PanicReport } from "../../../src/pstore/panic.js";
import { type CellEvent, CUT_STATES, type CutState } from "../../../src/sim/card/cells.js";
import { partitionAfterCut, ZONES } from "../../panel/record-bench.js";
import { type FireBench, nameOf, type RecordSets, START_LBA } from "./bench.js";

/** A panic that was not cut, with what happened to the card's cells: from it follows what any cut would have left. */
export interface RecordedFire {
  readonly bench: FireBench;
  /** Bytes of the regular path before it. */
  readonly byte: number;
  readonly report: PanicReport;
  readonly journal: readonly CellEvent[];
  /** Clocked bytes of the card: it is cut at these and those between. */
  readonly from: number;
  readonly to: number;
  readonly old: RecordSets;
  readonly final: RecordSets;
}

export async function recordFire(bench: FireBench, byte: number): Promise<RecordedFire> {
  const run = await bench.arm();
  const { model } = bench;
  const journal = model.startJournal();
  let from = 0;
  const report = await run.panicAt(byte, () => {
    from = model.clockedBytes;
  });
  const to = run.endByte;
  const final = await bench.sets();
  const old = await bench.sets(bench.before);
  return { bench, byte, report, journal: inPartition(bench, journal), from, to, old, final };
}

function inPartition({ before }: FireBench, journal: readonly CellEvent[]): CellEvent[] {
  const end = START_LBA + before.length / 512;
  return journal.filter(({ sector }) => sector >= START_LBA && sector < end);
}

/** What is on the partition if power goes at a clocked byte. */
export function afterCut(fire: RecordedFire, byte: number, state: CutState): Uint8Array {
  return partitionAfterCut(fire.bench.before, fire.journal, byte, state);
}

/** Clocked bytes at which what a cut leaves can change: between two of them all cuts leave the same. */
export function borders({ journal, from, to }: RecordedFire): number[] {
  const at = journal.map((event) => (event.kind === "accept" ? event.atByte : event.atByte + 1));
  return [...new Set([from, ...at])]
    .filter((byte) => byte >= from && byte <= to)
    .sort((a, b) => a - b);
}

export interface CutSums {
  cuts: number;
  different: number;
  readonly failures: string[];
}

/** Every cut of one panic: what it leaves is one of the sets of DESIGN §4. */
export async function judgeCuts(fire: RecordedFire, sums: CutSums): Promise<void> {
  const allowed = allowedSets(fire);
  const seen = new Set<string>();
  const all = borders(fire);
  for (const [index, byte] of all.entries()) {
    sums.cuts += ((all[index + 1] ?? fire.to + 1) - byte) * CUT_STATES.length;
    for (const state of CUT_STATES) {
      const bytes = afterCut(fire, byte, state);
      const hash = createHash("sha256").update(bytes).digest("hex");
      if (seen.has(hash)) continue;
      seen.add(hash);
      const { kernel, own } = await fire.bench.sets(bytes);
      const id = `${cutId(fire, byte, state)}`;
      if (!allowed.kernel.has(kernel)) sums.failures.push(`${id}: a kernel shows ${kernel}`);
      if (!allowed.own.has(own)) sums.failures.push(`${id}: we show ${own}`);
    }
  }
  sums.different += seen.size;
}

/** Reruns exactly this cut. */
export function cutId({ bench, byte, from }: RecordedFire, at: number, state: CutState): string {
  return `${nameOf(bench.panel)}, interrupted at byte ${byte}, power cut at byte ${at - from} of fire(), ${state}`;
}

/** Verdicts that can be true; `committed` where only the last clocks behind the reading back are missing. */
const CUT_OUTCOMES: readonly string[] = ["card-gone", "committed-unverified", "committed"];

/** The power really goes: the cells hold what was worked out, and the verdict says no more than is true. */
export async function reallyCut(
  fire: RecordedFire,
  at: number,
  state: CutState,
): Promise<string[]> {
  const { bench, byte, from } = fire;
  const run = await bench.arm();
  const report = await run.panicAt(byte, () => bench.model.cutPowerAt(at - from, state));
  const failures: string[] = [];
  const { outcome, error } = report.verdict;
  if (bench.model.powered) failures.push("the power is on");
  if (Buffer.compare(bench.partition(), afterCut(fire, at, state)) !== 0)
    failures.push("the cells hold something else");
  if (!CUT_OUTCOMES.includes(outcome)) failures.push(`the verdict is ${outcome}`);
  if (outcome === "card-gone" && error?.hint === undefined) failures.push("no hint");
  const { own } = await bench.sets();
  if (outcome.startsWith("committed") && own !== fire.final.own)
    failures.push(`${outcome}, and we show ${own}`);
  return failures.map((failure) => `${cutId(fire, at, state)}: ${failure}`);
}

interface AllowedSets {
  readonly kernel: ReadonlySet<string>;
  readonly own: ReadonlySet<string>;
}

function allowedSets({ bench: { panel }, old, final }: RecordedFire): AllowedSets {
  const of = (before: string, after: string): Set<string> =>
    panel.records === ZONES ? setsOfFullRing(before, after) : setsWithRoom(before, after);
  return { kernel: of(old.kernel, final.kernel), own: of(old.own, final.own) };
}

/** All that was there, and any of what came: nothing is lost where a zone is free. */
function setsWithRoom(before: string, after: string): Set<string> {
  const old = before.split(" ");
  const added = after.split(" ").filter((one) => !old.includes(one));
  let sets: string[][] = [old];
  for (const one of added) sets = sets.flatMap((set) => [set, [...set, one]]);
  return new Set(sets.map((set) => set.sort().join(" ")));
}

/** The old set, that without the replaced record, or the new set. */
function setsOfFullRing(before: string, after: string): Set<string> {
  const now = after.split(" ");
  const kept = before.split(" ").filter((one) => now.includes(one));
  return new Set([before, kept.join(" "), after]);
}

/** Panics after so many bytes of what the regular path does: all of them, in steps. */
export async function* firesDuring(bench: FireBench, step: number): AsyncGenerator<RecordedFire> {
  for (let byte = step >> 1; ; byte += step) {
    const fire = await recordFire(bench, byte).catch((error: unknown) => {
      if (error instanceof RangeError) return undefined;
      throw error;
    });
    if (fire === undefined) return;
    yield fire;
    if (bench.panel.before === "idle") return;
  }
}
