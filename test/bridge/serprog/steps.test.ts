import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import {
  collectReply,
  encodeFullDuplex,
  encodeHalfDuplex,
} from "../../../src/bridge/serprog/steps.js";
import type { BusOp } from "../../../src/spi/plan.js";
import { toHex } from "../../../src/util/bytes.js";

const bytes = fc.uint8Array({ maxLength: 40 });
const op: fc.Arbitrary<BusOp> = fc.oneof(
  fc.record({ kind: fc.constant("cs" as const), level: fc.constantFrom("high", "low") }),
  fc.record({ kind: fc.constant("write" as const), data: bytes }),
  fc.record({ kind: fc.constant("exchange" as const), data: bytes }),
  fc.record({ kind: fc.constant("read" as const), length: fc.nat(90) }),
  fc.record({ kind: fc.constant("idle" as const), bytes: fc.nat(20) }),
) as fc.Arbitrary<BusOp>;

/** What an op clocks, and whether it wants to have that back. */
function clocked(one: BusOp): { mosi: Uint8Array; isWanted: boolean } {
  const ones = (length: number): Uint8Array => new Uint8Array(length).fill(0xff);
  if (one.kind === "read") return { mosi: ones(one.length), isWanted: true };
  if (one.kind === "idle") return { mosi: ones(one.bytes), isWanted: false };
  if ("data" in one) return { mosi: one.data, isWanted: one.kind === "exchange" };
  return { mosi: ones(0), isWanted: false };
}

/** What ops put on the wires: CS as L and H, and MOSI; and which bytes of it the step wants to have back. */
function wires(ops: readonly BusOp[]): { text: string; wanted: number[] } {
  const wanted: number[] = [];
  let text = "";
  let level = "high";
  let at = 0;
  for (const one of ops) {
    if (one.kind === "cs" && one.level !== level) {
      level = one.level;
      text += level === "low" ? "L" : "H";
    }
    const { mosi, isWanted } = clocked(one);
    text += toHex(mosi);
    if (isWanted) wanted.push(...Array.from(mosi, (_, index) => at + index));
    at += mosi.length;
  }
  return { text, wanted };
}

describe("full duplex", () => {
  test("any ops, any cap: the same wires, equal lengths, and the bytes that were wanted", () => {
    fc.assert(
      fc.property(fc.array(op, { maxLength: 12 }), fc.integer({ min: 1, max: 64 }), (ops, cap) => {
        const commands = encodeFullDuplex(ops, cap, "high");
        const expected = wires(ops);
        let text = "";
        let count = 0;
        const replies = commands.map(({ command, level }) => {
          if (level !== undefined) {
            text += level === "low" ? "L" : "H";
            expect(toHex(command.bytes)).toBe(level === "low" ? "1801" : "1802");
            return new Uint8Array(0);
          }
          const mosi = command.bytes.subarray(7);
          expect(mosi.length).toBeLessThanOrEqual(cap);
          expect(command.replyBytes).toBe(mosi.length);
          text += toHex(mosi);
          return Uint8Array.from(mosi, () => count++ & 0xff);
        });
        expect(text).toBe(expected.text);
        const reply = collectReply({ ops, replyBytes: expected.wanted.length }, commands, replies);
        expect([...reply]).toEqual(expected.wanted.map((at) => at & 0xff));
      }),
    );
  });

  test("a wait in hardware is nothing that it has", () => {
    expect(() => encodeFullDuplex([{ kind: "waitReady", maxBytes: 9 }], 10, "low")).toThrow(
      expect.objectContaining({ code: "BRIDGE_UNSUPPORTED" }),
    );
  });
});

describe("half duplex", () => {
  const limits = { maxWriteBytes: 8, maxReadBytes: 8 };
  const data = Uint8Array.of(1, 2);
  const low = { kind: "cs", level: "low" } as const;
  const high = { kind: "cs", level: "high" } as const;
  const write = { kind: "write", data } as const;
  const read = { kind: "read", length: 3 } as const;

  test.each<[string, readonly BusOp[], string]>([
    ["write and read", [low, write, read, high], "130200000300000102"],
    ["write", [low, write, high], "130200000000000102"],
    ["read", [low, read, high], "13000000030000"],
  ])("%s", (_, ops, hex) => {
    const [first, ...more] = encodeHalfDuplex(ops, limits);
    expect([toHex(first?.command.bytes ?? data), more.length]).toEqual([hex, 0]);
  });

  test("raising what is high is nothing to be done", () => {
    expect(encodeHalfDuplex([high], limits)).toEqual([]);
    expect(encodeHalfDuplex([], limits)).toEqual([]);
  });

  test.each<[string, readonly BusOp[]]>([
    ["CS that stays low", [low, write]],
    ["CS that stays high", [write, read]],
    ["two writes", [low, write, write, high]],
    ["a read before a write", [low, read, write, high]],
    ["an exchange", [low, { kind: "exchange", data }, high]],
    ["idle clocks", [low, { kind: "idle", bytes: 2 }, high]],
    ["too much to write", [low, { kind: "write", data: new Uint8Array(9) }, high]],
    ["too much to read", [low, { kind: "read", length: 9 }, high]],
    ["CS high first", [high, write, low]],
  ])("%s: refused", (_, ops) => {
    expect(() => encodeHalfDuplex(ops, limits)).toThrow(
      expect.objectContaining({ code: "BRIDGE_UNSUPPORTED" }),
    );
  });
});
