import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { openImage } from "../../src/block/image.js";
import { openPart } from "../../src/device/part.js";
import { extractFiles } from "../../src/pstore/extract.js";
import { DEFAULT_GEOMETRY } from "../../src/pstore/geometry.js";
import { scanPartition } from "../../src/pstore/scan.js";
import { RealClock } from "../../src/util/clock.js";
import { FakePort } from "../console/fake-port.js";
import { type PstoreFile, parsePstoreFiles, runGuest } from "./guest/guest.js";
import { PtyGuest } from "./guest/pty-guest.js";
import { Pty } from "./serial/pty.js";
import { hasTool } from "./support/tools.js";

const MAIN = "dist/cli/main.js";
const TRIES = 3;
const judged = hasTool("qemu-system-x86_64", "qemu-system-x86") ? describe : describe.skip;
const dir = mkdtempSync(join(tmpdir(), "mmcpstore-watch-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/**
 * Processes that hang, keep the CPU, die of an oops and of a BUG: the kernel goes on. (Hung tasks first: a kernel that has oopsed
 * reports none.) The last line is its panic.
 */
const JOB = `echo 1 > /proc/sys/kernel/hung_task_timeout_secs
echo 1 > /proc/sys/kernel/watchdog_thresh
(echo hang > /proc/oops)
sleep 6
(echo spin > /proc/oops)
sleep 6
oops judge
(echo bug > /proc/oops)
sleep 1
echo GOING-ON
echo "<6>the kernel goes on" > /dev/kmsg
echo "panic judge" > /proc/oops
`;
/** Longer than between two complaints about the process that keeps the CPU. */
const IDLE = "4s";
const OOPS_END = /^.*---\[ end trace [0-9a-f]{16} \]---\n/m;
const PANIC_END = /^.*Rebooting in 1 seconds\.\.\n/m;

function newCard(name: string): string {
  const card = join(dir, name);
  rmSync(card, { force: true });
  const create = "part create --label pstore --size 1MiB --yes".split(" ");
  const args = [MAIN, "-d", `sim:${card}?create=64MiB`, ...create];
  execFileSync(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] });
  return card;
}

/** `watch` as a process of its own. */
class WatchRun {
  readonly exited: Promise<number | null>;
  readonly #child: ChildProcess;
  #out = "";
  #err = "";

  constructor(card: string, console: string, stdin: Buffer | undefined = undefined) {
    const args = [
      MAIN,
      "-d",
      `sim:${card}`,
      "--json",
      "watch",
      "--idle",
      IDLE,
      "--console",
      console,
    ];
    this.#child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "pipe"] });
    this.#child.stdout?.on("data", (bytes) => {
      this.#out += bytes;
    });
    this.#child.stderr?.on("data", (bytes) => {
      this.#err += bytes;
    });
    const killed = (): void => void this.#child.kill("SIGKILL");
    process.once("exit", killed);
    this.exited = new Promise((resolve) => {
      this.#child.once("close", (code) => {
        process.off("exit", killed);
        resolve(code);
      });
    });
    this.#child.stdin?.end(stdin);
  }

  get events(): Record<string, unknown>[] {
    return this.#out
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  }

  get err(): string {
    return this.#err;
  }

  interrupt(): void {
    this.#child.kill("SIGINT");
  }

  /** Until `seen` holds, or the program is over. */
  async until(seen: () => boolean): Promise<void> {
    let over = false;
    void this.exited.then(() => {
      over = true;
    });
    while (!seen() && !over) await new Promise((resolve) => setTimeout(resolve, 50));
    if (!seen()) throw new Error(`watch ended before that:\n${this.#out}\n${this.#err}`);
  }
}

/** What `pstore extract` would write. */
async function recordsOf(card: string): Promise<PstoreFile[]> {
  const image = await openImage(card, { readOnly: true, clock: new RealClock() });
  const files: PstoreFile[] = [];
  try {
    const { view } = await openPart(image, undefined);
    const scan = await scanPartition(view, DEFAULT_GEOMETRY);
    for await (const { name, bytes, mtime } of extractFiles(scan))
      files.push({ name, bytes: Buffer.from(bytes), mtime: Number(mtime?.seconds) });
  } finally {
    await image.close();
  }
  return files;
}

/** The console's log from the kernel's first line on, as a record has to hold it. */
function logOf(console: Buffer): string {
  const text = console.toString("latin1").replaceAll("\r\n", "\n");
  return text.slice(text.lastIndexOf("\n", text.indexOf("Linux version")) + 1);
}

function logUpTo(log: string, end: RegExp): string {
  const found = end.exec(log);
  if (found === null) throw new Error(`the console has no ${end}:\n${log.slice(-3000)}`);
  return log.slice(0, found.index + found[0].length);
}

/** A record without what the kernel and we put in front of the log. */
const logIn = (file: PstoreFile | undefined): string =>
  (file?.bytes.toString("latin1") ?? "")
    .replace(/^\w+: Total \d+ times\n/, "")
    .replace(/^.*\n/, "");

interface Watched {
  readonly card: string;
  readonly console: Buffer;
  readonly jobText: string;
  readonly events: readonly Record<string, unknown>[];
  readonly exit: number | null;
  readonly err: string;
}

/** One guest with `watch` on its console, from power-on until it is gone. */
async function watchGuest(card: string): Promise<Watched> {
  const guest = await PtyGuest.boot({ job: JOB, disks: [] }, dir);
  try {
    const run = new WatchRun(card, `${guest.path}@115200`);
    await run.until(() => run.err.includes("watching"));
    guest.start();
    await guest.exited;
    await run.until(() => run.events.some(({ event }) => event === "gone"));
    run.interrupt();
    const exit = await run.exited;
    const { console, text: jobText } = guest;
    return { card, console, jobText, events: run.events, exit, err: run.err };
  } finally {
    await guest.dispose();
  }
}

judged("watch on the console of a kernel that oopses and panics", () => {
  let watched: Watched;
  let records: PstoreFile[] = [];

  beforeAll(async () => {
    // On a busy host this kernel sometimes dies in early boot, before /init: that is another card's story.
    for (let attempt = 0; attempt < TRIES; attempt++) {
      watched = await watchGuest(newCard("card.img"));
      if (watched.jobText.includes("GOING-ON")) break;
    }
    records = await recordsOf(watched.card);
  });

  test("the port gives it as a board does: \\r\\n, no <prio>", () => {
    const text = watched.console.toString("latin1");
    expect(text.split("\r\n").length).toBeGreaterThan(100);
    expect(text).not.toMatch(/^<\d>/m);
    expect(watched.jobText).toContain("GOING-ON");
  });

  test("a record for each report, in order; it ends at Ctrl-C", () => {
    const told = watched.events.filter(({ event }) => event === "record");
    for (const { outcome } of told) expect(outcome).toBe("committed");
    const counters = told.map(({ report, counter }) => `${report} ${counter}`);
    const oopses = counters.slice(0, -1).map((_, at) => `oops ${at + 1}`);
    expect(counters).toEqual([...oopses, "panic 1"]);
    expect(told.at(-1)).toMatchObject({ ended: "end marker" });
    expect(watched.events[0]).toMatchObject({ event: "boot" });
    expect(watched.events.slice(-2)).toMatchObject([{ event: "gone" }, { event: "end" }]);
    expect([watched.exit, records.length]).toEqual([0, told.length]);
  });

  /** The record whose report begins with such a line. */
  function recordOf(line: RegExp): PstoreFile | undefined {
    const told = watched.events.filter(({ event }) => event === "record");
    return records[told.findIndex((event) => line.test(String(event["line"])))];
  }

  test.each([
    ["an oops", /BUG: kernel NULL pointer/, OOPS_END, ["#PF: ", "Call Trace:", "RIP: 0010:"]],
    ["a panic", /Kernel panic/, PANIC_END, ["syncing: panic judge", "the kernel goes on"]],
  ] as const)("the record of %s holds the whole report, byte for byte", (_, line, end, parts) => {
    const log = logIn(recordOf(line));
    expect(log).toBe(logUpTo(logOf(watched.console), end));
    for (const part of parts) expect(log).toContain(part);
  });

  test.each([
    ["a hung task", /INFO: task init:\d+ blocked for more than 1 seconds\./],
    ["a soft lockup", /watchdog: BUG: soft lockup - CPU#0 stuck for \d+s! \[init:\d+\]/],
    ["a BUG()", /kernel BUG at .*oops_module\.c:\d+!/],
  ])("%s is a report of its own, and its record is the log up to there", (_, line) => {
    const log = logIn(recordOf(line));
    expect(log).toMatch(line);
    expect(logOf(watched.console).startsWith(log)).toBe(true);
  });

  test.each([
    ["stdin", (raw: Buffer): [string, Buffer?] => ["-", raw]],
    [
      "a file",
      (raw: Buffer): [string] => {
        const path = join(dir, "console.raw");
        writeFileSync(path, raw);
        return [path];
      },
    ],
  ] as const)(
    "the same bytes from %s leave the same records of what has an end",
    async (_, given) => {
      const card = newCard("again.img");
      const run = new WatchRun(card, ...given(watched.console));
      expect(await run.exited).toBe(0);
      const again = (await recordsOf(card)).map(logIn);
      expect(again).toContain(logIn(recordOf(/BUG: kernel NULL pointer/)));
      expect(again.at(-1)).toBe(logIn(records.at(-1)));
      const lines = watched.console.toString("latin1").split("\n").length - 1;
      expect(run.events.at(-1)).toMatchObject({ event: "end", lines, records: again.length });
    },
  );

  test("a kernel reads them back: names, bytes and times", async () => {
    const job =
      "wait_disk /dev/mmcblk0p1\npstore_open /dev/mmcblk0p1 kmsg_size=64\npstore_files\npstore_close\n";
    const { text } = await runGuest({ job, disks: [{ image: watched.card, bus: "sd" }] });
    expect(records.length).toBeGreaterThanOrEqual(5);
    expect(parsePstoreFiles(text)).toEqual(records);
  });
});

const portTest = hasTool("socat", "socat") ? describe : describe.skip;

portTest("watch on a port that comes and goes", () => {
  const clock = new RealClock();
  const crash = (line: string, end: string): string => `[    1.0] log\r\n${line}\r\n${end}\r\n`;
  const panic = crash(
    "Kernel panic - not syncing: x",
    "---[ end Kernel panic - not syncing: x ]---",
  );
  const oops = crash("kernel BUG at a.c:1!", "---[ end trace 0000000000000000 ]---");

  /** A board on a terminal of the same name every time. */
  async function plugIn(): Promise<{ readonly board: FakePort; readonly pty: Pty }> {
    rmSync(join(dir, "tty"), { force: true });
    const board = new FakePort(clock);
    return { board, pty: await Pty.open(dir, "tty", { board: () => board, clock }) };
  }

  test("is back when the port is, and ends at Ctrl-C on a console that is silent", async () => {
    const card = newCard("port.img");
    const { board, pty } = await plugIn();
    const run = new WatchRun(card, pty.path);
    const told = (event: string): number =>
      run.events.filter((one) => one["event"] === event).length;
    await run.until(() => run.err.includes("watching"));
    board.say(panic);
    await run.until(() => told("record") === 1);
    await pty.close();
    await run.until(() => told("gone") === 1);
    const again = await plugIn();
    await run.until(() => told("back") === 1);
    again.board.say(oops);
    await run.until(() => told("record") === 2);
    run.interrupt();
    expect(await run.exited).toBe(0);
    await again.pty.close();
    expect(run.events.at(-1)).toMatchObject({ event: "end", lines: 6, records: 2 });
    expect((await recordsOf(card)).map(logIn)).toEqual([
      panic.replaceAll("\r", ""),
      (panic + oops).replaceAll("\r", ""),
    ]);
  });

  test("a file that is no serial port, and a rate that it cannot have", async () => {
    const card = newCard("no-port.img");
    const run = new WatchRun(card, "/dev/null");
    expect([await run.exited, run.err]).toEqual([4, expect.stringContaining("no serial port")]);
    const rate = new WatchRun(card, "/dev/null@12345678901");
    expect([await rate.exited, rate.err]).toEqual([2, expect.stringContaining("no baud rate")]);
  });
});
