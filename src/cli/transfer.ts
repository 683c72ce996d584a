import { BLOCK_SIZE, type BlockDevice } from "../index.js";
import type { Progress } from "./format/progress.js";

/** Blocks moved by one call: large enough to stream, small enough for progress. */
export const CHUNK_BLOCKS = 2048;

/** A run of blocks of a device. */
export interface BlockRange {
  readonly startLba: number;
  readonly blockCount: number;
}

/** Reads a range in large pieces, in order. `use` gets each piece with its first block; the buffer is reused. */
export async function readRange(
  device: BlockDevice,
  range: BlockRange,
  progress: Progress,
  use: (data: Uint8Array, lba: number) => Promise<void>,
): Promise<void> {
  const buffer = new Uint8Array(Math.min(range.blockCount, CHUNK_BLOCKS) * BLOCK_SIZE);
  for (let done = 0; done < range.blockCount; done += CHUNK_BLOCKS) {
    const piece = buffer.subarray(0, Math.min(CHUNK_BLOCKS, range.blockCount - done) * BLOCK_SIZE);
    await device.read(range.startLba + done, piece);
    await use(piece, range.startLba + done);
    progress.update(done * BLOCK_SIZE + piece.length);
  }
}

/** First byte at which two equally long arrays differ, or -1. */
export function firstDifference(a: Uint8Array, b: Uint8Array): number {
  if (Buffer.compare(a, b) === 0) return -1;
  return a.findIndex((byte, at) => byte !== b[at]);
}
