import { readFile } from "node:fs/promises";
import { parseSystemMap, type SymbolLookup } from "../index.js";
import { errorCode, UsageError } from "../util/errors.js";
import type { VerbFlags } from "./context.js";

/** `--symbols System.map`, read. @throws UsageError if the file cannot be read or is none */
export async function symbolOptions(
  flags: VerbFlags,
): Promise<{ readonly symbols?: SymbolLookup }> {
  const path = flags["symbols"];
  if (typeof path !== "string") return {};
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw new UsageError(`${path} cannot be read (${errorCode(cause) ?? "error"})`, { cause });
  });
  return { symbols: parseSystemMap(text) };
}
