import type { Deadline } from "../util/deadline.js";
import { BLOCK_SIZE, type BlockDevice } from "./device.js";

/** A new array with `count` blocks from `lba`. Throws what the device throws. */
export async function readBlocks(
  device: BlockDevice,
  lba: number,
  count: number,
  deadline?: Deadline,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(count * BLOCK_SIZE);
  await device.read(lba, bytes, deadline);
  return bytes;
}
