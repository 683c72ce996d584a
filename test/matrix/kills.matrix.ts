import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { TempFolder } from "../support/temp-images.js";

/** As many hosts are killed in the middle of a long write, each followed by one that writes a record. */
const KILLS = Number(process.env["MMCPSTORE_KILLS"] ?? 200);
/** Reruns the same moments. */
const SEED = Number(process.env["MMCPSTORE_KILL_SEED"] ?? 1);
/** Kills fall into so much of the write from its beginning. */
const SPREAD_MS = 400;
const MAIN = join(process.cwd(), "dist", "cli", "main.js");

const folder = new TempFolder();
const children = new Set<ChildProcess>();
let runtime = "";
let socket = "";

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function start(args: readonly string[]): {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
} {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { ...process.env, XDG_RUNTIME_DIR: runtime, XDG_CONFIG_HOME: runtime },
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.add(child);
  let out = "";
  let err = "";
  child.stdout?.on("data", (data) => {
    out += data;
  });
  child.stderr?.on("data", (data) => {
    err += data;
  });
  const ended = new Promise<Ended>((resolve) => {
    child.on("close", (code) => {
      children.delete(child);
      resolve({ code, out, err });
    });
  });
  return { child, ended };
}

const until = async (child: ChildProcess, text: string): Promise<void> =>
  new Promise((resolve) => {
    child.stderr?.on("data", (data: Buffer) => {
      if (data.includes(text)) resolve();
    });
  });

/** Resolves when the writer is in the middle of its write by its own journal, however long it took to start, or has ended. */
async function isWriting(child: ChildProcess): Promise<void> {
  while (child.exitCode === null) {
    const journals = readdirSync(runtime).filter((name) => name.endsWith(".journal"));
    if (journals.some((name) => read(join(runtime, name)).includes('"doing":"writing"'))) return;
    await sleep(2);
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    // It is gone at a proper end.
    return "";
  }
}

beforeAll(async () => {
  runtime = folder.at("run");
  mkdirSync(runtime);
  socket = folder.at("bench.sock");
  const card = folder.write("card.img", new Uint8Array(32 << 20));
  const simulated = `sim:${card}?busy=300us&stopbusy=500us&nac=200us`;
  const server = start(["-d", simulated, "sim", "serve", "--socket", socket]);
  await until(server.child, "serving");
  const created = await start([...device(), "-y", "part", "create", "--size", "1M"]).ended;
  expect([created.code, created.err]).toEqual([0, expect.anything()]);
  const formatted = await start([...device(), "-y", "pstore", "format"]).ended;
  expect(formatted.code).toBe(0);
});

afterAll(async () => {
  for (const child of children) child.kill("SIGKILL");
  folder.remove();
});

const device = (): string[] => ["-d", `sim:unix:${socket}`];

test(`a host that is killed in the middle of a write, ${KILLS} times, and a record by the next one`, async () => {
  const data = folder.write("data.bin", new Uint8Array(8 << 20).fill(0x5a));
  const log = folder.write("panic.log", "<0>[    9.000000] Kernel panic - not syncing: test\n");
  const classes = new Map<string, number>();
  let state = SEED;
  let interrupted = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    state = (state * 1103515245 + 12345) & 0x7fffffff;
    const delayMs = state % SPREAD_MS;
    const id = `kill=${kill} seed=${SEED} ${delayMs} ms into it`;
    const writer = start([...device(), "-y", "write", data, "16384+8M"]);
    await isWriting(writer.child);
    await sleep(delayMs);
    writer.child.kill("SIGKILL");
    await writer.ended;
    const run = await start([...device(), "--json", "pstore", "write", "--panic", log]).ended;
    expect([id, run.code, run.err]).toEqual([id, 0, expect.any(String)]);
    expect([id, JSON.parse(run.out).outcome]).toEqual([id, "committed"]);
    const found = /integrity class ([ABC])/.exec(run.err)?.[1];
    if (found !== undefined) interrupted++;
    classes.set(found ?? "none", (classes.get(found ?? "none") ?? 0) + 1);
  }
  const counted = [...classes].map(([name, count]) => `${name}: ${count}`).join(", ");
  process.stderr.write(`kills: ${KILLS}, seed ${SEED}; integrity classes used: ${counted}\n`);
  expect(interrupted).toBeGreaterThan(KILLS / 4);
});
