import { createHash } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import { type CellEvent, CUT_STATES } from "../../src/sim/card/cells.js";
import { isMmcpstoreError } from "../../src/util/errors.js";
import {
  kernelSet,
  ownSet,
  type PanelCase,
  panelRun,
  partitionAfterCut,
  partitionOf,
  preparedPartition,
  ZONES,
} from "./record-bench.js";

const CASES: readonly PanelCase[] = [
  { kmsgSize: 4096, records: 2 },
  { kmsgSize: 4096, records: ZONES },
  { kmsgSize: 65_536, records: 2 },
  { kmsgSize: 65_536, records: ZONES },
];
const nameOf = ({ kmsgSize, records }: PanelCase): string =>
  `zones of ${kmsgSize / 1024} KiB, ${records === ZONES ? "ring full" : "a zone free"}`;

interface Recorded {
  readonly before: Uint8Array;
  readonly after: Uint8Array;
  readonly journal: readonly CellEvent[];
  /** Clocked bytes of the write: it is cut after 0, 1, ... of them. */
  readonly from: number;
  readonly to: number;
}

/** One whole write, with the journal of the card's cells: from it follows what any cut would have left. */
async function recordWrite(panel: PanelCase): Promise<Recorded> {
  const before = await preparedPartition(panel);
  const { model, flash, write } = await panelRun(panel, before);
  const journal = model.startJournal();
  const from = model.clockedBytes;
  await write();
  expect(model.violations).toEqual([]);
  expect(model.crcOn).toBe(true);
  return {
    before,
    after: partitionOf(flash, before.length),
    journal,
    from,
    to: model.clockedBytes,
  };
}

/** Clocked bytes at which what a cut leaves can change: between two of them all cuts leave the same. */
function borders({ journal, from, to }: Recorded): number[] {
  const at = journal.map((event) => (event.kind === "accept" ? event.atByte : event.atByte + 1));
  return [...new Set([from, ...at])].filter((byte) => byte <= to).sort((a, b) => a - b);
}

describe.each(CASES.map((panel) => [nameOf(panel), panel] as const))(
  "power cut at every clocked byte of a record: %s",
  (name, panel) => {
    test("leaves the old set, the old set without the replaced record (only if no zone was free), or the new set", async () => {
      const run = await recordWrite(panel);
      const sets = await allowedSets(panel, run);
      const seen = new Map<string, string>();
      let cuts = 0;
      for (const [index, byte] of borders(run).entries()) {
        cuts += ((borders(run)[index + 1] ?? run.to + 1) - byte) * CUT_STATES.length;
        for (const state of CUT_STATES) {
          const id = `${name}, byte ${byte - run.from}, ${state}`;
          const bytes = partitionAfterCut(run.before, run.journal, byte, state);
          const hash = createHash("sha256").update(bytes).digest("hex");
          if (seen.has(hash)) continue;
          seen.set(hash, id);
          expect({
            id,
            allowed: sets.kernel.has(kernelSet(bytes, panel)),
            set: kernelSet(bytes, panel),
          }).toMatchObject({ id, allowed: true });
          expect({
            id,
            allowed: sets.own.has(await ownSet(bytes, panel)),
            set: await ownSet(bytes, panel),
          }).toMatchObject({ id, allowed: true });
        }
      }
      process.stderr.write(
        `power cuts, ${name}: ${cuts} cuts, ${seen.size} different partitions checked\n`,
      );
      expect(cuts).toBe((run.to - run.from + 1) * CUT_STATES.length);
      expect(seen.size).toBeGreaterThan(panel.kmsgSize / 512);
    });
  },
);

interface AllowedSets {
  readonly kernel: ReadonlySet<string>;
  readonly own: ReadonlySet<string>;
}

async function allowedSets(panel: PanelCase, { before, after }: Recorded): Promise<AllowedSets> {
  const [oldKernel, newKernel] = [kernelSet(before, panel), kernelSet(after, panel)];
  const [oldOwn, newOwn] = [await ownSet(before, panel), await ownSet(after, panel)];
  expect(newKernel).not.toBe(oldKernel);
  const kept = (old: string, now: string): string =>
    old
      .split(" ")
      .filter((one) => now.split(" ").includes(one))
      .join(" ");
  if (panel.records < ZONES) {
    expect(kept(oldKernel, newKernel)).toBe(oldKernel);
    return { kernel: new Set([oldKernel, newKernel]), own: new Set([oldOwn, newOwn]) };
  }
  return {
    kernel: new Set([oldKernel, kept(oldKernel, newKernel), newKernel]),
    own: new Set([oldOwn, kept(oldOwn, newOwn), newOwn]),
  };
}

/** Cuts that are really made: around every border, and every 211th byte between. */
function realCuts(run: Recorded): number[] {
  const near = borders(run).flatMap((byte) => [byte - 1, byte, byte + 1]);
  const spread = Array.from(
    { length: Math.floor((run.to - run.from) / 211) },
    (_, at) => run.from + at * 211,
  );
  return [...new Set([...near, ...spread])].filter((byte) => byte >= run.from && byte < run.to);
}

test.each(CASES.slice(0, 2).map((panel) => [nameOf(panel), panel] as const))(
  "really cut, %s: the card holds what was worked out, and the host ends in a typed error",
  async (_name, panel) => {
    const run = await recordWrite(panel);
    for (const [index, byte] of realCuts(run).entries()) {
      const state = CUT_STATES[index % CUT_STATES.length] ?? "old";
      const { model, flash, write } = await panelRun(panel, run.before);
      model.cutPowerAt(byte - run.from, state);
      const failure: unknown = await write().catch((error: unknown) => error);
      const id = `byte ${byte - run.from}, ${state}`;
      expect({ id, typed: isMmcpstoreError(failure), powered: model.powered }).toEqual({
        id,
        typed: true,
        powered: false,
      });
      const expected = partitionAfterCut(run.before, run.journal, byte, state);
      expect({
        id,
        equal: Buffer.compare(partitionOf(flash, run.before.length), expected),
      }).toEqual({ id, equal: 0 });
    }
  },
);
