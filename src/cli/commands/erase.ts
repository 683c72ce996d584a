import { BLOCK_SIZE, BlockError } from "../../index.js";
import { note, type RunVerb, writeJson } from "../context.js";
import { EXIT } from "../exit-codes.js";
import { createProgress } from "../format/progress.js";
import { openRange, requireWholeDevice } from "../ranges.js";
import { confirmDestruction, operand, withDevice } from "../session.js";
import { readRange } from "../transfer.js";

/** `erase RANGE`: the card erases, and what it left is read back: all 00 or all FF. */
export const run: RunVerb = async (context, operands) => {
  const rangeText = operand(operands, 0, "range");
  await withDevice(context, "write", async ({ block, clock }) => {
    const range = await openRange(context, block, rangeText);
    requireWholeDevice(range);
    if (block.erase === undefined) {
      throw new BlockError("BLOCK_UNSUPPORTED", "this card cannot erase", {
        hint: "write zeros instead: mmcpstore write FILE RANGE",
      });
    }
    await clock.outside(confirmDestruction(context, `this erases ${range.description}`));
    if (context.settings.dryRun) {
      await context.io.writeOut(
        `would erase ${range.blockCount} blocks from block ${range.startLba} (${range.description})\n`,
      );
      return;
    }
    await block.erase(range.startLba, range.blockCount);
    const progress = createProgress(
      context.io,
      clock,
      "reading back",
      range.blockCount * BLOCK_SIZE,
    );
    try {
      await readRange(block, range, progress, async (data, lba) => requireErased(data, lba));
    } finally {
      progress.finish();
    }
    if (context.settings.json)
      await writeJson(context, "erase", { startLba: range.startLba, blocks: range.blockCount });
    note(context, `erased ${range.blockCount} blocks from block ${range.startLba}`);
  });
  return EXIT.ok;
};

function requireErased(data: Uint8Array, lba: number): void {
  const value = data[0];
  const at = value === 0 || value === 0xff ? data.findIndex((byte) => byte !== value) : 0;
  if (at < 0) return;
  const block = lba + Math.floor(at / BLOCK_SIZE);
  throw new BlockError("VERIFY_DIFFERS", `block ${block} still holds data after the erase`, {
    details: { lba: block },
  });
}
