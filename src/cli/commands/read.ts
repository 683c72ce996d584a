import { BLOCK_SIZE } from "../../index.js";
import { note, type RunVerb, writeJson } from "../context.js";
import { openSink } from "../data-io.js";
import { EXIT } from "../exit-codes.js";
import { createProgress } from "../format/progress.js";
import { openRange } from "../ranges.js";
import { operand, withDevice } from "../session.js";
import { readRange } from "../transfer.js";

/** `read RANGE FILE` */
export const run: RunVerb = async (context, operands) => {
  const [rangeText, path] = [operand(operands, 0, "range"), operand(operands, 1, "file")];
  await withDevice(context, "read", async ({ block, clock }) => {
    const range = await openRange(context, block, rangeText);
    const bytes = range.blockCount * BLOCK_SIZE;
    const progress = createProgress(context.io, clock, "reading", bytes);
    const startUs = clock.nowUs();
    const sink = await openSink(context.io, path);
    try {
      await readRange(block, range, progress, (data) => clock.outside(sink.write(data)));
      const sha256 = await clock.outside(sink.finish());
      progress.finish();
      if (context.settings.json && path !== "-")
        await writeJson(context, "read", { startLba: range.startLba, bytes, sha256, file: path });
      note(
        context,
        `read ${bytes} bytes, ${rateOf(bytes, clock.nowUs() - startUs)}, sha256 ${sha256}`,
      );
    } catch (error) {
      progress.finish();
      await sink.abandon();
      throw error;
    }
  });
  return EXIT.ok;
};

/** `3.61 MB/s` */
export function rateOf(bytes: number, us: number): string {
  return us > 0 ? `${(bytes / us).toFixed(2)} MB/s` : "at once";
}
