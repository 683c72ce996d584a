import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { type ConsoleEvent, ConsoleFollower } from "../../src/console/follower.js";
import { LineCutter, MAX_LINE_BYTES } from "../../src/console/line-cutter.js";

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
/** Takes all events at once. */
class Follower {
  readonly inner: ConsoleFollower;

  constructor(maxBytes: number) {
    this.inner = new ConsoleFollower({ maxBytes });
  }

  push(bytes: Uint8Array): ConsoleEvent[] {
    return [...this.inner.push(bytes)];
  }

  quiet(): ConsoleEvent[] {
    return [...this.inner.quiet()];
  }
}
const follower = (maxBytes = 1 << 20): Follower => new Follower(maxBytes);
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
    expect(one.inner.openReport).toBe(1);
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

  test("the log is bounded: the newest lines stay", () => {
    const one = follower(2000);
    for (let at = 0; at < 5000; at++) one.push(Buffer.from(`[${at}] line\n`));
    const [text = ""] = textIn(one.push(Buffer.from(PANIC)));
    expect(text.length).toBeLessThanOrEqual(2000);
    expect(text).toContain("[4999] line\n");
    expect(one.inner.lines).toBe(5003);
  });

  test("a report that is longer than what is kept is written before its first line goes", () => {
    const one = follower(2000);
    one.push(Buffer.from("[    0.500000] before\n".repeat(50)));
    const long = Array.from({ length: 80 }, (_, at) => `[    1.1] part ${at} of the stack\n`);
    const events = one.push(Buffer.from(`[    1.000000] kernel BUG at a.c:1!\n${long.join("")}`));
    expect(kinds(events)).toEqual(["start", "report"]);
    expect(events[1]).toMatchObject({ ended: "full" });
    const [text = ""] = textIn(events);
    expect(text.length).toBeLessThanOrEqual(2000);
    expect(text).toContain("kernel BUG at a.c:1!\n[    1.1] part 0 of the stack\n");
    expect(one.quiet()).toEqual([]);
  });

  test("one that is overdue is taken as it is; the line that is coming is not cut", () => {
    const one = follower();
    one.push(Buffer.from("[    1.000000] kernel BUG at a.c:1!\n[    1.1"));
    const events = [...one.inner.overdue()];
    expect(events).toMatchObject([{ kind: "report", ended: "overdue" }]);
    expect(textIn(events)).toEqual(["[    1.000000] kernel BUG at a.c:1!\n"]);
    one.push(Buffer.from("00000] rest\n"));
    expect(textIn(one.push(Buffer.from(PANIC)))[0]).toContain("\n[    1.100000] rest\n");
  });

  test("events are made as they are asked for: a storm of reports is not held at once", () => {
    const one = follower(4096).inner;
    const storm = Buffer.from(
      "kernel BUG at a.c:1!\n---[ end trace 0123456789abcdef ]---\n".repeat(3),
    );
    const events = one.push(storm);
    expect([events.next().value?.kind, one.lines]).toEqual(["start", 1]);
    expect([events.next().value?.kind, one.lines]).toEqual(["report", 2]);
    expect([...events]).toHaveLength(4);
  });
});

/** All that a console says, in pieces of its own choice. */
function tell(pieces: Iterable<Uint8Array>, maxBytes: number): unknown {
  const one = new ConsoleFollower({ maxBytes });
  const events: ConsoleEvent[] = [];
  for (const piece of pieces) events.push(...one.push(piece));
  events.push(...one.end());
  const plain = events.map((event) =>
    event.kind === "report" ? { ...event, text: Buffer.from(event.text).toString("hex") } : event,
  );
  return { plain, lines: one.lines, held: one.heldBytes };
}

function* cut(bytes: Uint8Array, sizes: readonly number[]): Generator<Uint8Array> {
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

/** Bytes as consoles have them: reports, noise, lines that never end. */
const piece = fc.oneof(
  fc
    .constantFrom(
      OOPS_X86,
      PANIC,
      "\r\n",
      "\n\r",
      "\r",
      "\n",
      "[    0.000000] Linux version 6.1 (x)\n",
    )
    .map((text) => new Uint8Array(Buffer.from(text))),
  fc.uint8Array({ maxLength: 200 }),
  fc.integer({ min: 1, max: 9000 }).map((length) => new Uint8Array(length).fill(0x61)),
);
const noise = fc
  .array(piece, { maxLength: 12 })
  .map((pieces) => new Uint8Array(Buffer.concat(pieces)));
const cuts = fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 8 });

describe("whatever comes", () => {
  test("in whatever pieces it comes, the events are the same", () => {
    fc.assert(
      fc.property(noise, cuts, fc.constantFrom(300, 5000, 1 << 20), (bytes, sizes, maxBytes) => {
        expect(tell(cut(bytes, sizes), maxBytes)).toEqual(tell([bytes], maxBytes));
      }),
      { numRuns: 150 },
    );
  });

  test("byte for byte too", () => {
    const bytes = crlf(`noise${OOPS_X86}\n${"x".repeat(9000)}\n${PANIC}`);
    expect(tell(cut(bytes, [1]), 1 << 20)).toEqual(tell([bytes], 1 << 20));
  });

  test("no bytes break it, and no more than so many are held", () => {
    fc.assert(
      fc.property(noise, fc.integer({ min: 1, max: 6000 }), (bytes, maxBytes) => {
        const one = new ConsoleFollower({ maxBytes });
        for (const event of [...one.push(bytes), ...one.end()])
          if (event.kind === "report") expect(event.text.length).toBeLessThanOrEqual(maxBytes);
        expect(one.heldBytes).toBeLessThanOrEqual(maxBytes);
        expect(one.openReport).toBeUndefined();
      }),
      { numRuns: 300 },
    );
  });

  test("a report holds the end of the console up to its last line, and nothing else", () => {
    fc.assert(
      fc.property(noise, (bytes) => {
        const log = Buffer.concat([...new LineCutter().push(bytes)]).toString("latin1");
        const one = new ConsoleFollower({ maxBytes: 1 << 20 });
        for (const event of one.push(bytes))
          if (event.kind === "report")
            expect(log).toContain(Buffer.from(event.text).toString("latin1"));
      }),
      { numRuns: 100 },
    );
  });

  test("10 000 lines in are 10 000 lines parsed, however they are cut", () => {
    const bytes = crlf(
      Array.from(
        { length: 10_000 },
        (_, at) => `[${(at / 1e4).toFixed(6).padStart(12)}] line ${at}\n`,
      ).join(""),
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 70_000 }), (size) => {
        const one = follower();
        for (const part of cut(bytes, [size])) one.push(part);
        expect(one.inner.lines).toBe(10_000);
      }),
      { numRuns: 10 },
    );
  });

  test("a line is cut at 4096 bytes; one of just so many is whole", () => {
    const lengths = (bytes: number, end = "\n"): number[] =>
      [...new LineCutter().push(Buffer.from(`${"x".repeat(bytes)}${end}`))].map(
        ({ length }) => length - 1,
      );
    expect(lengths(MAX_LINE_BYTES)).toEqual([4096]);
    expect(lengths(MAX_LINE_BYTES + 1)).toEqual([4096, 1]);
    expect(lengths(MAX_LINE_BYTES, "")).toEqual([]);
    expect(lengths(10_000)).toEqual([4096, 4096, 1808]);
  });
});
