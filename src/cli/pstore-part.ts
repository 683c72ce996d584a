import { readFile } from "node:fs/promises";
import type { OpenedPart } from "../device/part.js";
import type { OpenedDevice } from "../device/types.js";
import {
  detectGeometry,
  type Geometry,
  type GeometryReport,
  type PartitionScan,
  PstoreStore,
  parseSystemMap,
  requireProved,
  type ScanOptions,
  type StoreOptions,
} from "../index.js";
import { errorCode, UsageError } from "../util/errors.js";
import { formatSize } from "../util/size.js";
import { type Context, note, type VerbFlags } from "./context.js";
import { EXIT, type ExitCode } from "./exit-codes.js";
import { parseGeometry } from "./pstore-options.js";
import type { Access } from "./session.js";

/** The partition of a pstore verb, with the sizes of its zones. */
export interface PstorePart extends OpenedPart {
  readonly geometry: Geometry;
}

/**
 * Finds the partition and the geometry, and tells what is odd about them.
 * @throws BlockError for the PART; PstoreError PSTORE_GEOMETRY_UNPROVED if a write would go by a guess
 */
export async function openPstorePart(
  context: Context,
  flags: VerbFlags,
  device: OpenedDevice,
  access: Access,
): Promise<PstorePart> {
  const choice = parseGeometry(context, flags);
  const { openPart } = await import("../device/part.js");
  const opened = await openPart(device.block, context.settings.part);
  for (const text of opened.notes) note(context, text);
  if (choice !== "auto") return { ...opened, geometry: choice };
  const found = await detectGeometry(opened.view);
  if (access === "write") return { ...opened, geometry: requireProved(found) };
  note(context, describeFound(found));
  return { ...opened, geometry: found.geometry };
}

/** The same with the records. @throws PstoreError PSTORE_GEOMETRY_INVALID, PSTORE_GEOMETRY_TOO_LARGE too */
export async function openStore(
  context: Context,
  flags: VerbFlags,
  device: OpenedDevice,
  access: Access,
  options: StoreOptions = {},
): Promise<PstorePart & { readonly store: PstoreStore }> {
  const part = await openPstorePart(context, flags, device, access);
  const settings = { yes: context.settings.yes, ...options };
  return { ...part, store: new PstoreStore(part.view, part.geometry, device.clock, settings) };
}

function describeFound(found: GeometryReport): string {
  const { kmsg, pmsg, console, ftrace } = found;
  const parts = Object.entries({ kmsg, pmsg, console, ftrace }).map(([name, { proof, bytes }]) => {
    if (proof === "unknown") return `${name} unknown`;
    return `${name} ${proof === "proved" ? "" : "at least "}${formatSize(bytes)}`;
  });
  return `geometry found: ${parts.join(", ")}${found.proved ? "" : " (not all proved)"}`;
}

/** Names for the addresses of ftrace records. @throws UsageError if the file cannot be read */
export async function scanOptions(flags: VerbFlags): Promise<ScanOptions> {
  const path = flags["symbols"];
  if (typeof path !== "string") return {};
  try {
    return { symbols: parseSystemMap(await readFile(path, "utf8")) };
  } catch (cause) {
    throw new UsageError(`${path} cannot be read (${errorCode(cause) ?? "error"})`, { cause });
  }
}

/** The scan's warnings on stderr. */
export function tellWarnings(context: Context, scan: PartitionScan): void {
  for (const { message, stopsKernel } of scan.warnings)
    note(context, `warning: ${message}${stopsKernel ? " (a kernel stops its listing here)" : ""}`);
}

/** What the exit code of a verb that has shown records says about them. */
export function exitOf(records: PartitionScan["records"]): ExitCode {
  return records.some(({ state }) => state === "torn" || state === "salvaged")
    ? EXIT.differs
    : EXIT.ok;
}
