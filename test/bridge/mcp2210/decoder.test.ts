import { describe, expect, it } from "@jest/globals";
import { decodeAnswer, decodeCommand } from "../../../src/bridge/mcp2210/decoder.js";
import { fromHex } from "../../../src/util/bytes.js";
import { report } from "./support.js";

/** Reports as the table of the reference gives them; what they mean, beside. */
const COMMANDS: readonly (readonly [string, object])[] = [
  ["10", { kind: "status" }],
  ["11", { kind: "cancel" }],
  ["12 00", { kind: "interruptCounter", clear: true }],
  ["12 01", { kind: "interruptCounter", clear: false }],
  ["20", { kind: "getChipSettings" }],
  [
    // 0 1 2 3 | GP0 GPIO, GP1 chip select, GP2 dedicated | outputs 0x101 | directions 0x1fe | other | lock | password
    "21 00 00 00 00 01 02 00 00 00 00 00 00 01 01 fe 01 11",
    {
      kind: "setChipSettings",
      settings: {
        pinModes: [0, 1, 2, 0, 0, 0, 0, 0, 0],
        outputs: 0x101,
        directions: 0x1fe,
        other: 0x11,
      },
      accessControl: 0,
      password: fromHex("0000000000000000"),
    },
  ],
  [
    "21 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 80 01 02 03 04 05 06 07 08",
    {
      kind: "setChipSettings",
      settings: { pinModes: [0, 0, 0, 0, 0, 0, 0, 0, 0], outputs: 0, directions: 0, other: 0 },
      accessControl: 0x80,
      password: fromHex("0102030405060708"),
    },
  ],
  ["30 00 00 00 01 00", { kind: "setPins", levels: 0x001 }],
  ["30 00 00 00 fe 01", { kind: "setPins", levels: 0x1fe }],
  ["31", { kind: "getPins" }],
  ["32 00 00 00 fe 01", { kind: "setDirections", inputs: 0x1fe }],
  ["33", { kind: "getDirections" }],
  [
    // 12 MHz, idle 0x1ff, active 0x1ff, no delays, 65 535 bytes a transaction, mode 0
    "40 00 00 00 00 1b b7 00 ff 01 ff 01 00 00 00 00 00 00 ff ff 00",
    {
      kind: "setSpiSettings",
      settings: {
        bitRateHz: 12_000_000,
        idleCs: 0x1ff,
        activeCs: 0x1ff,
        csToDataDelay: 0,
        lastByteToCsDelay: 0,
        byteGap: 0,
        bytesPerTransaction: 65_535,
        mode: 0,
      },
    },
  ],
  [
    // 400 kHz, active 0x1fe, delays of 1, 2 and 3 times 100 µs, 6 bytes, mode 3
    "40 00 00 00 80 1a 06 00 ff 01 fe 01 01 00 02 00 03 00 06 00 03",
    {
      kind: "setSpiSettings",
      settings: {
        bitRateHz: 400_000,
        idleCs: 0x1ff,
        activeCs: 0x1fe,
        csToDataDelay: 1,
        lastByteToCsDelay: 2,
        byteGap: 3,
        bytesPerTransaction: 6,
        mode: 3,
      },
    },
  ],
  ["41", { kind: "getSpiSettings" }],
  ["42 06 00 00 40 00 00 00 00 95", { kind: "transfer", data: fromHex("400000000095") }],
  ["42 00", { kind: "transfer", data: new Uint8Array(0) }],
  ["50 7f", { kind: "readEeprom", address: 0x7f }],
  ["51 10 a5", { kind: "writeEeprom", address: 0x10, value: 0xa5 }],
  ["60 20", { kind: "setNvram", section: "chip settings", accessControl: 0 }],
  [
    "60 20 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 80",
    { kind: "setNvram", section: "chip settings", accessControl: 0x80 },
  ],
  ["60 10", { kind: "setNvram", section: "SPI settings", accessControl: 0 }],
  ["60 30", { kind: "setNvram", section: "USB parameters", accessControl: 0 }],
  ["60 40", { kind: "setNvram", section: "product name", accessControl: 0 }],
  ["60 50", { kind: "setNvram", section: "maker's name", accessControl: 0 }],
  ["61 20", { kind: "getNvram", section: "chip settings" }],
  ["61 77", { kind: "getNvram", section: "0x77" }],
  ["70 00 00 00 31 32 33 34 35 36 37 38", { kind: "password" }],
  ["80 01", { kind: "releaseBus", acknowledge: 1 }],
  ["00", { kind: "unknown", command: 0x00 }],
  ["43", { kind: "unknown", command: 0x43 }],
  ["ff", { kind: "unknown", command: 0xff }],
];

const ANSWERS: readonly (readonly [string, object])[] = [
  [
    "10 00 01 00 00 00",
    {
      kind: "status",
      command: 0x10,
      chip: { releasePending: false, busOwner: 0, passwordTries: 0, unlocked: false },
    },
  ],
  [
    "11 00 00 02 05 01",
    {
      kind: "status",
      command: 0x11,
      chip: { releasePending: true, busOwner: 2, passwordTries: 5, unlocked: true },
    },
  ],
  [
    "20 00 00 00 01 00 00 00 00 00 00 00 02 ff 01 00 00 01",
    {
      kind: "chipSettings",
      command: 0x20,
      settings: { pinModes: [1, 0, 0, 0, 0, 0, 0, 0, 2], outputs: 0x1ff, directions: 0, other: 1 },
    },
  ],
  ["21 00", { kind: "acknowledged", command: 0x21 }],
  ["21 fb", { kind: "refused", command: 0x21, status: 0xfb }],
  ["30 00 00 00 01 00", { kind: "acknowledged", command: 0x30 }],
  ["31 00 00 00 ff 01", { kind: "pins", command: 0x31, bits: 0x1ff }],
  ["33 00 00 00 fe 01", { kind: "pins", command: 0x33, bits: 0x1fe }],
  [
    "41 00 00 00 c0 c6 2d 00 ff 01 ff 01 00 00 00 00 00 00 04 00 00",
    {
      kind: "spiSettings",
      command: 0x41,
      settings: {
        bitRateHz: 3_000_000,
        idleCs: 0x1ff,
        activeCs: 0x1ff,
        csToDataDelay: 0,
        lastByteToCsDelay: 0,
        byteGap: 0,
        bytesPerTransaction: 4,
        mode: 0,
      },
    },
  ],
  ["42 00 00 20", { kind: "transfer", command: 0x42, engine: "started", data: new Uint8Array(0) }],
  [
    "42 00 04 30 de ad be ef",
    { kind: "transfer", command: 0x42, engine: "dataAvailable", data: fromHex("deadbeef") },
  ],
  [
    "42 00 02 10 ff 05",
    { kind: "transfer", command: 0x42, engine: "finished", data: fromHex("ff05") },
  ],
  ["42 00 00 55", { kind: "transfer", command: 0x42, engine: 0x55, data: new Uint8Array(0) }],
  ["42 f8", { kind: "refused", command: 0x42, status: 0xf8 }],
  ["42 f7", { kind: "refused", command: 0x42, status: 0xf7 }],
  ["43 f9", { kind: "refused", command: 0x43, status: 0xf9 }],
];

describe("the decoder of commands", () => {
  it.each(COMMANDS)("reads %s", (hex, meaning) => {
    expect(decodeCommand(report(hex))).toEqual(meaning);
  });

  it("takes no report of another length, and no chunk of more than 60 bytes", () => {
    expect(decodeCommand(report("10").subarray(0, 63))).toEqual({
      kind: "malformed",
      why: "63 bytes",
    });
    expect(decodeCommand(new Uint8Array(65))).toEqual({ kind: "malformed", why: "65 bytes" });
    expect(decodeCommand(new Uint8Array(0))).toEqual({ kind: "malformed", why: "0 bytes" });
    expect(decodeCommand(report("42 3d"))).toEqual({
      kind: "malformed",
      why: "61 bytes of SPI data",
    });
    expect(decodeCommand(report("42 3c"))).toEqual({ kind: "transfer", data: new Uint8Array(60) });
  });
});

describe("the decoder of answers", () => {
  it.each(ANSWERS)("reads %s", (hex, meaning) => {
    expect(decodeAnswer(report(hex))).toEqual(meaning);
  });

  it("takes no answer of another length, and no chunk of more than 60 bytes", () => {
    expect(decodeAnswer(new Uint8Array(63))).toEqual({ kind: "malformed", why: "63 bytes" });
    expect(decodeAnswer(report("42 00 3d 30"))).toEqual({
      kind: "malformed",
      why: "61 bytes of SPI data",
    });
  });
});
