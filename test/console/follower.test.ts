import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { type ConsoleEvent, ConsoleFollower } from "../../src/console/follower.js";
import { START_PATTERNS, textOf } from "../../src/console/patterns.js";

const OOPS_X86 = `[    4.101010] BUG: kernel NULL pointer dereference, address: 0000000000000000
[    4.101200] #PF: supervisor write access in kernel mode
[    4.101300] Oops: 0002 [#1] PREEMPT SMP NOPTI
[    4.101400] CPU: 0 PID: 77 Comm: insmod Tainted: G           O       6.1.0-13-amd64 #1
[    4.102000] Call Trace:
[    4.103000] ---[ end trace 0000000000000000 ]---
[    4.104000] RIP: 0010:init_module+0x5/0x1000 [oops]
`;
const PANIC = `[    9.000001] Kernel panic - not syncing: sysrq triggered crash
[    9.000002] CPU: 0 PID: 1 Comm: init
[    9.000003] ---[ end Kernel panic - not syncing: sysrq triggered crash ]---
`;
const crlf = (text: string): Uint8Array => Buffer.from(text.replaceAll("\n", "\r\n"));
const follower = (maxBytes = 1 << 20): ConsoleFollower => new ConsoleFollower({ maxBytes });
const kinds = (events: readonly ConsoleEvent[]): string[] => events.map(({ kind }) => kind);
const textIn = (events: readonly ConsoleEvent[]): string[] =>
  events.flatMap((event) => (event.kind === "report" ? [Buffer.from(event.text).toString()] : []));

describe("a console as a port gives it", () => {
  test("an oops ends at its end marker; time stamps stay, \\r goes, nothing is invented", () => {
    const events = follower().push(crlf(`[    4.000000] before\n${OOPS_X86}`));
    expect(kinds(events)).toEqual(["start", "report"]);
    expect(events[1]).toMatchObject({ report: "oops", ended: "end marker" });
    const [text = ""] = textIn(events);
    expect(text.startsWith("[    4.000000] before\n[    4.101010] BUG: kernel NULL")).toBe(true);
    expect(text.endsWith("---[ end trace 0000000000000000 ]---\n")).toBe(true);
    expect(text).not.toContain("\r");
  });

  test("a panic behind an oops is a record of its own, with all that came before", () => {
    const events = follower().push(crlf(OOPS_X86 + PANIC));
    expect(kinds(events)).toEqual(["start", "report", "start", "report"]);
    expect(events[3]).toMatchObject({ report: "panic", ended: "end marker" });
    expect(textIn(events)[1]).toBe((OOPS_X86 + PANIC).replaceAll("\r", ""));
  });

  test("an oops that turns into a panic before it ends is one panic", () => {
    const cut = OOPS_X86.split("\n").slice(0, 3).join("\n");
    const events = follower().push(crlf(`${cut}\n${PANIC}`));
    expect(kinds(events)).toEqual(["start", "start", "report"]);
    expect(events[2]).toMatchObject({ report: "panic", line: expect.stringContaining("BUG:") });
  });

  test("a report that never ends is ended by a quiet period, with what there is", () => {
    const one = follower();
    expect(kinds(one.push(crlf("[    1.000000] kernel BUG at mm/slub.c:381!\n[    1.1")))).toEqual([
      "start",
    ]);
    expect(one.inReport).toBe(true);
    const events = one.quiet();
    expect(events[0]).toMatchObject({ kind: "report", ended: "quiet" });
    expect(textIn(events)[0]).toBe("[    1.000000] kernel BUG at mm/slub.c:381!\n[    1.1\n");
    expect(one.quiet()).toEqual([]);
  });

  test("a boot begins a new log, and ends a report that was open", () => {
    const one = follower();
    one.push(crlf("old line\nwatchdog: BUG: soft lockup - CPU#0 stuck for 26s! [sh:1]\n"));
    const events = one.push(crlf("[    0.000000] Linux version 6.1.0 (x@y) #1\nnew line\n"));
    expect(kinds(events)).toEqual(["report", "boot"]);
    expect(events[0]).toMatchObject({ ended: "boot" });
    expect(textIn(one.push(crlf(PANIC)))[0]?.startsWith("[    0.000000] Linux version")).toBe(true);
  });

  test("marks are kept where the console carries them", () => {
    const line = "<2>[    1.000000][   T42] kernel BUG at a.c:1!\n";
    const events = follower().push(
      crlf(`${line}<4>[    1.000001][   T42] ---[ end trace 0123456789abcdef ]---\n`),
    );
    expect(textIn(events)[0]?.startsWith(line)).toBe(true);
  });

  test.each([
    "watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [kworker/1:2:99]",
    "NMI watchdog: Watchdog detected hard LOCKUP on cpu 0",
    "Unable to handle kernel NULL pointer dereference at virtual address 0000000000000000",
    "Internal error: Oops: 0000000096000044 [#1] PREEMPT SMP",
    "general protection fault, probably for non-canonical address 0xdead: 0000 [#1] SMP",
    "rcu: INFO: rcu_preempt self-detected stall on CPU",
    "INFO: task init:1 blocked for more than 120 seconds.",
    "BUG: unable to handle page fault for address: ffffc90000000000",
    "Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000009",
  ])("%s", (line) => {
    expect(kinds(follower().push(crlf(`[   12.345678] ${line}\n`)))).toEqual(["start"]);
  });

  test.each([
    "Oops, I did it again",
    "random: crng init done",
    "EXT4-fs error: panic mode",
    "WARNING: CPU: 0 PID: 1 at x.c:1",
  ])("no report: %s", (line) => {
    expect(follower().push(crlf(`[   12.345678] ${line}\n`))).toEqual([]);
  });

  test("every pattern names where the kernel prints it", () => {
    for (const { source } of START_PATTERNS) expect(source).toMatch(/\.[ch]/);
    expect(textOf("<6>[    0.000000] x")).toBe("x");
  });

  test("the log is bounded: the newest lines stay", () => {
    const one = follower(2000);
    for (let at = 0; at < 5000; at++) one.push(Buffer.from(`[${at}] line\n`));
    const [text = ""] = textIn(one.push(Buffer.from(PANIC)));
    expect(text.length).toBeLessThanOrEqual(2000);
    expect(text).toContain("[4999] line\n");
    expect(one.lines).toBe(5003);
  });

  test("10 000 lines in are 10 000 lines parsed, however they are cut", () => {
    const bytes = crlf(
      Array.from(
        { length: 10_000 },
        (_, at) => `[${(at / 1e4).toFixed(6).padStart(12)}] line ${at}\n`,
      ).join(""),
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 70_000 }), (piece) => {
        const one = follower();
        for (let at = 0; at < bytes.length; at += piece) one.push(bytes.subarray(at, at + piece));
        expect(one.lines).toBe(10_000);
      }),
      { numRuns: 10 },
    );
  });
});
