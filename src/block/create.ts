import { equalBytes } from "../util/bytes.js";
import type { Deadline } from "../util/deadline.js";
import { UsageError } from "../util/errors.js";
import { planGpt } from "./create-gpt.js";
import { planMbr } from "./create-mbr.js";
import type { CreateOptions, CreatePlan, PlannedWrite } from "./create-types.js";
import { BLOCK_SIZE, type BlockDevice, BlockError, checkWritable } from "./device.js";
import { readDisk } from "./disk.js";
import { GPT_LABEL_UNITS } from "./gpt.js";
import { readBlocks } from "./read-blocks.js";

export type { CreateOptions, CreatePlan, PlannedWrite } from "./create-types.js";

/**
 * Plans the reserved partition, without writing: in the GPT that is there (one damaged copy is repaired with it), in the MBR that is there (type
 * 0xDA, no label), or in a new GPT where there is no table. The new one gets the number behind the highest, and the smallest aligned gap.
 * @throws UsageError for a label or size that cannot be; BlockError REFUSED if the label is taken; PART_NO_SPACE; TABLE_DAMAGED; IMAGE_INVALID if
 * the device ends before its table; and what the device throws
 */
export async function planCreate(device: BlockDevice, options: CreateOptions): Promise<CreatePlan> {
  checkLabel(options.label);
  const disk = await readDisk(device, options.deadline);
  return disk.kind === "mbr" ? planMbr(device, disk, options) : planGpt(device, disk, options);
}

function checkLabel(label: string): void {
  const length = label.length;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (length > 0 && length <= GPT_LABEL_UNITS && !/[\u0000-\u001f\u007f]/.test(label)) return;
  throw new UsageError(`'${label}' cannot be a label`, {
    details: { label },
    hint: `a label has 1 to ${GPT_LABEL_UNITS} characters, none of them a control character`,
  });
}

/**
 * Does what was planned, and reads it back.
 * @throws BlockError BLOCK_READ_ONLY; VERIFY_DIFFERS; and what the device throws
 */
export async function applyCreate(
  device: BlockDevice,
  plan: CreatePlan,
  deadline?: Deadline,
): Promise<void> {
  checkWritable(device);
  for (const { lba, data } of plan.writes) {
    await device.write(lba, data, deadline);
    await device.flush(deadline);
  }
  for (const write of plan.writes) await checkWritten(device, write, deadline);
}

async function checkWritten(
  device: BlockDevice,
  { lba, data, what }: PlannedWrite,
  deadline: Deadline | undefined,
): Promise<void> {
  const found = await readBlocks(device, lba, data.length / BLOCK_SIZE, deadline);
  if (equalBytes(found, data)) return;
  throw new BlockError("VERIFY_DIFFERS", `the ${what} at block ${lba} reads back differently`, {
    details: { lba, blocks: data.length / BLOCK_SIZE, what },
    hint: "the card does not keep what is written to it; do not trust it",
  });
}
