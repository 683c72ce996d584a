import type { Deadline } from "../util/deadline.js";
import type { PlannedWrite } from "./create-types.js";
import { BLOCK_SIZE, type BlockDevice } from "./device.js";
import { readBlocks } from "./read-blocks.js";

/** Whole blocks as they shall be. */
export type Wanted = PlannedWrite;

/** Blocks that are to change, and what they hold now. */
export interface Change {
  readonly write: PlannedWrite;
  readonly before: Uint8Array;
}

/** The runs of blocks in which the device differs from what is wanted, in the same order: blocks that are right are not written. */
export async function changesFor(
  device: BlockDevice,
  wanted: readonly Wanted[],
  deadline?: Deadline,
): Promise<Change[]> {
  const changes: Change[] = [];
  for (const { lba, data, what } of wanted) {
    const now = await readBlocks(device, lba, data.length / BLOCK_SIZE, deadline);
    for (const [from, to] of differingRuns(now, data))
      changes.push({
        write: { lba: lba + from / BLOCK_SIZE, data: data.slice(from, to), what },
        before: now.slice(from, to),
      });
  }
  return changes;
}

/** Offsets in bytes of runs of blocks that differ. */
function differingRuns(now: Uint8Array, wanted: Uint8Array): [number, number][] {
  const runs: [number, number][] = [];
  for (let at = 0; at < wanted.length; at += BLOCK_SIZE) {
    const end = at + BLOCK_SIZE;
    if (Buffer.compare(now.subarray(at, end), wanted.subarray(at, end)) === 0) continue;
    const last = runs.at(-1);
    if (last !== undefined && last[1] === at) last[1] = end;
    else runs.push([at, end]);
  }
  return runs;
}
