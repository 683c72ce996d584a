import { describe, expect, test } from "@jest/globals";
import type { BridgeCapabilities, ReceiveParser, Segment } from "../../src/spi/bridge.js";
import type { Planner, PlannerStep } from "../../src/spi/plan.js";
import { createPlanner } from "../../src/spi/planner.js";
import { CAPABILITIES, CountingParser } from "./planner-support.js";

const KIB = 1024;

function planner(capabilities: Partial<BridgeCapabilities> = {}, frequencyHz = 30e6): Planner {
  return createPlanner({ ...CAPABILITIES, ...capabilities }, () => ({ frequencyHz }));
}

function begin(segments: readonly Segment[], one: Planner = planner()): Planner {
  one.begin({ label: "test", segments });
  return one;
}

function step(one: Planner): PlannerStep {
  const next = one.next();
  if (typeof next === "string") throw new Error(`no step but ${next}`);
  return next;
}

/** `low write6 read2`: a step in words. */
function words(one: PlannerStep): string {
  return one.ops
    .map((op) => {
      if (op.kind === "cs") return op.level;
      if (op.kind === "read") return `read${op.length}`;
      if (op.kind === "idle") return `idle${op.bytes}`;
      return op.kind === "waitReady" ? `wait${op.maxBytes}` : `${op.kind}${op.data.length}`;
    })
    .join(" ");
}

function write(length: number): Segment {
  return { kind: "write", data: new Uint8Array(length) };
}

function receive(parser: ReceiveParser, hint: number): Segment {
  return { kind: "receive", parser, hint };
}

/** Done at the first byte that is `end`. */
class UntilParser implements ReceiveParser {
  status: "more" | "done" | "failed" = "more";
  readonly atLeast = 1;
  taken = 0;
  readonly #end: number;
  constructor(end: number) {
    this.#end = end;
  }
  push(bytes: Uint8Array, from: number, to: number): number {
    let at = from;
    while (at < to && this.status === "more") {
      if (bytes[at++] === this.#end) this.status = "done";
    }
    this.taken += at - from;
    return at - from;
  }
}

describe("what goes into one step", () => {
  test("a whole block read: chip select, command, response and block", () => {
    const one = begin([
      { kind: "deselect" },
      { kind: "idle", bytes: 1 },
      { kind: "select" },
      write(7),
      receive(new CountingParser(2, "done", 1), 2),
      receive(new CountingParser(523, "done", 1), 523),
    ]);
    const first = step(one);
    expect(words(first)).toBe("high idle1 low write7 read525");
    expect(one.next()).toBe("await");
    one.feed(new Uint8Array(first.replyBytes));
    expect(one.next()).toBe("done");
    expect(one.result).toEqual({ status: "done", segment: 5 });
  });

  test("a 64 KiB stream is one step, CMD12 behind it a second", () => {
    const bytes = 128 * 516 + 8;
    const one = begin([
      write(7),
      receive(new CountingParser(2, "done", 1), 2),
      receive(new CountingParser(bytes, "done", 1), bytes),
      write(7),
      receive(new CountingParser(3, "done", 1), 3),
    ]);
    expect(words(step(one))).toBe(`write7 read${bytes + 2}`);
    expect(one.next()).toBe("await");
    one.feed(new Uint8Array(bytes + 2));
    expect(words(step(one))).toBe("write7 read3");
  });

  test("exact reads do not hold up what follows them", () => {
    const into = new Uint8Array(2);
    const one = begin([write(1), { kind: "read", into }, { kind: "deselect" }, write(1)]);
    const only = step(one);
    expect(words(only)).toBe("write1 read2 high write1");
    one.feed(Uint8Array.of(7, 8));
    expect(one.next()).toBe("done");
    expect(into).toEqual(Uint8Array.of(7, 8));
  });

  test("nothing at all", () => {
    const one = begin([]);
    expect(one.next()).toBe("done");
    expect(one.result).toEqual({ status: "done", segment: -1 });
  });

  test("empty segments cost nothing", () => {
    const one = begin([
      write(0),
      { kind: "idle", bytes: 0 },
      { kind: "read", into: new Uint8Array(0) },
      receive(new CountingParser(0), 9),
      write(1),
    ]);
    expect(words(step(one))).toBe("write1");
  });
});

describe("long streams", () => {
  const Mib = 1024 * KIB;

  test("1 MiB goes in slices with further ones in flight while one is parsed", () => {
    const parser = new UntilParser(1);
    const one = begin([receive(parser, Mib)]);
    const replies: number[] = [];
    let mostInFlight = 0;
    let steps = 0;
    for (;;) {
      const next = one.next();
      if (next === "done") break;
      if (next !== "await") {
        steps++;
        replies.push(next.replyBytes);
        mostInFlight = Math.max(mostInFlight, replies.length);
        expect(next.replyBytes).toBeLessThanOrEqual(64 * KIB);
        continue;
      }
      const reply = new Uint8Array(replies.shift() as number);
      if (parser.taken + reply.length === Mib) reply.fill(1, reply.length - 1);
      one.feed(reply);
    }
    expect(parser.taken).toBe(Mib);
    expect(steps).toBe(16);
    expect(mostInFlight).toBe(3);
  });

  test("steps stay within what the bridge can clock", () => {
    const one = begin(
      [write(10), { kind: "read", into: new Uint8Array(10) }],
      planner({ maxTransactionBytes: 8 }),
    );
    expect(words(step(one))).toBe("write8");
    expect(words(step(one))).toBe("write2 read6");
    expect(words(step(one))).toBe("read4");
    expect(one.next()).toBe("await");
  });

  test("long writes are cut as well, without a copy", () => {
    const data = new Uint8Array(200 * KIB);
    const one = begin([{ kind: "write", data }]);
    const sizes: number[] = [];
    for (let next = one.next(); typeof next !== "string"; next = one.next()) {
      for (const op of next.ops) {
        if (op.kind !== "write") throw new Error("only writes");
        expect(op.data.buffer).toBe(data.buffer);
        sizes.push(op.data.length);
      }
      one.feed(new Uint8Array(0));
    }
    expect(sizes).toEqual([96 * KIB, 96 * KIB, 8 * KIB]);
  });
});

describe("polling", () => {
  /** Polls of a receive that ends after `bytes`. */
  function polls(
    bytes: number,
    capabilities: Partial<BridgeCapabilities>,
    frequencyHz: number,
  ): number[] {
    const one = begin([receive(new CountingParser(bytes), 2)], planner(capabilities, frequencyHz));
    const sizes: number[] = [];
    for (let next = one.next(); next !== "done"; next = one.next()) {
      if (next === "await") throw new Error("only one poll at a time");
      sizes.push(next.replyBytes);
      one.feed(new Uint8Array(next.replyBytes));
    }
    return sizes;
  }

  test("grows from a round trip's worth of clocks to eight of them", () => {
    expect(polls(8000, {}, 30e6)).toEqual([2, 469, 469, 938, 1876, 3752, 3752]);
  });

  test("500 ms of busy at 30 MHz: hundreds of polls, not thousands, and little too much", () => {
    const bytes = 1_875_000;
    const sizes = polls(bytes, {}, 30e6);
    expect(sizes.length).toBeLessThan(520);
    expect(sizes.reduce((sum, size) => sum + size, 0) - bytes).toBeLessThan(3752);
  });

  test("500 ms at 400 kHz", () => {
    const sizes = polls(25_000, {}, 400e3);
    expect(sizes.length).toBeLessThan(110);
    expect(Math.max(...sizes)).toBe(256);
  });

  test("is bounded on slow bridges with fast clocks", () => {
    expect(Math.max(...polls(500_000, { roundTripUs: 4000 }, 60e6))).toBe(16 * KIB);
  });

  test("clocks what is certainly needed at once", () => {
    const one = begin([receive(new CountingParser(3000, "done", 1), 10)]);
    expect(step(one).replyBytes).toBe(3000);
  });
});

describe("surplus", () => {
  test("feeds the next receive, also that of the next transaction, and is dropped by a barrier", () => {
    const one = planner();
    begin([receive(new CountingParser(1), 6)], one);
    step(one);
    one.feed(Uint8Array.of(1, 2, 3, 4, 5, 6));
    expect(one.next()).toBe("done");

    const second = new CountingParser(2);
    begin([receive(second, 2)], one);
    expect(one.next()).toBe("done");
    expect(second.seen).toEqual([2, 3]);

    const into = new Uint8Array(1);
    begin([{ kind: "read", into }, write(1), receive(new CountingParser(1), 1)], one);
    expect(into[0]).toBe(4);
    expect(words(step(one))).toBe("write1 read1");
  });

  test("more of it than fits the first buffer", () => {
    const one = planner();
    begin([receive(new CountingParser(1), 5000)], one);
    one.feed(Uint8Array.from({ length: step(one).replyBytes }, (_, at) => at & 0xff));
    expect(one.next()).toBe("done");
    const into = new Uint8Array(4999);
    begin([{ kind: "read", into }], one);
    expect(one.next()).toBe("done");
    expect(into).toEqual(Uint8Array.from({ length: 4999 }, (_, at) => (at + 1) & 0xff));
  });

  test("is forgotten by reset, and so is the transaction", () => {
    const one = begin([receive(new CountingParser(1), 5)]);
    one.feed(new Uint8Array(step(one).replyBytes));
    expect(one.next()).toBe("done");
    one.reset();
    begin([receive(new CountingParser(1), 1)], one);
    expect(step(one).replyBytes).toBe(1);
    one.reset();
    begin([write(1)], one);
    expect(words(step(one))).toBe("write1");
  });
});

describe("failure", () => {
  test("a failed parser stops the transaction; what is in flight is awaited", () => {
    const one = begin([receive(new CountingParser(3, "failed"), 200 * KIB), { kind: "deselect" }]);
    const first = step(one);
    const second = step(one);
    one.feed(new Uint8Array(first.replyBytes));
    expect(one.next()).toBe("await");
    one.feed(new Uint8Array(second.replyBytes));
    expect(one.next()).toBe("done");
    expect(one.result).toEqual({ status: "stopped", segment: 0 });
  });

  test("a parser that leaves bytes without an end is found out", () => {
    const parser: ReceiveParser = { status: "more", atLeast: 1, push: () => 0 };
    const one = begin([receive(parser, 1)]);
    step(one);
    expect(() => one.feed(new Uint8Array(1))).toThrow(/parser left bytes/);
  });

  test("misuse by a driver is found out", () => {
    const one = begin([{ kind: "read", into: new Uint8Array(2) }]);
    expect(() => begin([], one)).toThrow(/not over/);
    expect(() => one.result).toThrow(/not over/);
    step(one);
    expect(() => one.feed(new Uint8Array(3))).toThrow(/no step asked for/);
  });

  test("exchange on a half-duplex bridge", () => {
    const segments: Segment[] = [
      { kind: "exchange", data: new Uint8Array(1), into: new Uint8Array(1) },
    ];
    expect(() => begin(segments, planner({ fullDuplex: false }))).toThrow(
      expect.objectContaining({ code: "BRIDGE_UNSUPPORTED" }),
    );
  });
});

describe("hardware wait", () => {
  const busy = (): Segment => ({
    kind: "receive",
    parser: new UntilParser(0xff),
    hint: 500,
    wait: "ready",
  });

  test("replaces the hint, in the same step as what comes before", () => {
    const one = begin(
      [write(516), receive(new CountingParser(1), 1), busy()],
      planner({ hardwareWait: true }),
    );
    expect(words(step(one))).toBe("write516 read1 wait65536 read3");
    expect(one.next()).toBe("await");
  });

  test("is repeated until the parser is done", () => {
    const one = begin([busy(), write(1)], planner({ hardwareWait: true }));
    expect(words(step(one))).toBe("wait65536 read3");
    one.feed(Uint8Array.of(0, 0, 0));
    expect(words(step(one))).toBe("wait65536 read3");
    one.feed(Uint8Array.of(0, 0xff, 0xff));
    expect(words(step(one))).toBe("write1");
  });

  test("lasts 100 ms at most", () => {
    const one = begin([busy()], planner({ hardwareWait: true }, 400e3));
    expect(words(step(one))).toBe("wait5000 read3");
  });

  test("is not used where the bridge has none", () => {
    expect(words(step(begin([busy()])))).toBe("read500");
  });
});
