import { decodeBootRecord, isExtended, isPartition, type MbrEntry } from "./mbr.js";

/** Linux numbers logical partitions from 5. */
export const FIRST_LOGICAL = 5;
/** More than any tool makes; the kernel stops after 100 links without a partition. */
const MAX_LINKS = 128;

/** A logical partition; its entry's start counts from the start of the device. */
export interface LogicalPartition {
  readonly number: number;
  readonly entry: MbrEntry;
}

export interface LogicalChain {
  readonly partitions: readonly LogicalPartition[];
  /** Why the chain ends before its end; one sentence without a full stop. */
  readonly damage?: string;
}

/**
 * Follows the extended boot records of one container (Linux block/partitions/msdos.c, parse_extended): starts of data count from the record
 * that holds them, starts of links from the container. Loops and links out of the container end the walk.
 * @param readSector gives the sector at an LBA inside the container, or undefined behind the end of the device
 */
export async function walkLogicals(
  container: MbrEntry,
  firstNumber: number,
  readSector: (lba: number) => Promise<Uint8Array | undefined>,
): Promise<LogicalChain> {
  const partitions: LogicalPartition[] = [];
  const seen = new Set<number>();
  let at = container.startLba;
  for (let links = 0; links < MAX_LINKS; links++) {
    if (seen.has(at)) return { partitions, damage: `the chain comes back to block ${at}` };
    seen.add(at);
    const sector = await readSector(at);
    if (sector === undefined) return { partitions, damage: `block ${at} lies behind the end` };
    const record = decodeBootRecord(sector);
    if (record === undefined) return { partitions, damage: `block ${at} is no boot record` };
    const base = at;
    for (const entry of record.slots.slice(0, 2).filter(isData)) {
      const number = firstNumber + partitions.length;
      partitions.push({ number, entry: { ...entry, startLba: base + entry.startLba } });
    }
    const link = record.slots.find(isExtended);
    if (link === undefined) return { partitions };
    if (link.startLba >= container.blockCount)
      return { partitions, damage: `block ${at} links out of the extended partition` };
    at = container.startLba + link.startLba;
  }
  return { partitions, damage: `the chain has more than ${MAX_LINKS} links` };
}

function isData(entry: MbrEntry): boolean {
  return isPartition(entry) && !isExtended(entry);
}
