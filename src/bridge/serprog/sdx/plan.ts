import { DEADMAN_OUTCOMES, type DeadmanPlan, type SectorRun } from "../../../spi/deadman.js";
import { equalBytes, viewOf } from "../../../util/bytes.js";
import { assert } from "../../../util/errors.js";
import { SDX } from "./protocol.js";

const SECTOR = 512;
/** Writes and compares of a plan, together. */
const MAX_ENTRIES = 255;

/** Sectors of the card, and where their content stands in the store. */
interface Entry {
  readonly step: number;
  readonly lba: number;
  readonly blocks: number;
  readonly offset: number;
}

/** What the firmware's store holds, and where the plan is in it. */
export interface EncodedPlan {
  readonly store: Uint8Array;
  readonly planOffset: number;
}

/** A plan as docs/SPEC.md 4.8 has it. What is compared is mostly what was written: it stands there once. */
export function encodePlan(plan: DeadmanPlan): EncodedPlan {
  const data = new DataArea();
  const writes = plan.steps.flatMap((step, index) => step.map((run) => data.add(run, index)));
  const compares = plan.compare.flatMap((run) => data.find(run));
  const mark = plan.mark === undefined ? SDX.PLAN_NO_MARK : data.add(plan.mark, 0).offset;
  const entries = [...writes, ...compares];
  assert(entries.length <= MAX_ENTRIES, "a plan of at most 255 writes and compares");
  const planOffset = data.bytes;
  const store = new Uint8Array(
    planOffset + SDX.PLAN_HEAD_BYTES + entries.length * SDX.PLAN_ENTRY_BYTES,
  );
  data.copyTo(store);
  putHead(store.subarray(planOffset), plan, [writes.length, compares.length, mark]);
  for (const [index, entry] of entries.entries())
    putEntry(
      store.subarray(planOffset + SDX.PLAN_HEAD_BYTES + index * SDX.PLAN_ENTRY_BYTES),
      entry,
    );
  return { store, planOffset };
}

function putHead(
  into: Uint8Array,
  plan: DeadmanPlan,
  [writes, compares, mark]: readonly [number, number, number],
): void {
  into.set(plan.cid.subarray(0, 16));
  const view = viewOf(into);
  const address = plan.addressing === "byte" ? SDX.PLAN_BYTE_ADDRESSES : 0;
  const crc = plan.crcOn ? SDX.PLAN_CRC_ON : 0;
  view.setUint8(16, address | crc | (plan.isMmc ? SDX.PLAN_MMC : 0));
  view.setUint8(17, writes);
  view.setUint8(18, compares);
  view.setUint32(20, plan.mark?.lba ?? 0, true);
  view.setUint32(24, mark, true);
  view.setUint32(28, Math.floor(plan.frequencyHz), true);
}

function putEntry(into: Uint8Array, { step, lba, blocks, offset }: Entry): void {
  const view = viewOf(into);
  view.setUint8(0, step);
  view.setUint16(2, blocks, true);
  view.setUint32(4, lba, true);
  view.setUint32(8, offset, true);
}

/** Sector contents, one behind the other. */
class DataArea {
  bytes = 0;
  readonly #runs: { readonly run: SectorRun; readonly entry: Entry }[] = [];

  add(run: SectorRun, step: number): Entry {
    const blocks = run.bytes.length / SECTOR;
    assert(Number.isInteger(blocks) && blocks > 0, "whole sectors");
    const entry = { step, lba: run.lba, blocks, offset: this.bytes };
    this.#runs.push({ run, entry });
    this.bytes += run.bytes.length;
    return entry;
  }

  /** Entries for a run, each where its content stands already, or is added now. */
  find(run: SectorRun): Entry[] {
    const entries: Entry[] = [];
    for (let at = 0; at < run.bytes.length; at += SECTOR) {
      const sector = { lba: run.lba + at / SECTOR, bytes: run.bytes.subarray(at, at + SECTOR) };
      const offset = this.#offsetOf(sector) ?? this.add(sector, 0).offset;
      const last = entries.at(-1);
      if (last !== undefined && last.offset + last.blocks * SECTOR === offset)
        entries[entries.length - 1] = { ...last, blocks: last.blocks + 1 };
      else entries.push({ step: 0, lba: sector.lba, blocks: 1, offset });
    }
    return entries;
  }

  #offsetOf({ lba, bytes }: SectorRun): number | undefined {
    for (const { run, entry } of this.#runs) {
      const at = (lba - run.lba) * SECTOR;
      if (at < 0 || at >= run.bytes.length) continue;
      if (equalBytes(run.bytes.subarray(at, at + SECTOR), bytes)) return entry.offset + at;
    }
    return undefined;
  }

  copyTo(store: Uint8Array): void {
    for (const { run, entry } of this.#runs) store.set(run.bytes, entry.offset);
  }
}

/** The name of an outcome's number; undefined for one that this version does not know. */
export function outcomeName(outcome: number): (typeof DEADMAN_OUTCOMES)[number] | undefined {
  return DEADMAN_OUTCOMES[outcome];
}
