import { type AdapterListing, listAdapters } from "../../index.js";
import { note, type RunVerb, writeJson } from "../context.js";
import { EXIT } from "../exit-codes.js";
import { formatTable } from "../format/table.js";

const HEADER = ["SELECTOR", "ADAPTER", "SERIAL", "USB", "DRIVER", "ACCESS"];

/** `list`: adapters that are attached, also those that cannot be opened. */
export const run: RunVerb = async (context) => {
  const { adapters, problems } = await listAdapters();
  if (context.settings.json) {
    const asJson = problems.map(({ code, message, hint }) => ({ code, message, hint }));
    await writeJson(context, "list", { adapters, problems: asJson });
    return EXIT.ok;
  }
  await context.io.writeOut(formatTable(adapters.map(row), HEADER));
  for (const { message, hint } of problems)
    note(context, `warning: ${message}${hint === undefined ? "" : `; ${hint}`}`);
  if (adapters.length === 0)
    context.io.writeErr("no adapter is attached; sim:card.img?create=64MiB needs none\n");
  return EXIT.ok;
};

function row(adapter: AdapterListing): string[] {
  const { selector, chip, serialNumber, portPath, kernelDriver, access, hint } = adapter;
  return [
    selector ?? "-",
    chip,
    serialNumber ?? "(none)",
    portPath ?? "-",
    kernelDriver ?? "-",
    hint === undefined ? access : `${access}: ${hint}`,
  ];
}
