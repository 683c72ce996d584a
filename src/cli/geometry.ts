import {
  type BlockDevice,
  DEFAULT_GEOMETRY,
  detectGeometry,
  type Geometry,
  type GeometryReport,
  requireProved,
} from "../index.js";
import { UsageError } from "../util/errors.js";
import { type Context, note } from "./context.js";
import { parseZoneSize } from "./options.js";

const SIZES = {
  "kmsg-size": "kmsgSize",
  "pmsg-size": "pmsgSize",
  "console-size": "consoleSize",
  "ftrace-size": "ftraceSize",
} as const;

/**
 * The geometry of the command line: the kernel's parameters, or with `--geometry auto` what the signatures tell.
 * @param purpose writing wants every size that was not given proved
 * @throws UsageError; PstoreError PSTORE_GEOMETRY_UNPROVED
 */
export async function openGeometry(
  context: Context,
  view: BlockDevice,
  purpose: "read" | "write",
): Promise<Geometry> {
  const given = givenSizes(context);
  const mode = context.values["geometry"];
  if (mode === undefined) return { ...DEFAULT_GEOMETRY, ...given };
  if (mode !== "auto")
    throw new UsageError(`'${String(mode)}' is no geometry`, {
      hint: "--geometry takes auto; sizes have options of their own",
    });
  const found = await detectGeometry(view);
  note(context, geometryLine(found));
  const open = Object.keys(SIZES).filter(
    (name) => !(name in SIZES && sizeIsKnown(found, given, name as keyof typeof SIZES)),
  );
  if (purpose === "write" && open.length > 0) requireProved(found);
  return { ...found.geometry, ...given };
}

function sizeIsKnown(
  found: GeometryReport,
  given: Partial<Geometry>,
  name: keyof typeof SIZES,
): boolean {
  const kind = name.replace("-size", "") as "kmsg" | "pmsg" | "console" | "ftrace";
  return given[SIZES[name]] !== undefined || found[kind].proof === "proved";
}

function givenSizes(context: Context): Partial<Geometry> {
  const given: Record<string, number> = {};
  for (const [name, field] of Object.entries(SIZES)) {
    const text = context.values[name];
    if (typeof text === "string") given[field] = parseZoneSize(name, text);
  }
  const { cpus } = context.values;
  if (typeof cpus === "string") given["cpus"] = parseCpus(cpus);
  return given;
}

function parseCpus(text: string): number {
  const count = /^\d+$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= 8192) return count;
  throw new UsageError(`--cpus ${text}: a kernel has 1 to 8192 CPUs`);
}

/** `geometry: kmsg 64K (proved), pmsg 0 (unknown), ...` */
export function geometryLine(found: GeometryReport): string {
  const { kmsg, pmsg, console, ftrace } = found;
  const sizes = Object.entries({ kmsg, pmsg, console, ftrace }).map(
    ([name, { proof, bytes }]) => `${name} ${proof === "unknown" ? "?" : bytes} (${proof})`,
  );
  return `geometry: ${sizes.join(", ")}`;
}
