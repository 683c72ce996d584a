import { spawnSync } from "node:child_process";
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { cli } from "../support/fake-io.js";
import { TempFolder } from "../support/temp-images.js";

const TSC = "node_modules/typescript/bin/tsc";
const EXIT_BUG = 70;

/** A project of its own that has mmcpstore installed, with the example compiled into it. */
const folder = new TempFolder();
afterAll(() => folder.remove());
const card = folder.at("card.img");

const PASSING = `export const one = (log) => log("fine");`;
const FAILING = `${PASSING}
export async function two(log) {
  log("about to fail");
  setTimeout(() => { throw new Error("a bug of the harness"); }, 1);
  await new Promise((resolve) => setTimeout(resolve, 60_000));
}`;
const EARLY = `import { Worker } from "node:worker_threads";
import { createPanicMemory, PanicTrigger } from "mmcpstore";
const memory = createPanicMemory();
const workerData = { memory, device: process.argv[2] };
new Worker(new URL("card-worker.js", import.meta.url), { workerData });
const { report } = new PanicTrigger(memory).fire("early\\n", { deadlineMs: 60_000 });
process.stdout.write(report.verdict.outcome + " " + report.name + "\\n");
process.exit(3);`;
/** A device that takes a record and is never done with it. */
const STUCK_WORKER = `import { workerData } from "node:worker_threads";
import { RealClock, servePanics } from "mmcpstore";
const armed = { prepare: () => ({}), fire: () => new Promise(() => {}) };
await servePanics(workerData.memory, async () =>
  ({ store: { arm: async () => armed }, clock: new RealClock(), close: async () => {} }));`;

beforeAll(async () => {
  mkdirSync(folder.at("node_modules"));
  symlinkSync(process.cwd(), folder.at("node_modules/mmcpstore"));
  folder.write("package.json", '{ "type": "module" }');
  const create = "part create --label pstore --size 1MiB --yes".split(" ");
  expect((await cli(["-d", `sim:${card}?create=64MiB`, ...create])).exit).toBe(0);
});

function compile(to: string): { readonly status: number | null; readonly output: string } {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [TSC, "-p", "examples/panic-writer", "--outDir", to],
    { encoding: "utf8" },
  );
  return { status, output: stdout + stderr };
}

interface HarnessRun {
  readonly exit: number | null;
  readonly out: string;
  readonly err: string;
}

function harness(device: string, tests: string, build = "."): HarnessRun {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [folder.at(join(build, "harness.js")), device, folder.write("tests.mjs", tests)],
    { encoding: "utf8", env: { ...process.env, DEADLINE_MS: build === "." ? "30000" : "300" } },
  );
  return { exit: status, out: stdout, err: stderr };
}

async function names(): Promise<string[]> {
  const { out } = await cli(["-d", `sim:${card}`, "pstore", "list", "--json"]);
  return JSON.parse(out).records.map(({ name }: { readonly name: string }) => name);
}

describe("the example of a test harness that leaves its last words", () => {
  it("compiles with the public API alone", () => {
    expect(compile(folder.path)).toEqual({ status: 0, output: "" });
  });

  it("ends as ever when all goes well, and leaves no record", async () => {
    const run = harness(`sim:${card}`, PASSING);
    expect(run).toEqual({ exit: 0, out: "test one\nfine\nall tests are done\n", err: "" });
    expect(await names()).toEqual([]);
  });

  it("dies with its own exit code, and its log is on the card", async () => {
    const run = harness(`sim:${card}`, FAILING);
    expect(run.exit).toBe(EXIT_BUG);
    expect(run.err).toContain("last words: committed dmesg-pstore_blk-0");
    expect(await names()).toEqual(["dmesg-pstore_blk-0"]);
    const shown = await cli(["-d", `sim:${card}`, "pstore", "show", "0"]);
    expect(shown.out).toMatch(/^Panic: Total 1 times\nPanic#1 Part1\n/);
    expect(shown.out).toMatch(/about to fail\nError: a bug of the harness\n {4}at /);
  });

  it("a thread that dies before its worker is ready waits for it, blocked as it is", async () => {
    const early = folder.write("early.mjs", EARLY);
    const { status, stdout } = spawnSync(process.execPath, [early, `sim:${card}`], {
      encoding: "utf8",
    });
    expect([status, stdout]).toEqual([3, "committed dmesg-pstore_blk-1\n"]);
    expect(await names()).toEqual(["dmesg-pstore_blk-0", "dmesg-pstore_blk-1"]);
  });

  it("dies too when the card is out of reach", () => {
    const run = harness(`sim:${folder.at("missing.img")}`, FAILING);
    expect(run.exit).toBe(EXIT_BUG);
    expect(run.err).toMatch(/^no panic record will be written: .*missing\.img/);
    expect(run.err).toMatch(/last words: not written: .*missing\.img/);
  });

  it("dies too when the card answers too late", () => {
    expect(compile(folder.at("stuck")).status).toBe(0);
    folder.write(join("stuck", "card-worker.js"), STUCK_WORKER);
    const run = harness("any", FAILING, "stuck");
    expect(run.err).toContain("last words: no answer within 300 ms (fired)");
    expect(run.exit).toBe(EXIT_BUG);
  });
});
