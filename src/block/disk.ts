import type { Deadline } from "../util/deadline.js";
import { type BlockDevice, BlockError } from "./device.js";
import { type GptDisk, type GptReading, NO_SIGNATURE, readGpt } from "./gpt-read.js";
import {
  type BootRecord,
  decodeBootRecord,
  hasPlausibleSlots,
  isExtended,
  isFileSystemStart,
  isPartition,
  type MbrEntry,
} from "./mbr.js";
import { FIRST_LOGICAL, type LogicalPartition, walkLogicals } from "./mbr-chain.js";
import { MBR_GPT_PROTECTIVE } from "./partition-types.js";
import { readBlocks } from "./read-blocks.js";

/** What is on a device, as it was read: for listing it, and for changing it. */
export type Disk = GptOnDisk | MbrOnDisk | BareDisk;

export interface GptOnDisk {
  readonly kind: "gpt";
  readonly firstSector: Uint8Array;
  /** undefined: the mark of a boot record is missing, which a kernel takes for no table. */
  readonly record: BootRecord | undefined;
  readonly gpt: GptDisk;
}

export interface MbrOnDisk {
  readonly kind: "mbr";
  readonly firstSector: Uint8Array;
  readonly record: BootRecord;
  readonly logicals: readonly LogicalPartition[];
  /** Where the chain of logical partitions is broken; sentences without a full stop. */
  readonly damage: readonly string[];
}

/** No partition table. */
export interface BareDisk {
  readonly kind: "none";
  readonly firstSector: Uint8Array;
  /** A FAT, exFAT or NTFS file system begins at block 0. */
  readonly fileSystem: boolean;
  /** A GPT without an MBR that stands for it: left over from before, or the rest of a damaged table. */
  readonly strayGpt: boolean;
}

/**
 * Finds out which table a device has, as the kernel does: partitions in an MBR count; its 0xEE slot stands for a GPT. Beyond the kernel, a
 * good GPT counts where the MBR is blank or has lost its mark; then the backup alone counts only if block 0 is blank, for what else is there
 * may be newer than a backup that was left at the end.
 * @throws BlockError TABLE_DAMAGED if there is a GPT and both copies are damaged; and what the device throws
 */
export async function readDisk(device: BlockDevice, deadline?: Deadline): Promise<Disk> {
  const firstSector = await readBlocks(device, 0, 1, deadline);
  const record = plausibleRecord(firstSector);
  const protective = record?.slots.find(({ type }) => type === MBR_GPT_PROTECTIVE);
  if (record !== undefined && protective === undefined && record.slots.some(isPartition))
    return readMbr(device, firstSector, record, deadline);
  const reading = await readGpt(device, protective, deadline);
  const trusted = protective !== undefined || isBlank(firstSector);
  if (reading.state === "good" && (reading.disk.source === "primary" || trusted))
    return { kind: "gpt", firstSector, record, gpt: reading.disk };
  if (protective !== undefined || (hasDamagedPrimary(reading) && isBlank(firstSector)))
    throw damaged(reading);
  if (record !== undefined) return { kind: "mbr", firstSector, record, logicals: [], damage: [] };
  const fileSystem = isFileSystemStart(firstSector);
  return { kind: "none", firstSector, fileSystem, strayGpt: reading.state !== "absent" };
}

function plausibleRecord(sector: Uint8Array): BootRecord | undefined {
  const record = decodeBootRecord(sector);
  if (record === undefined || !hasPlausibleSlots(record)) return undefined;
  const isFileSystem = isFileSystemStart(sector) && !record.slots.some(isPartition);
  return isFileSystem ? undefined : record;
}

/** What is left of a backup alone says nothing: it may be of a table that was wiped. */
function hasDamagedPrimary(reading: GptReading): boolean {
  return reading.state === "damaged" && reading.primaryFault !== NO_SIGNATURE;
}

/** Zeros, or FF: what cards hold where nothing was written. */
export function isBlank(bytes: Uint8Array): boolean {
  const first = bytes[0];
  return (first === 0 || first === 0xff) && bytes.every((byte) => byte === first);
}

async function readMbr(
  device: BlockDevice,
  firstSector: Uint8Array,
  record: BootRecord,
  deadline: Deadline | undefined,
): Promise<MbrOnDisk> {
  const logicals: LogicalPartition[] = [];
  const damage: string[] = [];
  const readSector = async (lba: number): Promise<Uint8Array | undefined> =>
    lba < device.blockCount ? readBlocks(device, lba, 1, deadline) : undefined;
  for (const container of record.slots.filter(isExtended)) {
    const chain = await walkLogicals(container, FIRST_LOGICAL + logicals.length, readSector);
    logicals.push(...chain.partitions);
    if (chain.damage !== undefined) damage.push(chain.damage);
  }
  return { kind: "mbr", firstSector, record, logicals, damage };
}

function damaged(reading: GptReading): BlockError {
  const { primaryFault = NO_SIGNATURE, backupFault = NO_SIGNATURE } =
    reading.state === "damaged" ? reading : {};
  return new BlockError("TABLE_DAMAGED", "both copies of the GPT are damaged", {
    details: { primary: primaryFault, backup: backupFault },
    hint: "name the blocks themselves (-p START+LENGTH), or restore the table (gdisk, testdisk)",
  });
}

/** True if nothing of the MBR but the entry for the GPT is in use. */
export function isPurelyProtective(record: BootRecord): boolean {
  const used: MbrEntry[] = record.slots.filter((slot) => slot.type !== 0 || slot.blockCount !== 0);
  return used.length === 1 && used[0]?.type === MBR_GPT_PROTECTIVE;
}
