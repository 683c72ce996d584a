import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { ConsoleFollower } from "../../src/console/follower.js";
import { LineCutter } from "../../src/console/line-cutter.js";
import { BOOT_PATTERN, END_PATTERNS, START_PATTERNS, textOf } from "../../src/console/patterns.js";
import { watchConsole } from "../../src/console/watch.js";
import { SimClock } from "../../src/sim/clock.js";
import { OTHER_LINES, REPORT_LINES } from "./kernel-lines.js";

/** What may stand in front of the kernel's own text. */
const FRONTS = [
  "",
  "[   12.345678] ",
  "<2>[   12.345678] ",
  "[   12.345678][  T123] ",
  "[   12.345678][    C0] ",
  "board login: [   12.345678] ",
  "[2026-05-06 07:08:09.123] [   12.345678] ",
  "\u001b[0m# [12345.678901] ",
];

/** `start oops`, `report oops by end marker`, ... of a console that ends there. */
function story(bytes: Uint8Array): string[] {
  const follower = new ConsoleFollower({ maxBytes: 1 << 20 });
  const events = [...follower.push(bytes), ...follower.end()];
  return events.map((event) => {
    if (event.kind === "boot") return "boot";
    if (event.kind === "start") return `${event.report}: ${textOf(event.line)}`;
    return `${event.report} ends by ${event.ended}`;
  });
}

/** Beginnings of the reports of a console whose lines come at the times that they are stamped with. */
async function withPauses(bytes: Uint8Array): Promise<string[]> {
  const clock = new SimClock();
  async function* lines(): AsyncGenerator<Uint8Array> {
    for (const line of new LineCutter().push(bytes)) {
      const seconds = Number(/\[ *(\d+\.\d{6})\]/.exec(Buffer.from(line).toString())?.[1] ?? 0);
      await clock.sleep(Math.max(0, seconds * 1e6 - clock.nowUs()));
      yield line;
    }
  }
  const follower = new ConsoleFollower({ maxBytes: 1 << 20 });
  const seen: string[] = [];
  const events = watchConsole(lines(), follower, { clock, quietMs: 4000, longestMs: 80_000 });
  for await (const event of events) if (event.kind === "report") seen.push(textOf(event.line));
  return seen;
}

const crlf = (text: string): Uint8Array => Buffer.from(text.replaceAll("\n", "\r\n"));
const consoleOf = (name: string): Buffer => readFileSync(join("test", "data", "consoles", name));

describe("the kernel's own patterns", () => {
  test.each(REPORT_LINES)("%s: %s", (_, line) => {
    for (const front of FRONTS) expect(story(crlf(`${front}${line}\n`))).toHaveLength(2);
  });

  test.each(OTHER_LINES)("no report: %s", (line) => {
    for (const front of FRONTS) expect(story(crlf(`${front}${line}\n`))).toEqual([]);
  });

  test.each(START_PATTERNS.map((one) => [one.what, one] as const))(
    "%s: has lines that no pattern before it takes, and a source",
    (_, { pattern, source }) => {
      const first = REPORT_LINES.filter(
        ([, line]) => START_PATTERNS.find((other) => other.pattern.test(line))?.pattern === pattern,
      );
      expect(first.length).toBeGreaterThan(0);
      expect(source).toMatch(/^(arch|kernel|lib|mm)\/[\w/.-]+\.[ch]\b/);
    },
  );

  test.each(END_PATTERNS)("ends are no starts: $pattern", ({ pattern }) => {
    const lines = [
      "---[ end Kernel panic - not syncing: Fatal exception ]---",
      "Rebooting in 5 seconds..",
      "---[ end trace 0123456789abcdef ]---",
    ];
    expect(lines.filter((line) => pattern.test(line))).toHaveLength(1);
  });

  test("what stands in front is taken off, once", () => {
    for (const front of FRONTS) expect(textOf(`${front}Oops [#1]`)).toBe("Oops [#1]");
    expect(textOf("[    1.000000] a [    2.000000] b")).toBe("a [    2.000000] b");
    expect(textOf("[1] x")).toBe("[1] x");
    expect(BOOT_PATTERN.test("Linux version 6.1.0 (x@y) #1")).toBe(true);
  });
});

describe("whole consoles", () => {
  test("a real kernel, x86_64 6.1: hung task, soft lockup, BUG(), oops, panic", () => {
    const seen = story(consoleOf("x86_64-6.1.raw"));
    // A file has no quiet periods: what has no end of its own ends with the next report that has.
    expect(seen).toEqual([
      "boot",
      "oops: INFO: task init:97 blocked for more than 1 seconds.",
      "oops ends by end marker",
      "oops: BUG: kernel NULL pointer dereference, address: 0000000000000000",
      "oops ends by end marker",
      "panic: Kernel panic - not syncing: panic judge",
      "panic ends by end marker",
    ]);
  });

  test("a real kernel, arm64 6.1, behind a prompt: the same, and a stall", () => {
    expect(story(consoleOf("arm64-6.1.raw"))).toEqual([
      "boot",
      "oops: INFO: task init:91 blocked for more than 1 seconds.",
      "oops ends by end marker",
      "oops: Unable to handle kernel NULL pointer dereference at virtual address 0000000000000000",
      "oops ends by end marker",
      "panic: Kernel panic - not syncing: panic judge",
      "panic ends by end marker",
    ]);
  });

  test.each(["x86_64-6.1.raw", "arm64-6.1.raw"])(
    "%s: with its pauses, each report is one of its own",
    async (name) => {
      expect(await withPauses(consoleOf(name))).toEqual([
        expect.stringContaining("INFO: task init:"),
        expect.stringContaining("watchdog: BUG: soft lockup"),
        expect.stringContaining("kernel BUG at oops_module.c:39!"),
        expect.stringContaining("NULL pointer dereference"),
        expect.stringContaining("Kernel panic - not syncing: panic judge"),
      ]);
    },
  );

  test("arm: behind a prompt, an oops that becomes a panic", () => {
    expect(story(crlf(consoleOf("arm.log").toString()))).toEqual([
      "boot",
      "oops: Unable to handle kernel NULL pointer dereference at virtual address 00000010 when read",
      "oops ends by end marker",
      "panic: Kernel panic - not syncing: Fatal exception",
      "panic ends by end marker",
    ]);
  });

  test("arm64: behind a terminal program's time stamps, a stall and an oops", () => {
    expect(story(crlf(consoleOf("arm64.log").toString()))).toEqual([
      "boot",
      "oops: rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
      "oops ends by end marker",
    ]);
  });

  test("riscv: no time stamps, an oops, a BUG, a panic that reboots", () => {
    expect(story(crlf(consoleOf("riscv.log").toString()))).toEqual([
      "boot",
      "oops: Unable to handle kernel access to user memory without uaccess routines at virtual address 0000000000000008",
      "oops ends by end marker",
      "oops: Kernel BUG [#2]",
      "oops ends by end marker",
      "panic: Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b",
      "panic ends by end marker",
    ]);
  });
});
