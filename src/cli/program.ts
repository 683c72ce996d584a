import { Command, CommanderError, Option } from "commander";
import { UsageError } from "../util/errors.js";
import { readConfig } from "./config.js";
import type { Context, Launch, VerbFlags } from "./context.js";
import { EXIT, type ExitCode } from "./exit-codes.js";
import type { CliIo } from "./io.js";
import { COMMON_OPTIONS, gatherOptions, type OptionSpec, PSTORE_OPTIONS } from "./options.js";
import { errorJson, errorLines, exitCodeOf } from "./report-error.js";
import { parseSettings, type Settings } from "./settings.js";
import { VERB_GROUPS, VERBS, type Verb } from "./verbs.js";
import { VERSION } from "./version.js";

const ALL_OPTIONS: readonly OptionSpec[] = [...COMMON_OPTIONS, ...PSTORE_OPTIONS];

/** Runs one command line; never throws. The result is the process's exit code. */
export async function runCli(
  args: readonly string[],
  io: CliIo,
  launch: Launch = {},
  inherited: VerbFlags = {},
): Promise<ExitCode> {
  let settings: Settings | undefined;
  let exit: ExitCode = EXIT.ok;
  const act = async (verb: Verb, operands: readonly string[], flags: VerbFlags): Promise<void> => {
    const merged = { ...inherited, ...flags };
    const values = gatherOptions(ALL_OPTIONS, {
      flags: merged,
      env: io.env,
      config: readConfig(io.env, ALL_OPTIONS),
    });
    settings = parseSettings(values);
    const context: Context = {
      io,
      settings,
      values,
      launch,
      args,
      rerun: (inner, how) => runCli(inner, io, how, commonOnly(merged)),
    };
    const { run } = await verb.load();
    exit = await run(context, operands, flags);
  };
  try {
    await createProgram(io, args.includes("--json"), act).parseAsync([...args], { from: "user" });
    return exit;
  } catch (error) {
    return report(error, io, settings, args);
  }
}

function commonOnly(flags: VerbFlags): VerbFlags {
  const names = new Set(
    COMMON_OPTIONS.map(({ name }) =>
      name.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase()),
    ),
  );
  return Object.fromEntries(Object.entries(flags).filter(([name]) => names.has(name)));
}

/** Commander has printed its own message already; help and version are no failures. */
function report(
  error: unknown,
  io: CliIo,
  settings: Settings | undefined,
  args: readonly string[],
): ExitCode {
  const json = settings?.json ?? args.includes("--json");
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return EXIT.ok;
    if (!json) return EXIT.usage;
    io.writeErr(errorJson(new UsageError(error.message.replace(/^error: /, ""))));
    return EXIT.usage;
  }
  io.writeErr(json ? errorJson(error) : errorLines(error, settings?.verbose ?? false));
  return exitCodeOf(error);
}

type Act = (verb: Verb, operands: readonly string[], flags: VerbFlags) => Promise<void>;

function createProgram(io: CliIo, json: boolean, act: Act): Command {
  const program = new Command("mmcpstore");
  program
    .description("Drives an SD/MMC card through a USB bridge and keeps Linux pstore records on it.")
    .version(VERSION, "-V, --version", "version of this program")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void io.writeOut(text),
      writeErr: (text) => {
        if (!json) io.writeErr(text);
      },
    })
    .showHelpAfterError("(--help shows the verbs and options)");
  addOptions(program, COMMON_OPTIONS);
  const groups = new Map<string, Command>();
  for (const [name, summary] of Object.entries(VERB_GROUPS))
    groups.set(name, inherit(program.command(name).description(summary), program));
  for (const verb of VERBS) addVerb(program, groups, verb, act);
  return program;
}

function addVerb(
  program: Command,
  groups: ReadonlyMap<string, Command>,
  verb: Verb,
  act: Act,
): void {
  const words = verb.name.split(" ");
  const parent = (words.length > 1 ? groups.get(words[0] ?? "") : undefined) ?? program;
  const command = inherit(
    parent.command(`${words.at(-1)} ${verb.operands}`.trim()).description(verb.summary),
    program,
  );
  if (verb.geometry === true) addOptions(command, PSTORE_OPTIONS);
  addOptions(command, verb.options ?? []);
  command.action(async (...parameters: unknown[]) => {
    const operands = parameters
      .slice(0, -2)
      .flat()
      .filter((operand) => operand !== undefined)
      .map(String);
    await act(verb, operands, command.optsWithGlobals());
  });
}

function inherit(command: Command, program: Command): Command {
  return command.copyInheritedSettings(program);
}

function addOptions(command: Command, options: readonly OptionSpec[]): void {
  for (const { flags, help } of options) command.addOption(new Option(flags, help));
}
