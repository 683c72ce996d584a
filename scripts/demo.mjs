// What `npm start` shows: the main job, end to end, on the simulated bench. Every line after a `$` is a real run of the program.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const main = join(root, "dist", "cli", "main.js");
const dir = mkdtempSync(join(tmpdir(), "mmcpstore-demo-"));
/** In the middle of the second record's text: see the heading of that step. */
const CUT_AT_SECTOR = 20;
const colour = process.stdout.isTTY && !process.env.NO_COLOR;
const paint = (code, text) => (colour ? `\x1b[${code}m${text}\x1b[0m` : text);
let step = 0;

function heading(text) {
  process.stdout.write(`\n${paint("1;36", `${++step}. ${text}`)}\n`);
}

function say(text) {
  process.stdout.write(`${paint("2", text)}\n`);
}

/** Runs the program, shows the command line and what it printed; ends the demo if the exit code is not one of `expected`. */
function run(args, { expected = [0], lines = Number.POSITIVE_INFINITY, tail = false } = {}) {
  process.stdout.write(
    `${paint("32", "$")} mmcpstore ${args.map((arg) => (/[?&<>|]/.test(arg) ? `'${arg}'` : arg)).join(" ")}\n`,
  );
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    cwd: dir,
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "1" },
  });
  const all = `${stdout}${stderr}`.trimEnd().split("\n");
  const shown =
    all.length <= lines
      ? all
      : tail
        ? ["...", ...all.slice(-lines)]
        : [...all.slice(0, lines), "..."];
  process.stdout.write(`${shown.map((line) => `  ${line}`).join("\n")}\n`);
  if (!expected.includes(status))
    throw new Error(`exit code ${status}, expected ${expected.join(" or ")}`);
  if (status !== 0) say(`  (exit code ${status}, as it must be)`);
  return stdout;
}

function requireEqual(a, b, what) {
  if (a !== b) throw new Error(`${what} differs`);
  say(`  ✓ ${what}`);
}

function demo() {
  writeFileSync(join(dir, "panic.log"), readFileSync(join(root, "examples", "panic.log")));
  say(
    "A simulated bench: FT232H driver → USB bytes → model of the FT232H → model of an SD card → card.img. No hardware is needed.",
  );

  heading("A new 64 MiB card behind the adapter: identify it");
  run(["-d", "sim:card.img?create=64MiB", "info"]);

  heading("Create the reserved partition that the kernel's pstore_blk will use");
  run(["-d", "sim:card.img", "part", "create", "--label", "pstore", "--size", "1MiB", "--yes"]);
  run(["-d", "sim:card.img", "part", "list"]);

  heading("Write the log of a kernel panic as a record, atomically, and read it back");
  run(["-d", "sim:card.img", "pstore", "write", "--no-compress", "panic.log"]);
  const before = run(["-d", "sim:card.img", "pstore", "list"]);
  run(["-d", "sim:card.img", "pstore", "show", "0"], { lines: 6, tail: true });

  heading(
    `Cut the power in the middle of a second write: while sector ${CUT_AT_SECTOR} of it is being programmed, which stays half old, half new`,
  );
  run(
    [
      "-d",
      `sim:card.img?cut=w${CUT_AT_SECTOR}:first-half`,
      "pstore",
      "write",
      "--no-compress",
      "panic.log",
    ],
    { expected: [5, 6, 10] },
  );
  say("  Power is back. What is on the card?");
  const after = run(["-d", "sim:card.img", "pstore", "list"]);
  requireEqual(after, before, "the first record is whole, and nothing of the torn one is shown");
  run(["-d", "sim:card.img", "pstore", "write", "--no-compress", "panic.log"]);

  heading(
    "Record all USB traffic of a command, then run it again with no card and no adapter at all",
  );
  const live = run(["-d", "sim:card.img", "record", "-o", "list.cassette", "--", "pstore", "list"]);
  rmSync(join(dir, "card.img"));
  say("  card.img is deleted.");
  requireEqual(
    run(["replay", "list.cassette", "--", "pstore", "list"]),
    live,
    "the replay printed the same",
  );

  process.stdout.write(
    `\n${paint("1;32", "Done.")} With a real adapter: mmcpstore -d ft232h info. More: README.md and mmcpstore --help.\n`,
  );
}

try {
  demo();
} catch (error) {
  process.stderr.write(`\nthe demonstration failed: ${error.message}\n`);
  process.exitCode = 1;
} finally {
  rmSync(dir, { recursive: true, force: true });
}
