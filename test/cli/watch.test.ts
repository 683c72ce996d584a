import { writeFileSync } from "node:fs";
import { afterAll, beforeEach, describe, expect, it } from "@jest/globals";
import { runCli } from "../../src/cli/program.js";
import { cli, FakeIo } from "../support/fake-io.js";
import { TempFolder } from "../support/temp-images.js";

const folder = new TempFolder();
afterAll(() => folder.remove());

const path = folder.at("card.img");
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

  it.each([
    [[], 2],
    [["--console", "/nonexistent/tty"], 3],
    [["--console", folder.path], 2],
    [["--console", "-", "--idle", "soon"], 2],
  ])("%j: exit %i", async (more, exit) => {
    const run = await cli(args(...more));
    expect([run.exit, run.err]).toEqual([exit, expect.stringMatching(/^(error|mmcpstore)/m)]);
  });
});
