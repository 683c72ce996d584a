import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "@jest/globals";
import { runCli } from "../../src/cli/program.js";
import { cli, FakeIo } from "../support/fake-io.js";
import { TempFolder } from "../support/temp-images.js";

const folder = new TempFolder();
afterAll(() => folder.remove());

const path = folder.at("card.img");
const fifo = folder.at("fifo");
spawnSync("mkfifo", [fifo]);
const OOPS = `[    4.000000] all is well
[    4.101010] BUG: kernel NULL pointer dereference, address: 0000000000000000
[    4.101300] Oops: 0002 [#1] PREEMPT SMP NOPTI
[    4.103000] ---[ end trace 0000000000000000 ]---
`;
const PANIC = `[    9.000001] Kernel panic - not syncing: Fatal exception
[    9.000003] ---[ end Kernel panic - not syncing: Fatal exception ]---
`;
const crlf = (text: string): string => text.replaceAll("\n", "\r\n");

beforeEach(() => writeFileSync(path, new Uint8Array(1 << 20)));

describe.each([
  ["image", `image:${path}`],
  ["sim", `sim:${path}`],
])("watch, a card behind %s:", (_, device) => {
  const args = (...more: string[]): string[] => ["-d", device, "-p", "whole", ...more];

  it("writes a record for the oops and one for the panic, from stdin", async () => {
    const run = await cli(args("watch", "--console", "-"), { stdin: crlf(OOPS + PANIC) });
    expect([run.exit, run.err]).toEqual([0, expect.stringContaining("-: 6 lines, 2 records")]);
    const lines = run.out.trim().split("\n");
    expect(lines.map((line) => line.split(" ")[1])).toEqual([
      "start:",
      "record:",
      "start:",
      "record:",
    ]);
    const { out } = await cli(args("pstore", "list", "--json"));
    const { records } = JSON.parse(out);
    expect(records).toMatchObject([
      { reason: "Oops", state: "verified" },
      { reason: "Panic", state: "verified" },
    ]);
    const shown = await cli(args("pstore", "show", records[1].name));
    expect(shown.out.endsWith(OOPS + PANIC)).toBe(true);
  });

  it("as NDJSON, from a file, once", async () => {
    const log = folder.write("console.log", crlf(PANIC + OOPS));
    const run = await cli(args("--json", "watch", "--console", log, "--once"));
    const events = run.out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(events.map(({ event }) => event)).toEqual(["start", "record", "end"]);
    expect(events[1]).toMatchObject({
      schema: "mmcpstore/watch/1",
      outcome: "committed",
      report: "panic",
      ended: "end marker",
    });
    expect(run.exit).toBe(0);
  });

  it("once, and nothing happened: 9", async () => {
    const run = await cli(args("watch", "--console", "-", "--once"), { stdin: "all is well\r\n" });
    expect(run.exit).toBe(9);
  });
});

describe("watch", () => {
  const args = (...more: string[]): string[] => [
    "-d",
    `image:${path}`,
    "-p",
    "whole",
    "watch",
    ...more,
  ];

  it("ends cleanly at Ctrl-C, with what it has", async () => {
    const io = new FakeIo();
    async function* endless(): AsyncGenerator<Uint8Array> {
      yield Buffer.from(PANIC);
      setImmediate(() => io.signal("SIGINT"));
      await new Promise(() => undefined);
    }
    Object.assign(io, { stdin: endless() });
    expect(await runCli(args("--console", "-"), io)).toBe(0);
    expect(io.err).toContain("1 records");
  });

  it("ends with 143 at SIGTERM", async () => {
    const io = new FakeIo();
    async function* endless(): AsyncGenerator<Uint8Array> {
      setImmediate(() => io.signal("SIGTERM"));
      await new Promise(() => undefined);
      yield new Uint8Array(0);
    }
    Object.assign(io, { stdin: endless() });
    expect(await runCli(args("--console", "-"), io)).toBe(143);
  });

  it("shows no byte of a board that would move the user's cursor", async () => {
    const line = "[    1.000000] kernel BUG at \u001b[2Ja.c:1!";
    const run = await cli(args("--console", "-"), { stdin: `${line}\n` });
    expect(run.out).toContain("kernel BUG at \ufffd[2Ja.c:1!");
    const { out } = await cli(["-d", `image:${path}`, "-p", "whole", "pstore", "show", "0"]);
    expect(out).toContain(line);
  });

  it("goes on when a report does not fit in a zone, and says so", async () => {
    // Cannot be made smaller, and is one line.
    const blocks = Array.from({ length: 127 }, (_, at) =>
      createHash("sha256").update(`${at}`).digest(),
    );
    const noise = Buffer.concat(blocks).map((byte) => (byte === 0x0a || byte === 0x0d ? 0 : byte));
    const stdin = Buffer.concat([
      Buffer.from("kernel BUG at "),
      noise,
      Buffer.from(crlf(`\nLinux version 6.1.0 (x@y) #1\n${PANIC}`)),
    ]);
    const run = await cli(["--json", ...args("--console", "-", "--kmsg-size", "4K")], { stdin });
    const events = run.out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(events).toMatchObject([
      { event: "start" },
      { event: "failed", report: "oops", ended: "boot", error: { code: "PSTORE_TOO_LARGE" } },
      { event: "boot" },
      { event: "start" },
      { event: "record", report: "panic", outcome: "committed", name: "dmesg-pstore_blk-0" },
      { event: "end", lines: 4, records: 1 },
    ]);
    expect(run.exit).toBe(2);
  });

  it("a card that is away when a report comes is a verdict, and watching goes on", async () => {
    const run = await cli(
      ["-d", `sim:${path}?unplug=400`, "-p", "whole", "--json", "watch", "--console", "-"],
      { stdin: crlf((OOPS + PANIC).repeat(20)) },
    );
    const events = run.out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    const told = events.filter(({ event }) => event === "record" || event === "failed");
    expect(told).toHaveLength(40);
    expect(told[0]).toMatchObject({ event: "record", outcome: "committed" });
    expect(told).toContainEqual(
      expect.objectContaining({ event: "record", outcome: "bridge-gone" }),
    );
    expect(told.at(-1)).toMatchObject({
      event: "failed",
      report: "panic",
      error: { code: "TRANSPORT_DISCONNECTED" },
    });
    expect(run.exit).toBe(4);
  });

  it("a real console leaves the records that its kernel would have left", async () => {
    const console = join("test", "data", "consoles", "x86_64-6.1.raw");
    const run = await cli(args("--console", console));
    const lines = readFileSync(console, "latin1").split("\n").length - 1;
    expect(run.err).toContain(`${lines} lines, 3 records`);
    const whole = ["-d", `image:${path}`, "-p", "whole"];
    const { out } = await cli([...whole, "pstore", "list", "--json"]);
    expect(JSON.parse(out).records).toMatchObject([
      { reason: "Oops", state: "verified" },
      { reason: "Oops", state: "verified" },
      { reason: "Panic", state: "verified" },
    ]);
    const last = await cli([...whole, "pstore", "show", "dmesg-pstore_blk-2"]);
    expect(last.out).toContain("syncing: panic judge\n");
    expect(last.out.endsWith("Rebooting in 1 seconds..\n")).toBe(true);
  });

  it.each([
    [[], 2],
    [["--console", "/nonexistent/tty"], 3],
    [["--console", folder.path], 2],
    [["--console", ""], 2],
    [["--console", "-", "--idle", "soon"], 2],
    [["--console", "/nonexistent/tty@9600"], 3],
    [["--console", "/nonexistent/tty@0"], 2],
    [["--console", "/nonexistent/tty@fast"], 2],
    [["--console", "/nonexistent/tty@115200.5"], 2],
    [["--console", "/nonexistent/tty@99999999"], 2],
    [["--console", `${path}@115200`], 2],
    [["--console", fifo], 2],
  ])("%j: exit %i", async (more, exit) => {
    const run = await cli(args(...more));
    expect([run.exit, run.err]).toEqual([exit, expect.stringMatching(/^(error|mmcpstore)/m)]);
  });
});
