import { applyCreate, BLOCK_SIZE, type CreatePlan, planCreate } from "../../index.js";
import { parseSize } from "../../util/size.js";
import { type Context, note, type RunVerb, writeJson } from "../context.js";
import { EXIT } from "../exit-codes.js";
import { confirmDestruction, withDevice } from "../session.js";

const DEFAULT_LABEL = "pstore";
const DEFAULT_SIZE = "1MiB";

/** `part create`: the reserved partition, without touching others. */
export const run: RunVerb = async (context, _operands, flags) => {
  const label = typeof flags["label"] === "string" ? flags["label"] : DEFAULT_LABEL;
  const sizeBytes = parseSize(typeof flags["size"] === "string" ? flags["size"] : DEFAULT_SIZE);
  await withDevice(context, "write", async ({ block, clock, random }) => {
    const plan = await planCreate(block, { label, sizeBytes, random });
    if (plan.newTable || plan.overwritesData) {
      const what = plan.newTable
        ? "this makes a new partition table"
        : "this takes in blocks that hold data";
      await clock.outside(confirmDestruction(context, what));
    }
    if (!context.settings.dryRun) await applyCreate(block, plan);
    await report(context, plan);
  });
  return EXIT.ok;
};

async function report(context: Context, plan: CreatePlan): Promise<void> {
  const { entry, kind, newTable } = plan;
  if (context.settings.json) {
    await writeJson(context, "part-create", {
      kind,
      newTable,
      entry,
      dryRun: context.settings.dryRun,
    });
  } else {
    const verb = context.settings.dryRun ? "would create" : "created";
    await context.io.writeOut(
      `${verb} p${entry.number} (${kind.toUpperCase()}): ${entry.blockCount} blocks from block ${entry.startLba}, ${entry.blockCount * BLOCK_SIZE} bytes, PARTUUID=${entry.uuid}\n`,
    );
  }
  for (const line of plan.description) note(context, `  ${line}`);
  if (plan.hint !== undefined) note(context, `hint: ${plan.hint}`);
}
