import {
  BLOCK_SIZE,
  type BlockDevice,
  BlockError,
  parseRange,
  type ResolvedPart,
  resolvePart,
} from "../index.js";
import { UsageError } from "../util/errors.js";
import { type Context, note } from "./context.js";
import type { DataSource } from "./data-io.js";

/** Finds the RANGE of a verb on the device; what is odd about the partition table goes to stderr. @throws BlockError */
export async function openRange(
  context: Context,
  device: BlockDevice,
  text: string,
): Promise<ResolvedPart> {
  const range = await resolvePart(device, parseRange(text));
  for (const { message } of range.findings) note(context, `warning: ${message}`);
  return range;
}

/** What says that the end of the device is missing: an image that was cut off. */
const CUT_OFF = new Set(["device-too-small", "behind-end"]);

/** @throws BlockError IMAGE_INVALID if the partition table says that the device was larger: nothing is written to a part of it */
export function requireWholeDevice({ findings }: ResolvedPart): void {
  const cut = findings.find(({ code }) => CUT_OFF.has(code));
  if (cut === undefined) return;
  throw new BlockError(
    "IMAGE_INVALID",
    `the device is smaller than its partition table says: ${cut.message}`,
    {
      hint: "was the image cut off while it was copied? It can be read, but is not written",
    },
  );
}

/** How many blocks of a range a file fills. @throws UsageError if it is no whole number of blocks, empty, or larger than the range */
export function blocksOf(source: DataSource, path: string, range: ResolvedPart): number {
  const blocks = source.size / BLOCK_SIZE;
  if (!Number.isInteger(blocks) || blocks === 0) {
    throw new UsageError(`${path} has ${source.size} bytes, which is no whole number of blocks`, {
      details: { bytes: source.size },
      hint: "pad it to a multiple of 512: truncate -s %512 FILE",
    });
  }
  if (blocks > range.blockCount) {
    throw new UsageError(`${path} is larger than ${range.description}`, {
      details: { bytes: source.size, rangeBytes: range.blockCount * BLOCK_SIZE },
    });
  }
  return blocks;
}
