import type { Deadline } from "../util/deadline.js";
import type { BlockDevice } from "./device.js";
import { type Disk, type GptOnDisk, type MbrOnDisk, readDisk } from "./disk.js";
import { hasSaneRange } from "./gpt.js";
import { entriesOf } from "./gpt-read.js";
import { isExtended, isPartition, type MbrEntry } from "./mbr.js";
import { gptTypeName, mbrTypeName } from "./partition-types.js";
import { findingsOf } from "./table-findings.js";
import type { PartitionEntry, PartitionTable } from "./table-types.js";

export type { FindingCode, PartitionEntry, PartitionTable, TableFinding } from "./table-types.js";

/**
 * Reads the partition table. What is no table, random bytes included, has the kind "none".
 * @throws BlockError TABLE_DAMAGED if there is a GPT and both copies are damaged; and what the device throws
 */
export async function readTable(device: BlockDevice, deadline?: Deadline): Promise<PartitionTable> {
  return tableOf(await readDisk(device, deadline), device.blockCount);
}

/** The same from what was read already. @param deviceBlocks size of the device */
export function tableOf(disk: Disk, deviceBlocks: number): PartitionTable {
  const entries = entriesOfDisk(disk);
  const findings = findingsOf(disk, entries, deviceBlocks);
  if (disk.kind === "none") return { kind: "none", entries, findings };
  const diskId =
    disk.kind === "gpt" ? disk.gpt.inUse.header.diskGuid : signatureText(disk.record.diskSignature);
  return { kind: disk.kind, diskId, entries, findings };
}

function entriesOfDisk(disk: Disk): PartitionEntry[] {
  switch (disk.kind) {
    case "gpt":
      return gptEntries(disk);
    case "mbr":
      return mbrEntries(disk);
    case "none":
      return [];
  }
}

function gptEntries(disk: GptOnDisk): PartitionEntry[] {
  return entriesOf(disk.gpt.inUse)
    .filter(hasSaneRange)
    .map((entry) => ({
      number: entry.number,
      startLba: Number(entry.firstLba),
      blockCount: Number(entry.lastLba - entry.firstLba) + 1,
      type: entry.typeGuid,
      typeName: gptTypeName(entry.typeGuid),
      label: entry.label,
      uuid: entry.uniqueGuid,
      attributes: entry.attributes,
    }));
}

function mbrEntries({ record, logicals }: MbrOnDisk): PartitionEntry[] {
  const primaries = record.slots
    .map((slot, at) => mbrEntry(slot, at + 1, record.diskSignature))
    .filter((_, at) => isPartition(record.slots[at] as MbrEntry));
  const inChain = logicals.map(({ entry, number }) => ({
    ...mbrEntry(entry, number, record.diskSignature),
    logical: true as const,
  }));
  return [...primaries, ...inChain];
}

function mbrEntry(slot: MbrEntry, number: number, diskSignature: number): PartitionEntry {
  return {
    number,
    startLba: slot.startLba,
    blockCount: slot.blockCount,
    type: `0x${hex(slot.type, 2)}`,
    typeName: mbrTypeName(slot.type),
    uuid: mbrPartUuid(diskSignature, number),
    attributes: BigInt(slot.bootIndicator),
    ...(isExtended(slot) ? { extended: true as const } : {}),
  };
}

/** `SSSSSSSS-NN`, both in hex (Linux block/partitions/msdos.c). */
export function mbrPartUuid(diskSignature: number, number: number): string {
  return `${signatureText(diskSignature)}-${hex(number, 2)}`;
}

function signatureText(diskSignature: number): string {
  return hex(diskSignature, 8);
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}
