import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import {
  answerBytes,
  type Ch341Event,
  decodePacket,
  decodeRequest,
  reversed,
} from "../../../src/bridge/ch341/decoder.js";
import { fromHex, toHex } from "../../../src/util/bytes.js";

/** Offsets left out, bytes as hex. */
function plain(events: readonly Ch341Event[]): object[] {
  return events.map(({ offset: _offset, ...event }) =>
    Object.fromEntries(
      Object.entries(event).map(([name, value]) => [
        name,
        value instanceof Uint8Array ? toHex(value) : value,
      ]),
    ),
  );
}

/** Typed from bridges.md 2.2 and 2.3 (flashrom's sequences, WCH's sample of bit-banging). */
const VECTORS: readonly [
  what: string,
  packet: string,
  events: readonly object[],
  answer: number,
][] = [
  [
    "flashrom's speed setting",
    "aa 61 00",
    [{ kind: "config", speed: 1, dualSpi: false }, { kind: "end" }],
    0,
  ],
  [
    "two data lines at 750 kHz",
    "aa 67 00",
    [{ kind: "config", speed: 3, dualSpi: true }, { kind: "end" }],
    0,
  ],
  [
    "flashrom's pins on",
    "ab b7 7f 20",
    [{ kind: "out", value: 0x37 }, { kind: "direction", value: 0x3f }, { kind: "end" }],
    0,
  ],
  ["CS0 low", "ab b6 20", [{ kind: "out", value: 0x36 }, { kind: "end" }], 0],
  ["CS0 high", "ab b7 20", [{ kind: "out", value: 0x37 }, { kind: "end" }], 0],
  ["CS1 low", "ab b5 20", [{ kind: "out", value: 0x35 }, { kind: "end" }], 0],
  ["CS2 low", "ab b3 20", [{ kind: "out", value: 0x33 }, { kind: "end" }], 0],
  [
    "pins released",
    "ab b7 40 20",
    [{ kind: "out", value: 0x37 }, { kind: "direction", value: 0 }, { kind: "end" }],
    0,
  ],
  [
    "a CS pulse, filled up",
    "ab b7 b7 b7 b6 20 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00",
    [
      ...new Array<object>(3).fill({ kind: "out", value: 0x37 }),
      { kind: "out", value: 0x36 },
      { kind: "end" },
    ],
    0,
  ],
  ["pins read", "ab 00 20", [{ kind: "read" }, { kind: "end" }], 1],
  [
    "a bit 1 by hand",
    "ab b6 be 00 20",
    [{ kind: "out", value: 0x36 }, { kind: "out", value: 0x3e }, { kind: "read" }, { kind: "end" }],
    1,
  ],
  [
    "a bit 0 by hand",
    "ab 96 9e 00 20",
    [{ kind: "out", value: 0x16 }, { kind: "out", value: 0x1e }, { kind: "read" }, { kind: "end" }],
    1,
  ],
  ["a delay of 5 µs", "ab c5 20", [{ kind: "delay", us: 5 }, { kind: "end" }], 0],
  [
    "delays of the I2C stream",
    "aa 4a 53 00",
    [{ kind: "delay", us: 10 }, { kind: "delay", us: 3000 }, { kind: "end" }],
    0,
  ],
  [
    "an I2C write of A0 00",
    "aa 74 82 a0 00 75 00",
    [
      { kind: "i2c", opcode: 0x74, data: "" },
      { kind: "i2c", opcode: 0x82, data: "a000" },
      { kind: "i2c", opcode: 0x75, data: "" },
      { kind: "end" },
    ],
    0,
  ],
  [
    "JEDEC's read id, each byte turned round: 9F is F9",
    "a8 f9 00 00 00",
    [{ kind: "stream", mosi: "9f000000" }],
    4,
  ],
  ["CMD0 with its checksum", "a8 02 00 00 00 00 a9", [{ kind: "stream", mosi: "400000000095" }], 6],
  [
    "a full packet of ones",
    `a8 ${"ff".repeat(31)}`,
    [{ kind: "stream", mosi: "ff".repeat(31) }],
    31,
  ],
  ["nothing to clock", "a8", [{ kind: "stream", mosi: "" }], 0],
  ["an empty packet", "", [], 0],
  ["pins without an end", "ab b7", [{ kind: "out", value: 0x37 }, { kind: "unterminated" }], 0],
  ["a step that is none", "ab 21 20", [{ kind: "unknown", value: 0x21 }, { kind: "end" }], 0],
  ["serial bits", "a9 01", [{ kind: "other", command: 0xa9 }], 0],
  ["outputs of the printer port", "a1 6a 1f 00", [{ kind: "other", command: 0xa1 }], 0],
  ["no command", "42 00", [{ kind: "unknown", value: 0x42 }], 0],
];

describe("OUT packets", () => {
  test.each(VECTORS)("%s: %s", (_what, packet, events, answer) => {
    const decoded = decodePacket(fromHex(packet));
    expect(plain(decoded)).toEqual(events);
    expect(answerBytes(decoded)).toBe(answer);
  });

  test("whatever comes, every event lies in the packet, and the answer fits into one", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 32 }), (packet) => {
        const events = decodePacket(packet);
        for (const { offset } of events) expect(offset).toBeLessThanOrEqual(packet.length);
        expect(answerBytes(events)).toBeLessThanOrEqual(31);
      }),
      { numRuns: 2000 },
    );
  });

  test("turning round twice changes nothing", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(reversed(reversed(bytes))).toEqual(bytes);
      }),
    );
    expect(toHex(reversed(fromHex("01 80 0f a5 12")))).toBe("8001f0a548");
  });
});

describe("vendor requests", () => {
  test.each([
    [{ requestType: 0xc0, request: 0x5f, value: 0, index: 0 }, { kind: "version" }],
    [
      { requestType: 0xc0, request: 0x95, value: 0x2518, index: 0 },
      { kind: "readRegisters", registers: 0x2518 },
    ],
    [
      { requestType: 0x40, request: 0x9a, value: 0x2727, index: 0x0001 },
      { kind: "writeRegisters", registers: 0x2727, values: 1 },
    ],
    [
      { requestType: 0x40, request: 0x5f, value: 0, index: 0 },
      { kind: "unknown", request: 0x5f },
    ],
  ])("%j", (setup, request) => {
    expect(decodeRequest(setup)).toEqual(request);
  });
});
