import {
  installUdevRules,
  UDEV_RELOAD,
  type UdevInstallReport,
} from "../../device/adapters/udev.js";
import { UsageError } from "../../util/errors.js";
import { note, type RunVerb, type VerbFlags, writeJson } from "../context.js";
import { EXIT } from "../exit-codes.js";

/** `udev install`: writes the rules to their file, and says what makes udev use them. */
export const run: RunVerb = async (context, _operands, flags) => {
  const { settings } = context;
  const report = await installUdevRules({
    ...options(flags),
    overwrite: settings.yes,
    dryRun: settings.dryRun,
  });
  if (settings.json)
    await writeJson(context, "udev-install", {
      ...report,
      dryRun: settings.dryRun,
      next: UDEV_RELOAD,
    });
  else await context.io.writeOut(`${reportText(report, settings.dryRun)}\n`);
  for (const text of report.notes) note(context, `note: ${text}`);
  if (!settings.dryRun && report.result !== "unchanged")
    note(
      context,
      `now run: ${UDEV_RELOAD} (as root), or plug the adapters in again after a reload`,
    );
  return EXIT.ok;
};

function options({ group, dir }: VerbFlags): { group?: string; dir?: string } {
  if (dir === "") throw new UsageError("--dir wants the name of a folder");
  return {
    ...(typeof group === "string" ? { group } : {}),
    ...(typeof dir === "string" ? { dir } : {}),
  };
}

function reportText({ path, result, bytes }: UdevInstallReport, dryRun: boolean): string {
  if (result === "unchanged") return `${path} is up to date`;
  return `${dryRun ? "would have " : ""}${result} ${path} (${bytes} bytes)`;
}
