import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import {
  decodeSio,
  isStatusError,
  type MpsseChip,
  MpsseDecoder,
  type MpsseEvent,
  replyBytes,
  stripStatus,
} from "../../../src/bridge/ftdi/decoder.js";
import { concatBytes, fromHex, toHex } from "../../../src/util/bytes.js";

function decodeAll(bytes: Uint8Array, chip: MpsseChip = "ft232h"): MpsseEvent[] {
  const events: MpsseEvent[] = [];
  new MpsseDecoder(chip).push(bytes, (event) => events.push(event));
  return events;
}

function decodeOne(hex: string, chip: MpsseChip = "ft232h"): MpsseEvent {
  const events = decodeAll(fromHex(hex), chip);
  expect(events).toHaveLength(1);
  return events[0] as MpsseEvent;
}

/** Bytes as the reference's tables give them; what they mean, beside. */
const SINGLE: readonly (readonly [string, object])[] = [
  ["80 0a 0b", { kind: "setPins", bank: "low", value: 0x0a, direction: 0x0b }],
  ["80 02 0b", { kind: "setPins", bank: "low", value: 0x02, direction: 0x0b }],
  ["82 01 ff", { kind: "setPins", bank: "high", value: 0x01, direction: 0xff }],
  ["81", { kind: "readPins", bank: "low" }],
  ["83", { kind: "readPins", bank: "high" }],
  ["84", { kind: "loopback", on: true }],
  ["85", { kind: "loopback", on: false }],
  ["86 4a 00", { kind: "divisor", divisor: 74 }],
  ["86 ff ff", { kind: "divisor", divisor: 65535 }],
  ["86 2b 01", { kind: "divisor", divisor: 299 }],
  ["87", { kind: "flush" }],
  ["88", { kind: "wait", level: "high", clocks: "none" }],
  ["89", { kind: "wait", level: "low", clocks: "none" }],
  ["8a", { kind: "divideBy5", on: false }],
  ["8b", { kind: "divideBy5", on: true }],
  ["8c", { kind: "threePhase", on: true }],
  ["8d", { kind: "threePhase", on: false }],
  ["8e 00", { kind: "clocks", bits: 1 }],
  ["8e 07", { kind: "clocks", bits: 8 }],
  ["8f 09 00", { kind: "clocks", bits: 80 }],
  ["8f 00 00", { kind: "clocks", bits: 8 }],
  ["94", { kind: "wait", level: "high", clocks: "unbounded" }],
  ["95", { kind: "wait", level: "low", clocks: "unbounded" }],
  ["96", { kind: "adaptive", on: true }],
  ["97", { kind: "adaptive", on: false }],
  ["9c ff ff", { kind: "wait", level: "high", clocks: 524_288 }],
  ["9d 00 00", { kind: "wait", level: "low", clocks: 8 }],
  ["9e 0f 80", { kind: "driveZero", low: 0x0f, high: 0x80 }],
  ["aa", { kind: "badOpcode", opcode: 0xaa }],
  ["ab", { kind: "badOpcode", opcode: 0xab }],
  ["00", { kind: "badOpcode", opcode: 0x00 }],
  ["0f", { kind: "badOpcode", opcode: 0x0f }],
];

const mode0 = { writeEdge: "falling", readEdge: "rising", lsbFirst: false, tms: false } as const;

const SHIFT_HEADS: readonly (readonly [string, object])[] = [
  ["11 09 00", { ...mode0, unit: "bytes", length: 10, write: true, read: false, replyBytes: 0 }],
  ["11 ff ff", { ...mode0, unit: "bytes", length: 65536, payloadBytes: 65536 }],
  [
    "20 00 00",
    { ...mode0, writeEdge: "rising", unit: "bytes", length: 1, write: false, read: true },
  ],
  ["20 ff ff", { unit: "bytes", length: 65536, payloadBytes: 0, replyBytes: 65536 }],
  ["31 0f 00", { ...mode0, unit: "bytes", length: 16, write: true, read: true, replyBytes: 16 }],
  ["13 06", { ...mode0, unit: "bits", length: 7, write: true, read: false, payloadBytes: 1 }],
  ["22 07", { unit: "bits", length: 8, write: false, read: true, payloadBytes: 0, replyBytes: 1 }],
  ["33 00", { ...mode0, unit: "bits", length: 1, write: true, read: true, replyBytes: 1 }],
  ["10 00 00", { writeEdge: "rising", write: true, read: false }],
  ["24 00 00", { readEdge: "falling", write: false, read: true }],
  ["34 00 00", { writeEdge: "rising", readEdge: "falling", write: true, read: true }],
  ["39 04 00", { ...mode0, lsbFirst: true, unit: "bytes", length: 5, write: true, read: true }],
  ["4b 02", { tms: true, unit: "bits", length: 3, write: true, payloadBytes: 1, replyBytes: 0 }],
];

describe("MPSSE opcodes of the reference", () => {
  it.each(SINGLE)("%s", (hex, expected) => {
    expect(decodeOne(hex)).toEqual({ offset: 0, ...expected });
  });

  it.each(SHIFT_HEADS)("shift %s", (hex, expected) => {
    expect(decodeOne(hex)).toMatchObject({ kind: "shift", offset: 0, ...expected });
  });

  it("gives 0xFA and the opcode back for the sync opcodes, and nothing for a flush", () => {
    const events = decodeAll(fromHex("aa 87 ab 87"));
    expect(events.map((event) => [event.kind, event.offset, replyBytes(event)])).toEqual([
      ["badOpcode", 0, 2],
      ["flush", 1, 0],
      ["badOpcode", 2, 2],
      ["flush", 3, 0],
    ]);
  });

  it("knows that 8A is bad on the FT2232D, and 9E on all but the FT232H", () => {
    expect(decodeOne("8a", "ft2232d")).toEqual({ kind: "badOpcode", offset: 0, opcode: 0x8a });
    expect(decodeAll(fromHex("9e 00 00"), "ft2232h").map((event) => event.kind)).toEqual([
      "badOpcode",
      "badOpcode",
      "badOpcode",
    ]);
    expect(decodeOne("9c 00 00", "ft4232h").kind).toBe("wait");
  });

  it("takes TMS in byte mode for a bad opcode", () => {
    expect(decodeOne("49").kind).toBe("badOpcode");
  });
});

describe("a CMD0 exchange as section 1.6 builds it", () => {
  const script = fromHex("80 02 0b 31 07 00 40 00 00 00 00 95 ff ff 80 0a 0b 8f 00 00 87");

  it("decodes to pins, shift, payload, pins, clocks, flush with their offsets", () => {
    const events = decodeAll(script);
    expect(events.map((event) => [event.kind, event.offset])).toEqual([
      ["setPins", 0],
      ["shift", 3],
      ["payload", 6],
      ["setPins", 14],
      ["clocks", 17],
      ["flush", 20],
    ]);
    const payload = events[2];
    if (payload?.kind !== "payload") throw new Error("no payload");
    expect(toHex(payload.bytes)).toBe("400000000095ffff");
    expect(payload.last).toBe(true);
  });

  it("hands a large payload on as it comes, holding none of it", () => {
    const decoder = new MpsseDecoder("ft232h");
    const seen: [number, number, boolean][] = [];
    const take = (event: MpsseEvent): void => {
      if (event.kind === "payload") seen.push([event.offset, event.bytes.length, event.last]);
    };
    decoder.push(fromHex("31 ff ff 01 02"), take);
    expect(decoder.payloadLeft).toBe(65534);
    decoder.push(new Uint8Array(65533), take);
    expect(decoder.payloadLeft).toBe(1);
    expect(decoder.betweenCommands).toBe(false);
    decoder.push(Uint8Array.of(7, 0x87), take);
    expect(decoder.betweenCommands).toBe(true);
    expect(decoder.offset).toBe(3 + 65536 + 1);
    expect(seen).toEqual([
      [3, 2, false],
      [5, 65533, false],
      [65538, 1, true],
    ]);
  });

  it("goes on from a saved state", () => {
    const first = new MpsseDecoder("ft232h");
    first.push(script.subarray(0, 5), () => undefined);
    const second = new MpsseDecoder("ft232h");
    second.restore(first.save());
    const rest: string[] = [];
    second.push(script.subarray(5), (event) => rest.push(`${event.kind}@${event.offset}`));
    expect(rest).toEqual(["shift@3", "payload@6", "setPins@14", "clocks@17", "flush@20"]);
    second.reset();
    expect([second.offset, second.betweenCommands]).toEqual([0, true]);
  });

  it("reads one event at a time, and says how many bytes that took", () => {
    const decoder = new MpsseDecoder("ft232h");
    expect(decoder.read(script, 0, 2)).toBeUndefined();
    expect(decoder.used).toBe(2);
    expect(decoder.read(script, 2, script.length)?.kind).toBe("setPins");
    expect(decoder.used).toBe(1);
    expect(decoder.read(script, 3, script.length)?.kind).toBe("shift");
    expect(decoder.read(script, 6, 8)).toMatchObject({ kind: "payload", last: false });
    expect([decoder.used, decoder.payloadLeft]).toEqual([2, 6]);
  });
});

/** One operation and its bytes: a second, independent reading of the opcode table. */
interface Op {
  readonly bytes: Uint8Array;
  readonly summary: string;
}

const u16 = (value: number): number[] => [value & 0xff, value >> 8];

const payloadOf = fc.uint8Array({ minLength: 1, maxLength: 300 });

const opArbitrary: fc.Arbitrary<Op> = fc.oneof(
  fc.tuple(fc.constantFrom(0x80, 0x82), fc.nat(255), fc.nat(255)).map(([op, value, direction]) => ({
    bytes: Uint8Array.of(op, value, direction),
    summary: `setPins ${op === 0x80 ? "low" : "high"} ${value} ${direction}`,
  })),
  fc.nat(65535).map((divisor) => ({
    bytes: Uint8Array.of(0x86, ...u16(divisor)),
    summary: `divisor ${divisor}`,
  })),
  fc.tuple(fc.constantFrom(0x11, 0x31), payloadOf).map(([op, data]) => ({
    bytes: concatBytes([Uint8Array.of(op, ...u16(data.length - 1)), data]),
    summary: `shift ${op} ${data.length} ${toHex(data)}`,
  })),
  fc.integer({ min: 1, max: 65536 }).map((length) => ({
    bytes: Uint8Array.of(0x20, ...u16(length - 1)),
    summary: `shift ${0x20} ${length} `,
  })),
  fc.tuple(fc.nat(7), fc.nat(255)).map(([bits, data]) => ({
    bytes: Uint8Array.of(0x33, bits, data),
    summary: `shift ${0x33} ${bits + 1} ${toHex(Uint8Array.of(data))}`,
  })),
  fc.nat(65535).map((value) => ({
    bytes: Uint8Array.of(0x9c, ...u16(value)),
    summary: `wait high ${(value + 1) * 8}`,
  })),
  fc.constant({ bytes: Uint8Array.of(0x87), summary: "flush" }),
  fc.constantFrom(0xaa, 0xab, 0x0c, 0xe7).map((op) => ({
    bytes: Uint8Array.of(op),
    summary: `badOpcode ${op}`,
  })),
);

function summarise(events: readonly MpsseEvent[]): string[] {
  const lines: string[] = [];
  for (const event of events) {
    if (event.kind === "payload") lines[lines.length - 1] += toHex(event.bytes);
    else if (event.kind === "shift") lines.push(`shift ${event.opcode} ${event.length} `);
    else if (event.kind === "setPins")
      lines.push(`setPins ${event.bank} ${event.value} ${event.direction}`);
    else if (event.kind === "divisor") lines.push(`divisor ${event.divisor}`);
    else if (event.kind === "wait") lines.push(`wait ${event.level} ${event.clocks}`);
    else if (event.kind === "badOpcode") lines.push(`badOpcode ${event.opcode}`);
    else lines.push(event.kind);
  }
  return lines;
}

describe("any op list, cut anywhere", () => {
  it("decodes to the same operations", () => {
    fc.assert(
      fc.property(
        fc.array(opArbitrary, { maxLength: 12 }),
        fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 20 }),
        (ops, cuts) => {
          const stream = concatBytes(ops.map((op) => op.bytes));
          const decoder = new MpsseDecoder("ft232h");
          const events: MpsseEvent[] = [];
          for (let at = 0, turn = 0; at < stream.length; turn++) {
            const end = Math.min(stream.length, at + (cuts[turn % cuts.length] as number));
            decoder.push(stream.subarray(at, end), (event) => events.push(event));
            at = end;
          }
          expect(summarise(events)).toEqual(ops.map((op) => op.summary));
          expect(decoder.offset).toBe(stream.length);
          expect(decoder.betweenCommands).toBe(true);
        },
      ),
    );
  });

  it("takes any bytes at all without throwing, and accounts for each", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        const decoder = new MpsseDecoder("ft4232h");
        decoder.push(bytes, () => undefined);
        expect(decoder.offset).toBe(bytes.length);
      }),
    );
  });
});

describe("SIO control requests", () => {
  const out = (request: number, value: number, index: number) =>
    decodeSio({ requestType: 0x40, request, value, index });

  it.each([
    [0x00, 0, 1, { kind: "reset", channel: "A" }],
    [0x00, 1, 1, { kind: "purge", path: "out", channel: "A" }],
    [0x00, 2, 2, { kind: "purge", path: "in", channel: "B" }],
    [0x01, 0x0101, 1, { kind: "modemControl", channel: "A", dtr: true }],
    [0x01, 0x0200, 1, { kind: "modemControl", channel: "A", rts: false }],
    [0x02, 0, 0x0101, { kind: "flowControl", channel: "A", mode: "rts-cts" }],
    [0x02, 0x1311, 0x0401, { kind: "flowControl", channel: "A", mode: "xon-xoff" }],
    [0x06, 0, 1, { kind: "eventChar", channel: "A", char: 0, enabled: false }],
    [0x07, 0x010d, 1, { kind: "errorChar", channel: "A", char: 0x0d, enabled: true }],
    [0x09, 2, 1, { kind: "setLatency", channel: "A", ms: 2 }],
    [0x0b, 0x0000, 1, { kind: "bitMode", channel: "A", mode: "reset", direction: 0 }],
    [0x0b, 0x020b, 1, { kind: "bitMode", channel: "A", mode: "mpsse", direction: 0x0b }],
    [0x0b, 0x4000, 1, { kind: "bitMode", channel: "A", mode: "sync-fifo", direction: 0 }],
    [0x91, 0xbeef, 4, { kind: "writeEeprom", address: 4, value: 0xbeef }],
    [0x92, 0, 0, { kind: "eraseEeprom" }],
  ])("out, request %i, value %i, index %i", (request, value, index, expected) => {
    expect(out(request, value, index)).toEqual(expected);
  });

  it.each([
    [0x05, 1, { kind: "modemStatus", channel: "A" }],
    [0x0a, 4, { kind: "getLatency", channel: "D" }],
    [0x0c, 1, { kind: "readPins", channel: "A" }],
    [0x90, 3, { kind: "readEeprom", address: 3 }],
  ])("in, request %i, index %i", (request, index, expected) => {
    expect(decodeSio({ requestType: 0xc0, request, value: 0, index })).toEqual(expected);
  });

  it("does not take a request of the wrong direction, type, value or channel for a known one", () => {
    const unknown = { kind: "unknown" };
    expect(decodeSio({ requestType: 0xc0, request: 0x0b, value: 0x0200, index: 1 })).toEqual(
      unknown,
    );
    expect(decodeSio({ requestType: 0x00, request: 0, value: 0, index: 1 })).toEqual(unknown);
    expect(out(0x00, 3, 1)).toEqual(unknown);
    expect(out(0x0b, 0x0300, 1)).toEqual(unknown);
    expect(out(0x00, 0, 5)).toEqual(unknown);
    expect(out(0x33, 0, 1)).toEqual(unknown);
  });

  it("takes channel 0 for the only channel, as one source numbers it", () => {
    expect(out(0x00, 0, 0)).toEqual({ kind: "reset", channel: "default" });
  });
});

describe("the two status bytes of each packet", () => {
  it("are taken out at every packet border inside a transfer", () => {
    const packet = concatBytes([fromHex("32 60"), new Uint8Array(510).fill(0x11)]);
    const short = fromHex("32 60 22 33");
    const into = new Uint8Array(600);
    expect(stripStatus(concatBytes([packet, short]), 512, into, 5)).toBe(512);
    expect(toHex(into.subarray(0, 6))).toBe("000000000011");
    expect(toHex(into.subarray(514, 518))).toBe("11223300");
  });

  it("may be all there is: nothing yet, not the end", () => {
    expect(stripStatus(fromHex("32 60"), 512, new Uint8Array(0), 0)).toBe(0);
    expect(stripStatus(new Uint8Array(0), 512, new Uint8Array(0), 0)).toBe(0);
  });

  it("at 64-byte packets leave 62 bytes of payload", () => {
    const whole = concatBytes(
      Array.from({ length: 3 }, (_, at) =>
        concatBytes([fromHex("32 60"), new Uint8Array(62).fill(at)]),
      ),
    );
    const into = new Uint8Array(186);
    expect(stripStatus(whole, 64, into, 0)).toBe(186);
    expect([into[61], into[62], into[185]]).toEqual([0, 1, 2]);
  });

  it("refuse a packet cut within them", () => {
    expect(() => stripStatus(fromHex("32"), 512, new Uint8Array(4), 0)).toThrow(RangeError);
  });

  it("show receive errors in the second", () => {
    expect(isStatusError(0x60)).toBe(false);
    expect(isStatusError(0x62)).toBe(true);
    expect(isStatusError(0x80)).toBe(true);
  });
});
