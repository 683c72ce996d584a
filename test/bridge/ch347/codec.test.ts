import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import {
  type Ch347Script,
  type Command,
  clockIndexFor,
  encodeChipSelect,
  encodeReadSettings,
  encodeSettings,
  encodeStep,
  unpackAnswer,
} from "../../../src/bridge/ch347/codec.js";
import { decodeTransfer } from "../../../src/bridge/ch347/decoder.js";
import type { BusOp } from "../../../src/spi/plan.js";
import { fromHex, toHex } from "../../../src/util/bytes.js";
import {
  CLOCKS,
  CS_HIGH,
  CS_LOW,
  READ_CONFIG,
  SETTINGS_15_MHZ,
  SETTINGS_60_MHZ,
  SETTINGS_SLOWEST,
} from "./vectors.js";

const bare = (hex: string): string => hex.replaceAll(" ", "");
const hexOf = (commands: readonly Command[]): string[] => commands.map(({ bytes }) => toHex(bytes));
const LOW: BusOp = { kind: "cs", level: "low" };
const HIGH: BusOp = { kind: "cs", level: "high" };
const write = (hex: string): BusOp => ({ kind: "write", data: fromHex(hex) });
const read = (length: number): BusOp => ({ kind: "read", length });

describe("commands, byte by byte", () => {
  test("settings", () => {
    expect(hexOf([encodeReadSettings()])).toEqual([bare(READ_CONFIG)]);
    expect(hexOf([0, 2, 7].map(encodeSettings))).toEqual(
      [SETTINGS_60_MHZ, SETTINGS_15_MHZ, SETTINGS_SLOWEST].map(bare),
    );
  });

  test("chip select", () => {
    expect(hexOf([encodeChipSelect("low"), encodeChipSelect("high")])).toEqual(
      [CS_LOW, CS_HIGH].map(bare),
    );
  });

  test("CMD0 in a frame of its own, 8 bytes read behind it", () => {
    const ops = [LOW, write("400000000095"), read(8), HIGH, { kind: "idle", bytes: 1 }] as const;
    const script = encodeStep(ops, 468_750);
    expect(hexOf(script.commands)).toEqual(
      [CS_LOW, `c2 0e00 400000000095${"ff".repeat(8)}`, CS_HIGH, "c4 0100 ff"].map(bare),
    );
    expect(script).toMatchObject({ replyBytes: 8, csLevels: ["low", "high"] });
    expect(script.commands.map(({ answer }) => answer)).toEqual([
      undefined,
      { command: 0xc2, length: 14, keep: [{ from: 6, to: 14, at: 0 }] },
      undefined,
      { command: 0xc4 },
    ]);
  });

  test("what is only read is asked for with C3", () => {
    const { commands } = encodeStep([read(66_048)], 15e6);
    expect(hexOf(commands)).toEqual([bare("c3 0400 00020100")]);
  });

  test("a block is written without an answer of 515 bytes", () => {
    const data = `fe${"5a".repeat(512)}1234`;
    const { commands } = encodeStep([write(data), read(10)], 15e6);
    expect(hexOf(commands)).toEqual([
      `c4fb01fe${"5a".repeat(506)}`,
      `c21200${"5a".repeat(6)}1234${"ff".repeat(10)}`,
    ]);
  });

  test("a read behind a command begins in the command's packet", () => {
    const { commands } = encodeStep([write("52000000001b"), read(1000)], 15e6);
    expect(hexOf(commands)).toEqual([
      `c2fb0152000000001b${"ff".repeat(501)}`,
      bare("c3 0400 f3010000"),
    ]);
  });
});

describe("the longest read", () => {
  /** Counts of the reads that a step with one of `length` bytes becomes. */
  const counts = (length: number, hz: number): number[] =>
    encodeStep([read(length)], hz).commands.map(({ answer }) =>
      answer?.command === 0xc3 ? answer.length : -1,
    );

  test("takes at most 50 ms, and whole frames", () => {
    expect(counts(66_048, 60e6)).toEqual([66_048]);
    expect(counts(98_304, 15e6)).toEqual([93_288, 5016]);
    expect(counts(6000, 468_750)).toEqual([2535, 2535, 930]);
    expect(counts(600, 1)).toEqual([507, 93]);
  });
});

describe("clocks", () => {
  test.each(CLOCKS)("index %i is the fastest one not above %i Hz", (index, hz) => {
    expect([clockIndexFor(hz), clockIndexFor(hz * 2 - 1)]).toEqual([index, index]);
  });

  test("there is none slower than the slowest", () => {
    expect(clockIndexFor(468_749)).toBeUndefined();
    expect(clockIndexFor(1e9)).toBe(0);
  });
});

const bytesOf = fc.uint8Array({ minLength: 0, maxLength: 1200 });
const opOf: fc.Arbitrary<BusOp> = fc.oneof(
  fc.constantFrom<BusOp>(HIGH, LOW),
  bytesOf.map((data): BusOp => ({ kind: "write", data })),
  bytesOf.map((data): BusOp => ({ kind: "exchange", data })),
  fc.nat(1200).map((length): BusOp => ({ kind: "read", length })),
  fc.nat(1200).map((bytes): BusOp => ({ kind: "idle", bytes })),
);

/** What an op puts on MOSI. */
function clockedBy(op: BusOp): Iterable<number> {
  if (op.kind === "write" || op.kind === "exchange") return op.data;
  if (op.kind === "cs" || op.kind === "waitReady") return [];
  return new Uint8Array(op.kind === "read" ? op.length : op.bytes).fill(0xff);
}

const misoOf = (at: number): number => (at * 29 + 3) & 0xff;

/** What a device that answers byte n since the beginning with {@link misoOf} gives, by the ops alone. */
function expected(ops: readonly BusOp[]): { wire: (number | string)[]; reply: number[] } {
  const wire: (number | string)[] = [];
  const reply: number[] = [];
  let clocked = 0;
  for (const op of ops) {
    if (op.kind === "cs") wire.push(op.level);
    for (const byte of clockedBy(op)) {
      if (op.kind === "read" || op.kind === "exchange") reply.push(misoOf(clocked));
      wire.push(byte);
      clocked++;
    }
  }
  return { wire, reply };
}

/** Runs a script through the decoder, answers in frames of `frame` bytes; fills `reply` as a driver would. */
function clock(
  script: Ch347Script,
  reply: Uint8Array,
  frame: number,
): { wire: (number | string)[]; sizes: number[] } {
  const wire: (number | string)[] = [];
  let clocked = 0;
  for (const { bytes, answer } of script.commands) {
    const [event, ...more] = decodeTransfer(bytes);
    expect(more).toEqual([]);
    if (event?.kind === "cs") wire.push(event.cs1.level);
    let mosi: Uint8Array = new Uint8Array(0);
    if (event?.kind === "read") mosi = new Uint8Array(event.count).fill(0xff);
    if (event?.kind === "exchange" || event?.kind === "write") mosi = event.mosi;
    wire.push(...mosi);
    const miso = mosi.map((_, at) => misoOf(clocked + at));
    clocked += mosi.length;
    if (answer === undefined || !("keep" in answer)) continue;
    expect(answer.length).toBe(mosi.length);
    for (let at = 0; at < miso.length; at += frame)
      unpackAnswer(answer.keep, miso.subarray(at, at + frame), at, reply);
  }
  return { wire, sizes: script.commands.map(({ bytes }) => bytes.length) };
}

describe("a script read back by the decoder", () => {
  test("clocks the very bytes of the ops, in packets of 510 bytes, and answers find their way", () => {
    fc.assert(
      fc.property(
        fc.array(opOf, { maxLength: 6 }),
        fc.constantFrom(468_750, 15e6),
        fc.constantFrom(507, 61, 1),
        (ops, hz, frame) => {
          const script = encodeStep(ops, hz);
          const reply = new Uint8Array(script.replyBytes);
          const { wire, sizes } = clock(script, reply, frame);
          expect({ wire, reply: [...reply] }).toEqual(expected(ops));
          expect(Math.max(0, ...sizes)).toBeLessThanOrEqual(510);
        },
      ),
      { numRuns: 60 },
    );
  });
});
