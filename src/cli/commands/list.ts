import { type RunVerb, writeJson } from "../context.js";
import { EXIT } from "../exit-codes.js";
import { formatTable } from "../format/table.js";

const HEADER = ["SELECTOR", "ADAPTER", "SERIAL", "USB", "ACCESS"];

/** `list`: adapters that are attached, also those that cannot be opened. */
export const run: RunVerb = async (context) => {
  const { listAdapters } = await import("../../device/adapters.js");
  const adapters = await listAdapters();
  if (context.settings.json) {
    await writeJson(context, "list", { adapters });
    return EXIT.ok;
  }
  const rows = adapters.map(({ selector, chip, serialNumber, portPath, access, hint }) => [
    selector,
    chip,
    serialNumber ?? "(none)",
    portPath,
    hint === undefined ? access : `${access}: ${hint}`,
  ]);
  await context.io.writeOut(formatTable(rows, HEADER));
  if (rows.length === 0)
    context.io.writeErr("no adapter is attached; sim:card.img?create=64MiB needs none\n");
  return EXIT.ok;
};
