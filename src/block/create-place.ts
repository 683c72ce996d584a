import type { Deadline } from "../util/deadline.js";
import { UsageError } from "../util/errors.js";
import { formatSize } from "../util/size.js";
import type { CreateOptions } from "./create-types.js";
import { BLOCK_SIZE, type BlockDevice, BlockError } from "./device.js";
import { isBlank } from "./disk.js";
import { placePartition, type Run } from "./gaps.js";
import { readBlocks } from "./read-blocks.js";

/** What new partitions are aligned to where the medium does not tell its allocation unit: the largest of SDHC cards (SD Physical Layer 4.10.2). */
export const DEFAULT_ALIGN_BYTES: number = 4 * 1024 * 1024;

/** Boot loaders lie in the first 32 MiB, and are larger than 32 KiB. */
const BOOT_AREA_BLOCKS = 65_536;
const SAMPLE_BLOCKS = 64;

/** Where a new partition goes. */
export interface NewPartition {
  readonly startLba: number;
  readonly blockCount: number;
  readonly alignBytes: number;
  /** Its blocks hold something that may be a boot loader. */
  readonly holdsData: boolean;
  /** Sentences without a full stop. */
  readonly notes: readonly string[];
}

/** @throws UsageError for a size or alignment that is none; BlockError PART_NO_SPACE */
export async function placeNew(
  device: BlockDevice,
  options: CreateOptions,
  room: { readonly area: Run; readonly used: readonly Run[] },
): Promise<NewPartition> {
  const blockCount = wholeBlocks("size", options.sizeBytes);
  const { allocationUnitBlocks } = device.hints;
  const alignBytes =
    options.alignBytes ??
    (allocationUnitBlocks === undefined ? DEFAULT_ALIGN_BYTES : allocationUnitBlocks * BLOCK_SIZE);
  const align = wholeBlocks("alignment", alignBytes);
  const placement = placePartition(room.area, room.used, blockCount, align);
  if (!("startLba" in placement)) throw noSpace(options.sizeBytes, alignBytes, placement.largest);
  const { startLba, leading } = placement;
  const holdsData =
    leading && (await holdsSomething(device, startLba, blockCount, options.deadline));
  const notes = [
    `${formatSize(options.sizeBytes)} at block ${startLba}, aligned to ${formatSize(alignBytes)}`,
    ...(holdsData
      ? ["its blocks hold something: a boot loader may lie before the partitions"]
      : []),
  ];
  return { startLba, blockCount, alignBytes, holdsData, notes };
}

function wholeBlocks(what: string, bytes: number): number {
  const blocks = bytes / BLOCK_SIZE;
  if (Number.isSafeInteger(blocks) && blocks > 0) return blocks;
  throw new UsageError(`a ${what} of ${bytes} bytes is no whole number of blocks`, {
    details: { [what]: bytes },
    hint: `give a multiple of ${BLOCK_SIZE}, for example 1MiB`,
  });
}

function noSpace(sizeBytes: number, alignBytes: number, largest: number): BlockError {
  const free = largest * BLOCK_SIZE;
  return new BlockError("PART_NO_SPACE", `there is no free gap of ${formatSize(sizeBytes)}`, {
    details: { sizeBytes, alignBytes, largestFreeBytes: free },
    hint:
      free === 0
        ? `nothing is free that begins at a multiple of ${formatSize(alignBytes)}: shrink or delete a partition`
        : `the largest, aligned to ${formatSize(alignBytes)}, has ${formatSize(free)}: give a smaller --size`,
  });
}

/** Looks at one block of every {@link SAMPLE_BLOCKS}, as far as boot loaders lie. */
async function holdsSomething(
  device: BlockDevice,
  startLba: number,
  blockCount: number,
  deadline: Deadline | undefined,
): Promise<boolean> {
  const end = Math.min(startLba + blockCount, BOOT_AREA_BLOCKS);
  for (let lba = startLba; lba < end; lba += SAMPLE_BLOCKS)
    if (!isBlank(await readBlocks(device, lba, 1, deadline))) return true;
  return false;
}
