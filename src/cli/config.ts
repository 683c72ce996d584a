import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { parse } from "smol-toml";
import { errorCode, UsageError } from "../util/errors.js";
import type { CliIo } from "./io.js";
import type { OptionSpec } from "./options.js";

/** `$XDG_CONFIG_HOME/mmcpstore/config.toml` */
export function configPath(env: CliIo["env"]): string {
  const base = env["XDG_CONFIG_HOME"];
  return join(
    base === undefined || base === "" ? join(homedir(), ".config") : base,
    "mmcpstore",
    "config.toml",
  );
}

/**
 * The configuration file, or nothing where there is none.
 * @throws UsageError if it is not TOML, or has a key that is no option
 */
export function readConfig(
  env: CliIo["env"],
  specs: readonly OptionSpec[],
): Readonly<Record<string, unknown>> {
  const path = configPath(env);
  const text = readIfThere(path);
  if (text === undefined) return {};
  const config = parseToml(path, text);
  const unknown = Object.keys(config).find((key) => !specs.some(({ name }) => name === key));
  if (unknown === undefined) return config;
  throw new UsageError(`${path}: '${unknown}' is no option`, {
    hint: `the options are ${specs.map(({ name }) => name).join(", ")}`,
  });
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    if (errorCode(cause) === "ENOENT" || errorCode(cause) === "ENOTDIR") return undefined;
    throw new UsageError(`${path} cannot be read`, { cause });
  }
}

function parseToml(path: string, text: string): Record<string, unknown> {
  try {
    return parse(text);
  } catch (cause) {
    throw new UsageError(`${path} is not TOML`, {
      cause,
      hint: String(cause).split("\n")[0] ?? "",
    });
  }
}
