import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import type { Segment, TransactionResult } from "../../src/spi/bridge.js";
import type { Planner } from "../../src/spi/plan.js";
import { createPlanner } from "../../src/spi/planner.js";
import { CAPABILITIES, CountingParser, FrameDevice, misoAt } from "./planner-support.js";

type Recipe =
  | { kind: "select" | "deselect" }
  | { kind: "write" | "read" | "exchange" | "idle"; bytes: number }
  | {
      kind: "receive";
      bytes: number;
      hint: number;
      honesty: number;
      end: "done" | "failed";
      ready: boolean;
    };

const bytes = fc.oneof(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 0, max: 700 }));
/** Barriers without a byte leave no op that the device could see. */
const some = bytes.map((count) => Math.max(1, count));
const recipe: fc.Arbitrary<Recipe> = fc.oneof(
  fc.record({ kind: fc.constantFrom("select" as const, "deselect" as const) }),
  fc.record({
    kind: fc.constantFrom("write" as const, "exchange" as const, "idle" as const),
    bytes: some,
  }),
  fc.record({ kind: fc.constant("read" as const), bytes }),
  fc.record({
    kind: fc.constant("receive" as const),
    bytes,
    hint: bytes,
    honesty: fc.constantFrom(0, 0.5, 1),
    end: fc.oneof(
      { weight: 9, arbitrary: fc.constant("done" as const) },
      fc.constant("failed" as const),
    ),
    ready: fc.boolean(),
  }),
);
const session = fc.array(fc.array(recipe, { maxLength: 12 }), { minLength: 1, maxLength: 3 });

function toSegment(one: Recipe): Segment {
  switch (one.kind) {
    case "select":
    case "deselect":
      return { kind: one.kind };
    case "idle":
      return { kind: "idle", bytes: one.bytes };
    case "read":
      return { kind: "read", into: new Uint8Array(one.bytes) };
    case "write":
      return { kind: "write", data: Uint8Array.from({ length: one.bytes }, (_, at) => at) };
    case "exchange": {
      const data = Uint8Array.from({ length: one.bytes }, (_, at) => at ^ 0xff);
      return { kind: "exchange", data, into: new Uint8Array(one.bytes) };
    }
    case "receive": {
      const parser = new CountingParser(one.bytes, one.end, one.honesty);
      return { kind: "receive", parser, hint: one.hint, ...(one.ready && { wait: "ready" }) };
    }
  }
}

function received(segments: readonly Segment[]): unknown[] {
  return segments.map((segment) => {
    if (segment.kind === "receive") return (segment.parser as CountingParser).seen;
    return "into" in segment ? Array.from(segment.into) : segment.kind;
  });
}

/** Byte by byte, no speculation: what the segments must have got. */
class Reference {
  #barriers = 0;
  #position = 0;

  run(recipes: readonly Recipe[]): { result: TransactionResult; got: unknown[] } {
    const got = recipes.map((one) => ("bytes" in one && hasBytes(one) ? zeros(one) : one.kind));
    for (const [index, one] of recipes.entries()) {
      if (one.kind === "read" || one.kind === "receive") {
        got[index] = Array.from({ length: one.bytes }, () =>
          misoAt(this.#barriers, this.#position++),
        );
        if (one.kind === "receive" && one.end === "failed") {
          return { result: { status: "stopped", segment: index }, got };
        }
        continue;
      }
      this.#barriers++;
      this.#position = 0;
      if (one.kind === "exchange") {
        got[index] = Array.from({ length: one.bytes }, (_, at) => misoAt(~this.#barriers, at));
      }
    }
    return { result: { status: "done", segment: recipes.length - 1 }, got };
  }
}

function hasBytes(one: Recipe): boolean {
  return one.kind === "read" || one.kind === "exchange" || one.kind === "receive";
}

function zeros(one: { kind: string; bytes: number }): number[] {
  return one.kind === "receive" ? [] : new Array<number>(one.bytes).fill(0);
}

/** Up to `depth` steps in flight. */
function drive(
  planner: Planner,
  device: FrameDevice,
  segments: readonly Segment[],
  depth: number,
): void {
  planner.begin({ label: "random", segments });
  device.begin(segments);
  const inFlight: Uint8Array[] = [];
  for (;;) {
    const step = inFlight.length < depth ? planner.next() : "await";
    if (step === "done") return;
    if (step !== "await") inFlight.push(device.run(step));
    else planner.feed(inFlight.shift() as Uint8Array);
  }
}

describe("random transactions", () => {
  test("give every segment the bytes that a byte-wise interpreter gives, whatever was clocked ahead", () => {
    fc.assert(
      fc.property(
        session,
        fc.record({
          maxTransactionBytes: fc.constantFrom(1, 7, 100, Number.POSITIVE_INFINITY),
          roundTripUs: fc.constantFrom(0, 10, 125),
          hardwareWait: fc.boolean(),
        }),
        fc.integer({ min: 1, max: 4 }),
        (transactions, capabilities, depth) => {
          const planner = createPlanner({ ...CAPABILITIES, ...capabilities }, () => ({
            frequencyHz: 30e6,
          }));
          const device = new FrameDevice();
          const reference = new Reference();
          for (const recipes of transactions) {
            const segments = recipes.map(toSegment);
            drive(planner, device, segments, depth);
            const { result, got } = reference.run(recipes);
            expect(planner.result).toEqual(result);
            expect(received(segments)).toEqual(got);
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  test("the same replies give the same steps", () => {
    fc.assert(
      fc.property(session, (transactions) => {
        const runs = [0, 1].map(() => {
          const planner = createPlanner(CAPABILITIES, () => ({ frequencyHz: 30e6 }));
          const steps: unknown[] = [];
          const device = new FrameDevice();
          const run = device.run.bind(device);
          device.run = (step) => {
            steps.push(step);
            return run(step);
          };
          for (const recipes of transactions) drive(planner, device, recipes.map(toSegment), 2);
          return steps;
        });
        expect(runs[0]).toEqual(runs[1]);
      }),
      { numRuns: 200 },
    );
  });
});
