import type { ExitCode } from "./exit-codes.js";
import type { CliIo } from "./io.js";
import type { OptionValues } from "./options.js";
import type { Settings } from "./settings.js";

/** How a command was started: alone, or inside `record` or `replay`. */
export interface Launch {
  /** Device instead of the one given. */
  readonly device?: string;
  /** Write a cassette of the run to this file. */
  readonly recordTo?: string;
}

/** What every verb is handed. */
export interface Context {
  readonly io: CliIo;
  readonly settings: Settings;
  /** Common and pstore options as text; what {@link Settings} does not hold is parsed by who needs it. */
  readonly values: OptionValues;
  readonly launch: Launch;
  /** The arguments as typed, for a cassette's header. */
  readonly args: readonly string[];
  /** Runs another command line with this one's common options: for `record` and `replay`. */
  rerun(args: readonly string[], launch: Launch): Promise<ExitCode>;
}

/** A verb's own flags, as commander hands them over. */
export type VerbFlags = Readonly<Record<string, unknown>>;

/** Runs one verb to its end. Prints results on stdout; throws typed errors; the returned code is the process's. */
export type RunVerb = (
  context: Context,
  operands: readonly string[],
  flags: VerbFlags,
) => Promise<ExitCode>;

/** One line for the user on stderr, unless `--quiet`. */
export function note(context: Context, text: string): void {
  if (!context.settings.quiet) context.io.writeErr(`${text}\n`);
}

/** A result as JSON on stdout; `name` becomes `mmcpstore/<name>/1`. */
export async function writeJson(context: Context, name: string, value: object): Promise<void> {
  const { jsonSafe } = await import("./report-error.js");
  await context.io.writeOut(
    `${JSON.stringify({ schema: `mmcpstore/${name}/1`, ...value }, jsonSafe, 2)}\n`,
  );
}
