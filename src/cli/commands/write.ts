import { createHash } from "node:crypto";
import { BLOCK_SIZE, type BlockDevice, BlockError, type ResolvedPart } from "../../index.js";
import type { Clock } from "../../util/clock.js";
import { type Context, note, type RunVerb, writeJson } from "../context.js";
import { type DataSource, openSource } from "../data-io.js";
import { EXIT } from "../exit-codes.js";
import { createProgress, type Progress } from "../format/progress.js";
import { blocksOf, openRange, requireWholeDevice } from "../ranges.js";
import { confirmDestruction, operand, withDevice } from "../session.js";
import { CHUNK_BLOCKS, firstDifference } from "../transfer.js";

/** `write FILE RANGE`: writes, and reads back what it wrote. */
export const run: RunVerb = async (context, operands) => {
  const [path, rangeText] = [operand(operands, 0, "file"), operand(operands, 1, "range")];
  await withDevice(context, "write", async ({ block, clock }) => {
    const range = await openRange(context, block, rangeText);
    requireWholeDevice(range);
    const source = await clock.outside(openSource(context.io, path, range.blockCount * BLOCK_SIZE));
    try {
      const blocks = blocksOf(source, path, range);
      await clock.outside(
        confirmDestruction(
          context,
          `this overwrites ${blocks} blocks from block ${range.startLba}`,
        ),
      );
      if (context.settings.dryRun) {
        await context.io.writeOut(
          `would write ${source.size} bytes from block ${range.startLba} (${range.description})\n`,
        );
        return;
      }
      await writeAll(context, block, clock, source, { ...range, blockCount: blocks });
    } finally {
      await source.close();
    }
  });
  return EXIT.ok;
};

async function writeAll(
  context: Context,
  block: BlockDevice,
  clock: Clock,
  source: DataSource,
  range: ResolvedPart,
): Promise<void> {
  const progress = createProgress(context.io, clock, "writing and reading back", source.size);
  try {
    const sha256 = await copyAndCompare(block, clock, source, range, progress);
    progress.finish();
    if (context.settings.json)
      await writeJson(context, "write", {
        startLba: range.startLba,
        bytes: source.size,
        sha256,
        verified: true,
      });
    note(
      context,
      `wrote and verified ${source.size} bytes from block ${range.startLba}, sha256 ${sha256}`,
    );
  } finally {
    progress.finish();
  }
}

async function copyAndCompare(
  block: BlockDevice,
  clock: Clock,
  source: DataSource,
  range: ResolvedPart,
  progress: Progress,
): Promise<string> {
  const hash = createHash("sha256");
  const back = new Uint8Array(Math.min(CHUNK_BLOCKS, range.blockCount) * BLOCK_SIZE);
  for (let done = 0; done < range.blockCount; done += CHUNK_BLOCKS) {
    const data = new Uint8Array(Math.min(CHUNK_BLOCKS, range.blockCount - done) * BLOCK_SIZE);
    await clock.outside(source.read(data));
    hash.update(data);
    const lba = range.startLba + done;
    await block.write(lba, data);
    await block.flush();
    const read = back.subarray(0, data.length);
    await block.read(lba, read);
    requireEqual(data, read, lba);
    progress.update(done * BLOCK_SIZE + data.length);
  }
  return hash.digest("hex");
}

function requireEqual(data: Uint8Array, read: Uint8Array, lba: number): void {
  const at = firstDifference(data, read);
  if (at < 0) return;
  const block = lba + Math.floor(at / BLOCK_SIZE);
  throw new BlockError(
    "VERIFY_DIFFERS",
    `block ${block} reads back differently from what was written`,
    {
      details: { lba: block, byte: at % BLOCK_SIZE },
      hint: "try a lower --speed; if it stays, the card is worn out or not what it says",
    },
  );
}
