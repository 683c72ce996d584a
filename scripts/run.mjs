// What `npm start` and `npm test` run: does the set-up that is missing, then the job. Needs nothing but Node and npm.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const modules = join(root, "node_modules");
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

function run(command, args) {
  const { status, signal, error } = spawnSync(command, args, { cwd: root, stdio: "inherit" });
  if (error) fail(`${command}: ${error.message}`);
  if (signal) process.kill(process.pid, signal);
  if (status !== 0) process.exit(status ?? 1);
}

/** Installs the locked packages unless exactly these are installed already. */
function install() {
  const stamp = join(modules, ".mmcpstore-lock");
  const lock = createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === lock) return;
  process.stderr.write("Installing the packages of package-lock.json ...\n");
  run("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
  writeFileSync(stamp, lock);
}

function newest(folder) {
  let latest = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    latest = Math.max(latest, entry.isDirectory() ? newest(path) : statSync(path).mtimeMs);
  }
  return latest;
}

/** Compiles `src` unless `dist` is newer than all of it. */
function build() {
  const stamp = join(root, "dist", ".built");
  const sources = Math.max(
    newest(join(root, "src")),
    statSync(join(root, "package-lock.json")).mtimeMs,
  );
  if (existsSync(stamp) && statSync(stamp).mtimeMs > sources) return;
  run(process.execPath, [join(modules, "typescript", "bin", "tsc"), "-p", "tsconfig.build.json"]);
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, "");
}

const jest = join(modules, "jest", "bin", "jest.js");
const jobs = {
  start: (args) => run(process.execPath, [join(root, "scripts", "demo.mjs"), ...args]),
  test: (args) => run(process.execPath, [jest, "--maxWorkers=2", ...args]),
  system: (args) =>
    run(process.execPath, [jest, "--config", "jest.system.config.js", "--runInBand", ...args]),
  matrix: (args) =>
    run(process.execPath, [jest, "--config", "jest.matrix.config.js", "--maxWorkers=2", ...args]),
  bench: (args) => run(process.execPath, [join(root, "bench", "main.mjs"), ...args]),
  setup: () => undefined,
};

if (major < 20 || (major === 20 && minor < 19))
  fail(`Node 20.19 or newer is needed; this is ${process.versions.node}`);
const [job = "", ...args] = process.argv.slice(2);
if (!(job in jobs)) fail(`usage: run.mjs ${Object.keys(jobs).join("|")}`);
install();
build();
jobs[job](args);
