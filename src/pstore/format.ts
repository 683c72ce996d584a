import { BLOCK_SIZE, type BlockDevice } from "../block/device.js";
import type { Deadline } from "../util/deadline.js";
import { clearLengths, isClearable, isErasable } from "./erase.js";
import { SectorOverlay } from "./sector-overlay.js";
import { findSignatures } from "./signatures.js";
import type { Zone, ZoneLayout } from "./types.js";
import { requireWritable } from "./writable.js";
import type { SectorWrite, WritePlan } from "./write-plan.js";
import { ZONE_HEADER_BYTES } from "./zone-header.js";
import { readHeads } from "./zone-reader.js";

export interface FormatPlan extends WritePlan {
  /** Zones with a record that goes. */
  readonly records: readonly Zone[];
  /** Bytes from the start of the partition: zones of another geometry that go too. */
  readonly foreign: readonly number[];
}

/**
 * The writes that make a partition empty: records are erased first, so that a cut leaves each whole or gone, then the first
 * sector of every zone is zeroed. So are the first sectors of zones where this geometry has none: they would contradict it.
 *
 * @throws RefusedError if the dmesg zones are not made of whole sectors
 */
export async function planFormat(
  device: BlockDevice,
  layout: ZoneLayout,
  deadline?: Deadline,
): Promise<FormatPlan> {
  requireWritable(layout);
  const heads = await readHeads(device, layout.zones, deadline);
  const records = heads.filter((head) => isErasable(head, true)).map(({ zone }) => zone);
  const overlay = new SectorOverlay(device, deadline);
  const erase: SectorWrite[] = [];
  for (const zone of records.filter(isClearable)) erase.push(await clearLengths(overlay, zone));

  const { found, marks } = await findSignatures(device, layout.totalBytes, deadline);
  const starts = new Set(layout.zones.map(({ offset }) => offset));
  const signed = new Set([...found.map(({ offset }) => offset), ...marks]);
  const foreign = [...signed].filter((offset) => !starts.has(offset)).sort((a, b) => a - b);
  const wipe = zeroSectors([...starts, ...foreign]);
  const steps = erase.length > 0 ? [erase, wipe] : [wipe];
  return { steps, compare: wipe, records, foreign };
}

/** Zeros for every sector that holds part of a zone header at one of those places, once each, in order. */
function zeroSectors(offsets: readonly number[]): SectorWrite[] {
  const lbas = offsets.flatMap((offset) => [
    Math.floor(offset / BLOCK_SIZE),
    Math.floor((offset + ZONE_HEADER_BYTES - 1) / BLOCK_SIZE),
  ]);
  const zeros = new Uint8Array(BLOCK_SIZE);
  return [...new Set(lbas)].sort((a, b) => a - b).map((lba) => ({ lba, bytes: zeros }));
}
