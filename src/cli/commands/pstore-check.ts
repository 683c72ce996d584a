import type { ResolvedPart } from "../../index.js";
import { type CheckReport, checkPartition } from "../../index.js";
import { type RunVerb, writeJson } from "../context.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { formatPairs } from "../format/table.js";
import { openPstorePart } from "../pstore-part.js";
import { withDevice } from "../session.js";

/** `pstore check`: findings, and what to tell a kernel. Exit 7 for damage, or what a kernel would not take. */
export const run: RunVerb = (context, _operands, flags) =>
  withDevice(context, "read", async (device): Promise<ExitCode> => {
    const { view, part, geometry } = await openPstorePart(context, flags, device, "read");
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

function exitOfReport({ findings, damaged }: CheckReport): ExitCode {
  const codes = new Set(findings.map(({ code }) => code));
  if (codes.has("geometry-invalid")) return EXIT.usage;
  if (codes.has("no-room")) return EXIT.inaccessible;
  const isBad = damaged || findings.some(({ severity }) => severity === "error");
  return isBad ? EXIT.differs : EXIT.ok;
}
