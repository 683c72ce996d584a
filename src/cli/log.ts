import { closeSync, openSync } from "node:fs";
import { errorCode, UsageError } from "../util/errors.js";
import { type Log, silentLog } from "../util/log.js";
import type { Context } from "./context.js";

/** The log of one run: to `--log-file` in full detail, with `-v` on stderr too; else nothing. pino is loaded only when it is needed. */
export async function openLog(context: Context): Promise<Log> {
  const { logFile, verbose } = context.settings;
  if (logFile === undefined && !verbose) return silentLog;
  if (logFile !== undefined) requireWritable(logFile);
  const { pino, destination, multistream } = await import("pino");
  const streams = [
    ...(verbose
      ? [
          {
            level: "debug" as const,
            stream: { write: (line: string) => context.io.writeErr(readable(line)) },
          },
        ]
      : []),
    ...(logFile === undefined
      ? []
      : [
          {
            level: "trace" as const,
            stream: destination({ dest: logFile, sync: true, append: true }),
          },
        ]),
  ];
  // Typed as ours: pino's own type has an index signature, which looks like a thenable to an async function.
  const log: Log = pino(
    { level: logFile === undefined ? "debug" : "trace", base: null },
    multistream(streams),
  );
  return log;
}

function requireWritable(path: string): void {
  try {
    closeSync(openSync(path, "a"));
  } catch (cause) {
    throw new UsageError(
      `the log file ${path} cannot be written (${errorCode(cause) ?? "error"})`,
      {
        cause,
        hint: "name a file in a folder that is there and writable",
      },
    );
  }
}

/** One JSON line of pino as text for a person. */
function readable(line: string): string {
  const { level: _, time: __, msg, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const extra = Object.entries(fields).map(
    ([name, value]) => ` ${name}=${typeof value === "string" ? value : JSON.stringify(value)}`,
  );
  return `# ${String(msg ?? "")}${extra.join("")}\n`;
}
