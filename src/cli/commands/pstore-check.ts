import { type CheckReport, checkPartition, openPart, type ResolvedPart } from "../../index.js";
import { note, type RunVerb, writeJson } from "../context.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { formatPairs } from "../format/table.js";
import { openGeometry } from "../geometry.js";
import { withDevice } from "../session.js";

/** `pstore check`: findings, and what to tell a kernel. Exit 7 for damage, 4 if a kernel refuses the sizes. */
export const run: RunVerb = (context) =>
  withDevice(context, "read", async ({ block }): Promise<ExitCode> => {
    const { view, part, notes } = await openPart(block, context.settings.part);
    for (const text of notes) note(context, text);
    const geometry = await openGeometry(context, view, "read");
    const blkdev = blkdevOf(part, context.settings.part);
    const report = await checkPartition(view, geometry, blkdev === undefined ? {} : { blkdev });
    if (context.settings.json)
      await writeJson(context, "pstore-check", { geometry, part: part.description, ...report });
    else await context.io.writeOut(reportText(report, part));
    return exitOfReport(report);
  });

/** How a kernel names the partition: as the user did, or by its UUID. */
function blkdevOf(part: ResolvedPart, text: string | undefined): string | undefined {
  if (text?.startsWith("/dev/") === true) return text;
  if (part.entry !== undefined) return `PARTUUID=${part.entry.uuid}`;
  return text === undefined || text === "whole" ? "/dev/mmcblk0" : undefined;
}

function reportText({ findings, kernel, zones }: CheckReport, part: ResolvedPart): string {
  const pairs: [string, string][] = [["partition", part.description]];
  if (zones !== undefined) {
    pairs.push(["dmesg zones", `${zones.dmesg}, ${zones.free} free`]);
    pairs.push(["records", String(zones.records)]);
    if (zones.kernelNext !== undefined) pairs.push(["a kernel's next", `zone ${zones.kernelNext}`]);
  }
  pairs.push(["kernel command line", kernel.commandLine]);
  pairs.push(["modprobe", kernel.modprobe]);
  pairs.push(["mount", kernel.mount]);
  const lines = findings.map(({ severity, message }) => `${severity}: ${message}\n`);
  return `${formatPairs(pairs)}${lines.join("")}${lines.length === 0 ? "nothing wrong found\n" : ""}`;
}

function exitOfReport({ findings, damaged, parametersFit }: CheckReport): ExitCode {
  const codes = new Set(findings.map(({ code }) => code));
  if (codes.has("geometry-invalid")) return EXIT.usage;
  if (damaged) return EXIT.differs;
  return parametersFit ? EXIT.ok : EXIT.inaccessible;
}
