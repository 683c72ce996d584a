import { BLOCK_SIZE, type BlockDevice } from "../block/device.js";
import type { Deadline } from "../util/deadline.js";
import { RefusedError } from "../util/errors.js";
import { ringState } from "./ring.js";
import { fileName } from "./scan.js";
import { SectorOverlay } from "./sector-overlay.js";
import { PstoreError, type Zone } from "./types.js";
import type { SectorWrite, WritePlan } from "./write-plan.js";
import { ZONE_HEADER_BYTES } from "./zone-header.js";
import type { ZoneHead } from "./zone-reader.js";

/** Names of records, with or without `.enc.z`, or all that there are. */
export type Selection = readonly string[] | "all";

export interface ErasePlan extends WritePlan {
  /** Names of the records that go, in the order of the partition; an ftrace file is one, whatever its zones. */
  readonly erased: readonly string[];
}

/** Half a sector: the unit of which a cut leaves either the old or the new. */
const HALF_SECTOR = BLOCK_SIZE / 2;
const DATALEN_OFFSET = 4;

/**
 * The writes that erase records as the kernel's unlink does (fs/pstore/zone.c): `datalen` of a dmesg zone to 0, the text stays; of
 * pmsg and console `start` too. Where the kernel erases the first CPU's ftrace zone only, this takes all. One step a zone, so
 * that a cut leaves a zone as it was or erased.
 *
 * @param damaged also dmesg zones with a length too short for a record
 * @throws PstoreError PSTORE_NOT_FOUND for a name without record; RefusedError for a header that lies across two halves of a sector
 */
export async function planErase(
  device: BlockDevice,
  heads: readonly ZoneHead[],
  selection: Selection,
  options: { readonly damaged?: boolean; readonly deadline?: Deadline } = {},
): Promise<ErasePlan> {
  const there = heads.filter((head) => isErasable(head, options.damaged ?? false));
  const wanted = selection === "all" ? there : select(there, selection);
  const overlay = new SectorOverlay(device, options.deadline);
  const steps: SectorWrite[][] = [];
  for (const { zone } of wanted) steps.push([await clearLengths(overlay, zone)]);
  const erased = [...new Set(wanted.map(({ zone }) => fileName(zone)))];
  return { steps, compare: overlay.changed(), erased };
}

/** True for a zone with a record that a kernel shows, stumbles over, or (`damaged`) cannot read. */
export function isErasable({ zone, header, dmesg }: ZoneHead, damaged: boolean): boolean {
  if (zone.type === "dmesg")
    return dmesg?.state === "valid" || (damaged && dmesg?.state === "damaged");
  if (header?.type !== zone.type) return false;
  const state = ringState(header, zone.size);
  return state === "valid" || state === "broken";
}

function select(there: readonly ZoneHead[], names: readonly string[]): ZoneHead[] {
  const known = new Set(there.map(({ zone }) => fileName(zone)));
  const wanted = new Set(names.map((name) => name.replace(/\.enc\.z$/, "")));
  for (const name of wanted) if (!known.has(name)) throw noSuchRecord(name, [...known]);
  return there.filter(({ zone }) => wanted.has(fileName(zone)));
}

/** The error for a name that no record has. */
export function noSuchRecord(name: string, names: readonly string[]): PstoreError {
  return new PstoreError("PSTORE_NOT_FOUND", `there is no record '${name}'`, {
    details: { name, names },
    hint:
      names.length === 0
        ? "the partition holds no records"
        : `pstore list shows the names: ${names.slice(0, 3).join(", ")}${names.length > 3 ? ", ..." : ""}`,
  });
}

/** The sector of a zone's header with `datalen`, and of a ring `start`, set to 0. */
export async function clearLengths(overlay: SectorOverlay, zone: Zone): Promise<SectorWrite> {
  if (!isClearable(zone)) throw acrossHalves(zone);
  const length = zone.type === "dmesg" ? 4 : 8;
  return overlay.clear(zone.offset + DATALEN_OFFSET, length);
}

/** False for a header of which a cut could leave one part old, another new: at odd places in an ftrace area only. */
export function isClearable(zone: Zone): boolean {
  return (zone.offset % HALF_SECTOR) + ZONE_HEADER_BYTES <= HALF_SECTOR;
}

function acrossHalves(zone: Zone): RefusedError {
  return new RefusedError(
    `the header of the ${zone.type} zone ${zone.index} at byte ${zone.offset} lies across two halves of a sector and cannot be changed safely`,
    { details: { zone }, hint: "use an --ftrace-size that is a multiple of 4 KiB times --cpus" },
  );
}
