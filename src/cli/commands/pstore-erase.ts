import { UsageError } from "../../util/errors.js";
import { type Context, note, type RunVerb, type VerbFlags, writeJson } from "../context.js";
import { EXIT } from "../exit-codes.js";
import { recordName } from "../format/record-name.js";
import { withStore } from "../pstore-session.js";
import { confirmDestruction } from "../session.js";

/** `pstore erase NAME...|--all`: what a kernel's unlink does. */
export const run: RunVerb = async (context, operands, flags) => {
  const selection = parseSelection(operands, flags);
  await withStore(context, "write", flags, async ({ store, part, device: { clock } }) => {
    const { erased } = await store.planErase(selection);
    const what = `this erases ${erased.join(", ")} on ${part.part.description}`;
    if (erased.length > 0) await clock.outside(confirmDestruction(context, what));
    if (erased.length > 0 && !context.settings.dryRun) await store.erase(selection);
    await report(context, erased);
  });
  return EXIT.ok;
};

function parseSelection(names: readonly string[], flags: VerbFlags): readonly string[] | "all" {
  const all = flags["all"] === true;
  if (all !== names.length > 0) return all ? "all" : names.map(recordName);
  throw new UsageError(all ? "give names or --all, not both" : "name the records, or give --all", {
    hint: "pstore list shows the names",
  });
}

async function report(context: Context, erased: readonly string[]): Promise<void> {
  const { dryRun, json } = context.settings;
  if (json) await writeJson(context, "pstore-erase", { erased, dryRun });
  else
    for (const name of erased)
      await context.io.writeOut(`${dryRun ? "would erase" : "erased"} ${name}\n`);
  if (erased.length === 0) note(context, "there was no record to erase");
}
