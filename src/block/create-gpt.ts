import type { RandomSource } from "../util/random.js";
import { type NewPartition, placeNew } from "./create-place.js";
import type { CreateOptions, CreatePlan, PlannedWrite } from "./create-types.js";
import { BLOCK_SIZE, type BlockDevice, BlockError } from "./device.js";
import { type BareDisk, type GptOnDisk, isBlank, isPurelyProtective } from "./disk.js";
import {
  encodeGptHeader,
  GPT_PRIMARY_LBA,
  type GptEntry,
  hasSaneRange,
  withGptEntry,
} from "./gpt.js";
import { existingLayout, type GptLayout, newLayout } from "./gpt-layout.js";
import { randomGuid } from "./guid.js";
import { makeProtectiveEntry, withMbrEntry } from "./mbr.js";
import { nextNumber } from "./next-number.js";
import { GPT_LINUX_DATA, gptTypeName, MBR_GPT_PROTECTIVE } from "./partition-types.js";
import { type Change, changesFor } from "./planned-writes.js";
import { readBlocks } from "./read-blocks.js";

/** Plans a partition in a GPT, or a GPT on a device without a table. Throws as `planCreate`. */
export async function planGpt(
  device: BlockDevice,
  disk: GptOnDisk | BareDisk,
  options: CreateOptions,
): Promise<CreatePlan> {
  const layout =
    disk.kind === "gpt"
      ? existingLayout(disk.gpt, device.blockCount)
      : newLayout(device.blockCount, randomGuid(options.random));
  refuseSecond(layout.entries, options.label);
  const number = numberFor(layout);
  const { primary } = layout;
  const place = await placeNew(device, options, {
    area: { start: primary.firstUsableLba, end: primary.lastUsableLba + 1 },
    used: layout.entries.filter(hasSaneRange).map(runOf),
  });
  const entry = newEntry(number, place, options.label, options.random);
  const changes = await changesFor(
    device,
    wantedFor(device, disk, layout, entry),
    options.deadline,
  );
  const overwrites = await overwritesSomething(device, disk, layout, changes, options);
  return {
    kind: "gpt",
    newTable: disk.kind === "none",
    entry: described(entry, place),
    alignBytes: place.alignBytes,
    writes: changes.map(({ write }) => write),
    overwritesData: overwrites || place.holdsData,
    description: [...tableNotes(disk, overwrites), ...layout.notes, ...place.notes],
  };
}

function runOf({ firstLba, lastLba }: GptEntry): { start: number; end: number } {
  return { start: Number(firstLba), end: Number(lastLba) + 1 };
}

/** Two partitions with one label would make `label=` and the default of `-p` useless. */
function refuseSecond(entries: readonly GptEntry[], label: string): void {
  const same = entries.find((entry) => entry.label === label);
  if (same === undefined) return;
  throw new BlockError(
    "REFUSED",
    `there is a partition labelled '${label}' already: p${same.number}`,
    {
      details: { number: same.number, label },
      hint: "use that one, or give another --label",
    },
  );
}

function numberFor({ entries, primary }: GptLayout): number {
  const number = nextNumber(
    entries.map((entry) => entry.number),
    primary.entryCount,
  );
  if (number !== undefined) return number;
  throw new BlockError("PART_NO_SPACE", `all ${primary.entryCount} entries of the GPT are in use`, {
    details: { entries: primary.entryCount },
    hint: "delete a partition, or give the table more entries (sgdisk -S)",
  });
}

function newEntry(
  number: number,
  { startLba, blockCount }: NewPartition,
  label: string,
  random: RandomSource,
): GptEntry {
  return {
    number,
    typeGuid: GPT_LINUX_DATA,
    uniqueGuid: randomGuid(random),
    firstLba: BigInt(startLba),
    lastLba: BigInt(startLba + blockCount - 1),
    attributes: 0n,
    label,
  };
}

function described(entry: GptEntry, { startLba, blockCount }: NewPartition): CreatePlan["entry"] {
  return {
    number: entry.number,
    startLba,
    blockCount,
    type: entry.typeGuid,
    typeName: gptTypeName(entry.typeGuid),
    label: entry.label,
    uuid: entry.uniqueGuid,
    attributes: entry.attributes,
  };
}

/** One copy wholly, then the other: whichever is cut, one is good. The MBR, without which a kernel sees no GPT, is last. */
function wantedFor(
  device: BlockDevice,
  disk: GptOnDisk | BareDisk,
  layout: GptLayout,
  entry: GptEntry,
): PlannedWrite[] {
  const array = withGptEntry(layout.array, layout.primary.entryBytes, entry);
  const copies = [
    copyWrites("backup", layout.backup, array),
    copyWrites("primary", layout.primary, array),
  ];
  if (layout.primaryFirst) copies.reverse();
  return [
    ...copies.flat(),
    { lba: 0, data: protectiveMbr(disk, device.blockCount), what: "protective MBR" },
  ];
}

function copyWrites(name: string, header: GptLayout["primary"], array: Uint8Array): PlannedWrite[] {
  return [
    { lba: header.entriesLba, data: array, what: `${name} GPT entries` },
    { lba: header.myLba, data: encodeGptHeader(header, array), what: `${name} GPT header` },
  ];
}

/** Block 0 as it shall be: the boot code is kept; so is a hybrid MBR, which somebody has made by hand. */
function protectiveMbr(disk: GptOnDisk | BareDisk, deviceBlocks: number): Uint8Array {
  const wanted = makeProtectiveEntry(deviceBlocks);
  const record = disk.kind === "gpt" ? disk.record : undefined;
  const slot = record?.slots.findIndex(({ type }) => type === MBR_GPT_PROTECTIVE) ?? -1;
  if (record === undefined || slot < 0) {
    const keepsCode = disk.kind === "gpt" && !isBlank(disk.firstSector);
    const sector = new Uint8Array(BLOCK_SIZE);
    if (keepsCode) sector.set(disk.firstSector.subarray(0, BOOT_CODE_BYTES));
    return withMbrEntry(sector, 0, wanted);
  }
  const covers = [wanted.blockCount, 0xffffffff].includes(record.slots[slot]?.blockCount ?? 0);
  if (covers || !isPurelyProtective(record)) return disk.firstSector;
  return withMbrEntry(disk.firstSector, slot, wanted);
}

/** Boot code, disk signature and padding, up to the slots. */
const BOOT_CODE_BYTES = 446;

/** True if blocks that hold something other than this table are overwritten. */
async function overwritesSomething(
  device: BlockDevice,
  disk: GptOnDisk | BareDisk,
  layout: GptLayout,
  changes: readonly Change[],
  { deadline }: CreateOptions,
): Promise<boolean> {
  if (disk.kind === "none") return changes.some(({ before }) => !isBlank(before));
  if (disk.gpt.primary !== undefined) return false;
  // Where the damaged primary kept its entries is a guess: boards may have a boot loader there instead.
  const { entriesLba } = layout.primary;
  const blocks = layout.array.length / BLOCK_SIZE;
  const there = await readBlocks(device, entriesLba, blocks, deadline);
  return Buffer.compare(there, layout.array) !== 0 && !isBlank(there);
}

function tableNotes(disk: GptOnDisk | BareDisk, overwrites: boolean): string[] {
  if (disk.kind === "gpt")
    return overwrites
      ? [`blocks from ${GPT_PRIMARY_LBA + 1} on do not hold the entries of this GPT: overwritten`]
      : [];
  const what = disk.fileSystem
    ? "the file system that fills the device is destroyed"
    : "blocks that hold something are overwritten";
  return ["the device gets a new GPT", ...(overwrites ? [what] : [])];
}
