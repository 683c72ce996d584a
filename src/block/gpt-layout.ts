import { formatSize } from "../util/size.js";
import { BLOCK_SIZE, BlockError } from "./device.js";
import {
  arrayBlocks,
  GPT_PRIMARY_LBA,
  type GptEntry,
  type GptHeader,
  newGptHeader,
} from "./gpt.js";
import { entriesOf, type GptDisk } from "./gpt-read.js";

/** Both copies as they will be, before anything is added. */
export interface GptLayout {
  readonly primary: GptHeader;
  readonly backup: GptHeader;
  /** Whole blocks. */
  readonly array: Uint8Array;
  readonly entries: readonly GptEntry[];
  /** Write the primary first: the backup is the good copy. */
  readonly primaryFirst: boolean;
  /** What differs from what is there, one sentence each. */
  readonly notes: readonly string[];
}

/** Header, array and their copies, with one block left for data. */
const MIN_BLOCKS = 68;

/** @throws BlockError PART_NO_SPACE if the device is too small for a GPT */
export function newLayout(deviceBlocks: number, diskGuid: string): GptLayout {
  if (deviceBlocks < MIN_BLOCKS)
    throw new BlockError(
      "PART_NO_SPACE",
      `a device of ${formatSize(deviceBlocks * BLOCK_SIZE)} is too small for a GPT`,
      {
        details: { blockCount: deviceBlocks, needed: MIN_BLOCKS },
        hint: "take a larger card or image",
      },
    );
  const primary = newGptHeader(deviceBlocks, diskGuid);
  const backup = backupOf(primary, deviceBlocks - 1 - arrayBlocks(primary));
  const array = new Uint8Array(arrayBlocks(primary) * BLOCK_SIZE);
  return { primary, backup, array, entries: [], primaryFirst: false, notes: [] };
}

function backupOf(primary: GptHeader, entriesLba: number): GptHeader {
  const { myLba, alternateLba } = primary;
  return { ...primary, myLba: alternateLba, alternateLba: myLba, entriesLba };
}

/**
 * The copies of a table that is there: a damaged one is made anew from the other, and the backup goes to the end of the device.
 * @throws BlockError IMAGE_INVALID if the device ends before the table; TABLE_DAMAGED if an array lies where partitions may be
 */
export function existingLayout(disk: GptDisk, deviceBlocks: number): GptLayout {
  const last = deviceBlocks - 1;
  const { header, array } = disk.inUse;
  const blocks = arrayBlocks(header);
  const oldEnd = disk.source === "primary" ? header.alternateLba : header.myLba;
  const kept = disk.backup?.header.myLba === last ? disk.backup.header.entriesLba : undefined;
  const backupEntries = kept ?? last - blocks;
  if (oldEnd > last && header.lastUsableLba >= backupEntries) throw tooSmall(header, deviceBlocks);
  const primary: GptHeader = {
    ...header,
    myLba: GPT_PRIMARY_LBA,
    alternateLba: last,
    entriesLba: disk.primary?.header.entriesLba ?? GPT_PRIMARY_LBA + 1,
    lastUsableLba: oldEnd < last ? backupEntries - 1 : header.lastUsableLba,
  };
  checkArrays(primary, backupEntries, blocks, last);
  return {
    primary,
    backup: backupOf(primary, backupEntries),
    array,
    entries: entriesOf(disk.inUse),
    primaryFirst: disk.source === "backup",
    notes: notesOf(disk, last),
  };
}

function tooSmall(header: GptHeader, deviceBlocks: number): BlockError {
  return new BlockError("IMAGE_INVALID", "the device is smaller than its partition table says", {
    details: { lastUsableLba: header.lastUsableLba, blockCount: deviceBlocks },
    hint: "the image was cut off, or the table was made for a larger card: it is not changed",
  });
}

/** Never write an array over what a partition may hold, whatever a header says. */
function checkArrays(
  primary: GptHeader,
  backupEntries: number,
  blocks: number,
  last: number,
): void {
  const { entriesLba, firstUsableLba, lastUsableLba } = primary;
  const primaryFits = entriesLba + blocks <= firstUsableLba;
  const backupFits = backupEntries > lastUsableLba && backupEntries + blocks <= last;
  if (primaryFits && backupFits) return;
  throw new BlockError(
    "TABLE_DAMAGED",
    "the GPT keeps its entries where it lets partitions be: it is not changed",
    {
      details: { entriesLba, backupEntries, firstUsableLba, lastUsableLba },
      hint: "look at the table with gdisk (v) and repair it there",
    },
  );
}

function notesOf(disk: GptDisk, last: number): string[] {
  const notes: string[] = [];
  if (disk.primary === undefined)
    notes.push(`the primary GPT is damaged (${disk.fault}): made anew from the backup`);
  if (disk.backup === undefined)
    notes.push(`the backup GPT is damaged (${disk.fault}): made anew from the primary`);
  else if (disk.backup.header.myLba !== last)
    notes.push(`the backup GPT moves to the end of the device (block ${last})`);
  return notes;
}
