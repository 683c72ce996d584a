import { UsageError } from "../../util/errors.js";
import { note, type RunVerb, type VerbFlags, writeJson } from "../context.js";
import { EXIT } from "../exit-codes.js";
import { recordName } from "../format/record-name.js";
import { openStore } from "../pstore-part.js";
import { confirmDestruction, withDevice } from "../session.js";

/** `pstore erase NAME...|--all`: as a kernel's unlink does. */
export const run: RunVerb = async (context, operands, flags) => {
  const selection = parseSelection(operands, flags);
  await withDevice(context, "write", async (device) => {
    const { store, part } = await openStore(context, flags, device, "write");
    const { erased } = await store.planErase(selection);
    const { dryRun, json } = context.settings;
    if (erased.length > 0) {
      const what = `this erases ${erased.length} record${erased.length === 1 ? "" : "s"} on ${part.description}`;
      await device.clock.outside(confirmDestruction(context, what));
      if (!dryRun) await store.erase(selection);
    }
    if (json) await writeJson(context, "pstore-erase", { erased, dryRun });
    else
      for (const name of erased)
        await context.io.writeOut(`${dryRun ? "would erase" : "erased"} ${name}\n`);
    if (erased.length === 0) note(context, `nothing to erase on ${part.description}`);
  });
  return EXIT.ok;
};

function parseSelection(names: readonly string[], flags: VerbFlags): readonly string[] | "all" {
  const all = flags["all"] === true;
  if (all !== names.length > 0) return all ? "all" : names.map(recordName);
  throw new UsageError(
    all ? "give names or --all, not both" : "which records? give names or --all",
    {
      hint: "pstore list shows the names",
    },
  );
}
