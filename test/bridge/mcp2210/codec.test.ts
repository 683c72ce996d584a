import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import {
  bitRateOf,
  divisorFor,
  encodeChipSettings,
  encodeDirections,
  encodePins,
  encodePlain,
  encodeSpiSettings,
  encodeTransfer,
  spiSettings,
  withCsPin,
} from "../../../src/bridge/mcp2210/codec.js";
import { decodeAnswer, decodeCommand } from "../../../src/bridge/mcp2210/decoder.js";
import { isMcp2210Device, requireMcp2210 } from "../../../src/bridge/mcp2210/devices.js";
import { runsOf } from "../../../src/spi/clock-runs.js";
import type { BusOp } from "../../../src/spi/plan.js";
import { concatBytes, fromHex, toHex } from "../../../src/util/bytes.js";
import { report } from "./support.js";

const PINS = {
  pinModes: [1, 0, 2, 0, 0, 0, 0, 1, 2],
  outputs: 0x0f0,
  directions: 0x1ff,
  other: 0x11,
};

/** Reports as the reference's table has them. */
const VECTORS: readonly (readonly [string, Uint8Array, string])[] = [
  ["status", encodePlain("status"), "10"],
  ["cancel", encodePlain("cancel"), "11"],
  ["chip settings", encodePlain("getChipSettings"), "20"],
  ["levels", encodePlain("getPins"), "31"],
  ["directions", encodePlain("getDirections"), "33"],
  ["SPI settings", encodePlain("getSpiSettings"), "41"],
  [
    "GP0 an output and high, all else as it was",
    encodeChipSettings(withCsPin(PINS)),
    "21 00 00 00 00 00 02 00 00 00 00 01 02 f1 00 fe 01 11",
  ],
  ["levels set", encodePins(0x1fe), "30 00 00 00 fe 01"],
  ["directions set", encodeDirections(0x1fe), "32 00 00 00 fe 01"],
  [
    "400 kHz, 65 535 bytes",
    encodeSpiSettings(spiSettings(400_000, 65_535)),
    "40 00 00 00 80 1a 06 00 ff 01 ff 01 00 00 00 00 00 00 ff ff 00",
  ],
  [
    "12 MHz, 6 bytes",
    encodeSpiSettings(spiSettings(12_000_000, 6)),
    "40 00 00 00 00 1b b7 00 ff 01 ff 01 00 00 00 00 00 00 06 00 00",
  ],
  ["CMD0", encodeTransfer(fromHex("400000000095")), "42 06 00 00 40 00 00 00 00 95"],
  ["nothing", encodeTransfer(new Uint8Array(0)), "42"],
  ["a full chunk", encodeTransfer(new Uint8Array(60).fill(0xff)), `42 3c 00 00 ${"ff".repeat(60)}`],
];

const word = fc.integer({ min: 0, max: 0xffff });

describe("the codec", () => {
  it.each(VECTORS)("encodes %s", (_, bytes, hex) => {
    expect(toHex(bytes)).toBe(toHex(report(hex)));
  });

  it("refuses a chunk that no report holds", () => {
    expect(() => encodeTransfer(new Uint8Array(61))).toThrow(RangeError);
  });

  it("says what the decoder reads: pins", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 9, maxLength: 9 }),
        word,
        word,
        fc.integer({ min: 0, max: 255 }),
        (pinModes, outputs, directions, other) => {
          const settings = { pinModes, outputs, directions, other };
          const password = new Uint8Array(8);
          expect(decodeCommand(encodeChipSettings(settings))).toEqual({
            kind: "setChipSettings",
            settings,
            accessControl: 0,
            password,
          });
          expect(decodeCommand(encodePins(outputs))).toEqual({ kind: "setPins", levels: outputs });
          const inputs = { kind: "setDirections", inputs: directions };
          expect(decodeCommand(encodeDirections(directions))).toEqual(inputs);
        },
      ),
    );
  });

  it("says what the decoder reads: SPI settings and data", () => {
    fc.assert(
      fc.property(
        fc.record({
          bitRateHz: fc.integer({ min: 0, max: 0xffffffff }),
          idleCs: word,
          activeCs: word,
          csToDataDelay: word,
          lastByteToCsDelay: word,
          byteGap: word,
          bytesPerTransaction: word,
          mode: fc.integer({ min: 0, max: 3 }),
        }),
        fc.uint8Array({ maxLength: 60 }),
        (settings, data) => {
          const command = { kind: "setSpiSettings", settings };
          expect(decodeCommand(encodeSpiSettings(settings))).toEqual(command);
          expect(decodeCommand(encodeTransfer(data))).toEqual({ kind: "transfer", data });
        },
      ),
    );
  });

  it("reads any bytes as something", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        for (const decode of [decodeCommand, decodeAnswer]) {
          const { kind } = decode(bytes);
          expect(typeof kind).toBe("string");
          if (bytes.length !== 64) expect(kind).toBe("malformed");
        }
      }),
    );
  });
});

describe("the clock", () => {
  it.each([
    [12_000_000, 1],
    [50_000_000, 1],
    [11_999_999, 2],
    [6_000_000, 2],
    [5_000_000, 3],
    [400_000, 30],
    [399_999, 31],
    [1500, 8000],
  ])("of %d Hz is 12 MHz / %d", (frequencyHz, divisor) => {
    expect(divisorFor(frequencyHz)).toBe(divisor);
  });

  it("is never above what is asked", () => {
    fc.assert(
      fc.property(fc.double({ min: 1500, max: 3e7, noNaN: true }), (frequencyHz) => {
        const divisor = divisorFor(frequencyHz);
        expect(bitRateOf(divisor)).toBeLessThanOrEqual(frequencyHz);
        if (divisor > 1) expect(12e6 / (divisor - 1)).toBeGreaterThan(frequencyHz);
      }),
    );
  });

  it.each([0, -1, 1499, Number.NaN])("of %d Hz is none", (frequencyHz) => {
    expect(() => divisorFor(frequencyHz)).toThrow(expect.objectContaining({ code: "USAGE" }));
  });
});

/** What an op puts on MOSI. */
function mosiOf(op: BusOp): Uint8Array {
  if (op.kind === "cs") return new Uint8Array(0);
  if ("data" in op) return op.data;
  const length = op.kind === "read" ? op.length : op.kind === "idle" ? op.bytes : 0;
  return new Uint8Array(length).fill(0xff);
}

describe("the runs of a step", () => {
  const cs = (level: "high" | "low"): BusOp => ({ kind: "cs", level });
  const write: BusOp = { kind: "write", data: fromHex("400000000095") };

  it("are as few SPI transactions as moves of chip select allow", () => {
    const exchange: BusOp = { kind: "exchange", data: fromHex("0102") };
    const ops: BusOp[] = [
      { kind: "idle", bytes: 10 },
      cs("low"),
      write,
      { kind: "read", length: 3 },
      exchange,
      cs("high"),
      { kind: "idle", bytes: 1 },
    ];
    expect(runsOf(ops)).toEqual([
      { kind: "clock", mosi: new Uint8Array(10).fill(0xff), reply: [] },
      cs("low"),
      {
        kind: "clock",
        mosi: fromHex("400000000095 ffffff 0102"),
        reply: [
          { from: 6, to: 9 },
          { from: 9, to: 11 },
        ],
      },
      cs("high"),
      { kind: "clock", mosi: fromHex("ff"), reply: [] },
    ]);
  });

  it("leave out what clocks nothing", () => {
    expect(runsOf([])).toEqual([]);
    expect(runsOf([{ kind: "read", length: 0 }, cs("low"), { kind: "idle", bytes: 0 }])).toEqual([
      cs("low"),
    ]);
  });

  it("hold all bytes and replies of any step", () => {
    const op = fc.oneof(
      fc.constantFrom(cs("low"), cs("high")),
      fc.uint8Array({ maxLength: 70 }).map((data): BusOp => ({ kind: "write", data })),
      fc.uint8Array({ maxLength: 70 }).map((data): BusOp => ({ kind: "exchange", data })),
      fc.nat(70).map((length): BusOp => ({ kind: "read", length })),
      fc.nat(70).map((bytes): BusOp => ({ kind: "idle", bytes })),
    );
    fc.assert(
      fc.property(fc.array(op, { maxLength: 12 }), (ops) => {
        const runs = runsOf(ops);
        const clocks = runs.flatMap((run) => (run.kind === "clock" ? [run] : []));
        const mosi = ops.map(mosiOf);
        expect(toHex(concatBytes(clocks.map((run) => run.mosi)))).toBe(toHex(concatBytes(mosi)));
        const replies = clocks.flatMap((run) => run.reply).map(({ from, to }) => to - from);
        const wanted = ops.flatMap((one) =>
          one.kind === "read" ? [one.length] : one.kind === "exchange" ? [one.data.length] : [],
        );
        const sum = (all: readonly number[]): number => all.reduce((total, n) => total + n, 0);
        expect(sum(replies)).toBe(sum(wanted));
        for (const [at, run] of runs.entries())
          if (run.kind === "clock") expect(runs[at + 1]?.kind).not.toBe("clock");
      }),
    );
  });

  it("do not know a wait in hardware", () => {
    expect(() => runsOf([{ kind: "waitReady", maxBytes: 1 }])).toThrow("cannot wait");
  });
});

describe("the device", () => {
  it("is told by its ids", () => {
    expect(isMcp2210Device({ vendorId: 0x04d8, productId: 0x00de })).toBe(true);
    expect(isMcp2210Device({ vendorId: 0x04d8, productId: 0x00dd })).toBe(false);
    expect(isMcp2210Device({ vendorId: 0x1a86, productId: 0x00de })).toBe(false);
    requireMcp2210({ vendorId: 0x04d8, productId: 0x00de });
  });

  it("is refused with its name if it is another one", () => {
    expect(() => requireMcp2210({ vendorId: 0x1a86, productId: 0x55dc })).toThrow(
      expect.objectContaining({
        code: "BRIDGE_UNSUPPORTED",
        message: "the HID device 1a86:55dc is no MCP2210",
      }),
    );
  });
});
