import { UsageError } from "../util/errors.js";
import type { Context } from "./context.js";
import { openSource } from "./data-io.js";

/** No kernel log buffer is larger (CONFIG_LOG_BUF_SHIFT is at most 25). */
const MAX_LOG_BYTES = 32 * 1024 * 1024;

/** A kernel log from a file, or from stdin (`-`). @throws UsageError if it is empty, or none */
export async function readLog(context: Context, path: string): Promise<Uint8Array> {
  const source = await openSource(context.io, path, MAX_LOG_BYTES);
  try {
    if (source.size === 0) throw new UsageError(`${path === "-" ? "stdin" : path} is empty`);
    if (source.size > MAX_LOG_BYTES)
      throw new UsageError(`${path} is larger than any kernel log (${source.size} bytes)`);
    const text = new Uint8Array(source.size);
    await source.read(text);
    return text;
  } finally {
    await source.close();
  }
}
