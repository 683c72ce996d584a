import { placeNew } from "./create-place.js";
import type { CreateOptions, CreatePlan } from "./create-types.js";
import { type BlockDevice, BlockError } from "./device.js";
import type { MbrOnDisk } from "./disk.js";
import {
  isExtended,
  isFreeSlot,
  MBR_LBA_LIMIT,
  MBR_SLOTS,
  makeMbrEntry,
  withMbrEntry,
} from "./mbr.js";
import { nextNumber } from "./next-number.js";
import { MBR_NON_FS_DATA, mbrTypeName } from "./partition-types.js";
import { mbrPartUuid } from "./table.js";

/** Plans a primary partition of type 0xDA in an MBR: one write of one block. Throws as `planCreate`. */
export async function planMbr(
  device: BlockDevice,
  disk: MbrOnDisk,
  options: CreateOptions,
): Promise<CreatePlan> {
  const { slots, diskSignature } = disk.record;
  const used = slots.filter((slot) => !isFreeSlot(slot));
  const number = numberFor(disk);
  const place = await placeNew(device, options, {
    area: { start: 1, end: Math.min(device.blockCount, MBR_LBA_LIMIT) },
    used: used.map(({ startLba, blockCount }) => ({ start: startLba, end: startLba + blockCount })),
  });
  const { startLba, blockCount } = place;
  const slot = makeMbrEntry(MBR_NON_FS_DATA, startLba, blockCount);
  const uuid = mbrPartUuid(diskSignature, number);
  return {
    kind: "mbr",
    newTable: false,
    entry: {
      number,
      startLba,
      blockCount,
      type: "0xda",
      typeName: mbrTypeName(MBR_NON_FS_DATA),
      uuid,
      attributes: 0n,
    },
    alignBytes: place.alignBytes,
    writes: [{ lba: 0, data: withMbrEntry(disk.firstSector, number - 1, slot), what: "MBR" }],
    overwritesData: place.holdsData,
    description: place.notes,
    hint: `an MBR has no labels: name the partition with -p p${number} or -p PARTUUID=${uuid}`,
  };
}

function numberFor({ record }: MbrOnDisk): number {
  const used = record.slots.flatMap((slot, at) => (isFreeSlot(slot) ? [] : [at + 1]));
  const number = nextNumber(used, MBR_SLOTS);
  if (number !== undefined) return number;
  const extended = record.slots.some(isExtended) ? "; logical ones are not made" : "";
  throw new BlockError("PART_NO_SPACE", `all four primary partitions are in use${extended}`, {
    details: { slots: MBR_SLOTS },
    hint: "delete one, or use blocks that no partition has with -p START+LENGTH",
  });
}
