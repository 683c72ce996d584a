import { execFileSync, spawnSync } from "node:child_process";

const SYSTEM_PATH = `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`;

/** The environment in which tools of the system administrator are found too. */
export const toolEnv: NodeJS.ProcessEnv = { ...process.env, PATH: SYSTEM_PATH, LC_ALL: "C" };

/** True if the tool is on this machine; if not, says so loudly. */
export function hasTool(tool: string, debianPackage: string): boolean {
  const found = spawnSync("sh", ["-c", `command -v "${tool}"`], { env: toolEnv }).status === 0;
  if (!found)
    process.stderr.write(`SKIPPED: ${tool} is not installed (Debian package ${debianPackage})\n`);
  return found;
}

/** Runs a tool to its end and returns its stdout; throws with its stderr if it fails. */
export function runTool(command: string, args: readonly string[], cwd?: string): string {
  return execFileSync(command, [...args], {
    env: toolEnv,
    encoding: "utf8",
    maxBuffer: 1 << 28,
    stdio: ["ignore", "pipe", "pipe"],
    ...(cwd === undefined ? {} : { cwd }),
  });
}
