import { BLOCK_SIZE, BlockError } from "../../index.js";
import { note, type RunVerb, writeJson } from "../context.js";
import { openSource } from "../data-io.js";
import { EXIT } from "../exit-codes.js";
import { createProgress } from "../format/progress.js";
import { blocksOf, openRange } from "../ranges.js";
import { operand, withDevice } from "../session.js";
import { readRange } from "../transfer.js";

/** `verify FILE RANGE`: exit 7 if anything differs. */
export const run: RunVerb = async (context, operands) => {
  const [path, rangeText] = [operand(operands, 0, "file"), operand(operands, 1, "range")];
  await withDevice(context, "read", async ({ block, clock }) => {
    const range = await openRange(context, block, rangeText);
    const source = await clock.outside(openSource(context.io, path, range.blockCount * BLOCK_SIZE));
    const differing: number[] = [];
    const progress = createProgress(context.io, clock, "verifying", source.size);
    try {
      const wanted = { ...range, blockCount: blocksOf(source, path, range) };
      await readRange(block, wanted, progress, async (data, lba) => {
        const expected = new Uint8Array(data.length);
        await clock.outside(source.read(expected));
        collectDifferences(data, expected, lba, differing);
      });
    } finally {
      progress.finish();
      await source.close();
    }
    if (context.settings.json)
      await writeJson(context, "verify", {
        startLba: range.startLba,
        bytes: source.size,
        equal: differing.length === 0,
        differingBlocks: differing.length,
        firstDifferingLba: differing[0] ?? null,
      });
    if (differing.length > 0) throw differs(differing);
    note(context, `equal: ${source.size} bytes from block ${range.startLba}`);
  });
  return EXIT.ok;
};

function collectDifferences(
  data: Uint8Array,
  expected: Uint8Array,
  lba: number,
  differing: number[],
): void {
  if (Buffer.compare(data, expected) === 0) return;
  for (let at = 0; at < data.length; at += BLOCK_SIZE) {
    if (
      Buffer.compare(data.subarray(at, at + BLOCK_SIZE), expected.subarray(at, at + BLOCK_SIZE)) !==
      0
    )
      differing.push(lba + at / BLOCK_SIZE);
  }
}

function differs(differing: readonly number[]): BlockError {
  return new BlockError(
    "VERIFY_DIFFERS",
    `${differing.length} blocks differ, the first is block ${differing[0]}`,
    {
      details: { differingBlocks: differing.length, firstDifferingLba: differing[0] },
    },
  );
}
