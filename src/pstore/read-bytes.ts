import { BLOCK_SIZE, type BlockDevice } from "../block/device.js";
import { roundUp } from "../util/bytes.js";
import type { Deadline } from "../util/deadline.js";

/** Bytes [offset, offset + length) of the device, at any alignment; only the blocks that hold them are read. */
export async function readBytes(
  device: BlockDevice,
  offset: number,
  length: number,
  deadline?: Deadline,
): Promise<Uint8Array> {
  const skip = offset % BLOCK_SIZE;
  const blocks = new Uint8Array(roundUp(skip + length, BLOCK_SIZE));
  if (length > 0) await device.read((offset - skip) / BLOCK_SIZE, blocks, deadline);
  return blocks.subarray(skip, skip + length);
}

/** Bytes of the device. */
export function totalBytes(device: BlockDevice): number {
  return device.blockCount * BLOCK_SIZE;
}
