import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { clockSetting, encodeSetUp, encodeStep } from "../../../src/bridge/ftdi/codec.js";
import type { BusOp } from "../../../src/spi/plan.js";
import { toHex } from "../../../src/util/bytes.js";
import { Bench } from "./support.js";

const bytes = fc.uint8Array({ minLength: 1, maxLength: 700 });

const op: fc.Arbitrary<BusOp> = fc.oneof(
  fc.constantFrom("high" as const, "low" as const).map((level) => ({ kind: "cs" as const, level })),
  bytes.map((data) => ({ kind: "write" as const, data })),
  bytes.map((data) => ({ kind: "exchange" as const, data })),
  fc.integer({ min: 1, max: 1200 }).map((length) => ({ kind: "read" as const, length })),
  fc.integer({ min: 1, max: 20 }).map((count) => ({ kind: "idle" as const, bytes: count })),
);

/** What EchoDevice answers to the operations, by their meaning alone. */
class Expected {
  readonly reply: number[] = [];
  #cs: "high" | "low" = "high";
  #last = 0xa5;

  run(each: BusOp): void {
    if (each.kind === "cs") this.#select(each.level);
    else if (each.kind === "write") this.#clock(each.data, false);
    else if (each.kind === "exchange") this.#clock(each.data, true);
    else if (each.kind === "read") this.#clock(new Uint8Array(each.length).fill(0xff), true);
    else if (each.kind === "idle") this.#clock(new Uint8Array(each.bytes).fill(0xff), false);
  }

  #select(level: "high" | "low"): void {
    if (level !== this.#cs) this.#last = 0xa5;
    this.#cs = level;
  }

  #clock(data: Uint8Array, keep: boolean): void {
    for (const byte of data) {
      if (keep) this.reply.push(this.#cs === "low" ? this.#last : 0xff);
      this.#last = byte;
    }
  }
}

describe("the driver's codec on the chip model", () => {
  it("sets the clock and the pins without breaking a rule", async () => {
    const bench = new Bench();
    await bench.mpsse();
    const { divisor, frequencyHz } = clockSetting(400_000);
    await bench.write(encodeSetUp(divisor, "high"));
    expect(bench.model.engine).toMatchObject({ frequencyHz, cs: "high", midCommand: false });
    expect(bench.rules()).toEqual([]);
  });

  it("clocks what any bus operations mean, in any order", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(op, { minLength: 1, maxLength: 8 }),
        fc.constantFrom(512 as const, 64 as const),
        async (ops, packetSize) => {
          const bench = new Bench({ packetSize });
          await bench.mpsse();
          const expected = new Expected();
          for (const each of ops) expected.run(each);
          const step = encodeStep(ops, "high");
          expect(step.replyBytes).toBe(expected.reply.length);
          const reply = await bench.run(step.bytes, step.replyBytes);
          expect(toHex(reply)).toBe(toHex(Uint8Array.from(expected.reply)));
          expect(bench.rules()).toEqual([]);
        },
      ),
      { numRuns: 60 },
    );
  });
});
