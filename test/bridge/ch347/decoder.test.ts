import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import {
  AnswerReader,
  type Ch347Event,
  clockHz,
  decodeSettings,
  decodeTransfer,
} from "../../../src/bridge/ch347/decoder.js";
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

/** Offsets left out, bytes as hex. */
function plain(events: readonly Ch347Event[]): object[] {
  return events.map(({ offset: _offset, ...event }) =>
    Object.fromEntries(
      Object.entries(event).map(([name, value]) => [
        name,
        value instanceof Uint8Array ? toHex(value) : value,
      ]),
    ),
  );
}

const SPI_MASTER = {
  master: true,
  dataBits: 8,
  cpol: 0,
  cpha: 0,
  softwareCs: true,
  clockIndex: 0,
  lsbFirst: false,
  intervalUs: 0,
  idleByte: 0xff,
  csPolarity: 0,
};
const KEEP = { level: "keep", autoRelease: false, activeUs: 0, releaseUs: 0 };

const VECTORS: readonly (readonly [what: string, transfer: string, events: readonly object[]])[] = [
  ["the settings asked for", READ_CONFIG, [{ kind: "readConfig" }]],
  [
    "mode 0, 60 MHz, FF while reading",
    SETTINGS_60_MHZ,
    [{ kind: "configure", settings: SPI_MASTER }],
  ],
  ["15 MHz", SETTINGS_15_MHZ, [{ kind: "configure", settings: { ...SPI_MASTER, clockIndex: 2 } }]],
  [
    "468.75 kHz",
    SETTINGS_SLOWEST,
    [{ kind: "configure", settings: { ...SPI_MASTER, clockIndex: 7 } }],
  ],
  [
    "mode 3, 16 bits, LSB first, 500 µs between bytes, zeros while reading, CS active high",
    "c0 1a00 0000 0401 0008 0200 0100 0002 3000 8000 0700 f401 00 80 00000000",
    [
      {
        kind: "configure",
        settings: {
          ...SPI_MASTER,
          dataBits: 16,
          cpol: 1,
          cpha: 1,
          clockIndex: 6,
          lsbFirst: true,
          intervalUs: 500,
          idleByte: 0,
          csPolarity: 0x80,
        },
      },
    ],
  ],
  ["CS1 asserted", CS_LOW, [{ kind: "cs", cs1: { ...KEEP, level: "low" }, cs2: KEEP }]],
  ["CS1 released", CS_HIGH, [{ kind: "cs", cs1: { ...KEEP, level: "high" }, cs2: KEEP }]],
  [
    "CS1 asserted with delays and an automatic release, CS2 released",
    "c1 0a00 a0 0500 0201 c0 0000 0700",
    [
      {
        kind: "cs",
        cs1: { level: "low", autoRelease: true, activeUs: 5, releaseUs: 0x102 },
        cs2: { ...KEEP, level: "high", releaseUs: 7 },
      },
    ],
  ],
  [
    "CMD0 and two bytes more, both ways",
    "c2 0800 400000000095 ffff",
    [{ kind: "exchange", mosi: "400000000095ffff" }],
  ],
  ["JEDEC's read id, written only", "c4 0100 9f", [{ kind: "write", mosi: "9f" }]],
  ["512 bytes read", "c3 0400 00020000", [{ kind: "read", count: 512 }]],
  ["most that can be read", "c3 0400 ffffffff", [{ kind: "read", count: 0xffffffff }]],
  ["the clock family of 48 MHz", "e1 0100 03", [{ kind: "clockFamily", family: 3 }]],
  [
    "one behind the other",
    `${CS_LOW} c4 0200 1234`,
    [
      { kind: "cs", cs1: { ...KEEP, level: "low" }, cs2: KEEP },
      { kind: "write", mosi: "1234" },
    ],
  ],
  ["nothing", "", []],
  ["a command cut in its head", "c2 05", [{ kind: "malformed", command: 0xc2, why: "truncated" }]],
  [
    "a command cut behind its head",
    "c4 0300",
    [{ kind: "malformed", command: 0xc4, why: "truncated" }],
  ],
  [
    "a command cut in its data",
    "c4 0300 aabb",
    [{ kind: "malformed", command: 0xc4, why: "truncated" }],
  ],
  [
    "a count that is too short",
    "c3 0200 0001",
    [{ kind: "malformed", command: 0xc3, why: "length" }],
  ],
  [
    "settings that are too short",
    "c0 0200 0000",
    [{ kind: "malformed", command: 0xc0, why: "length" }],
  ],
  ["nothing to exchange", "c2 0000", [{ kind: "malformed", command: 0xc2, why: "length" }]],
  ["no command of its", "a8 0100 ff", [{ kind: "unknown", value: 0xa8 }]],
];

describe("OUT transfers", () => {
  test.each(VECTORS)("%s: %s", (_what, transfer, events) => {
    expect(plain(decodeTransfer(fromHex(transfer)))).toEqual(events);
  });

  test("whatever comes, every event lies in the transfer", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (transfer) => {
        for (const { offset } of decodeTransfer(transfer))
          expect(offset).toBeLessThan(transfer.length);
      }),
      { numRuns: 2000 },
    );
  });

  test("settings of another length are none", () => {
    const settings = fromHex(SETTINGS_15_MHZ).subarray(3);
    expect(decodeSettings(settings)).toMatchObject({ clockIndex: 2 });
    expect(decodeSettings(settings.subarray(1))).toBeUndefined();
  });

  test.each(CLOCKS)("prescaler %i is %i Hz", (index, hz) => {
    expect(clockHz(index)).toBe(hz);
  });
});

/** The answers in IN transfers, one hex string each. */
function read(...transfers: string[]): { answers: string[]; rest: string } {
  const reader = new AnswerReader();
  const answers = transfers.flatMap((transfer) =>
    reader
      .push(fromHex(transfer))
      .map(({ command, data }) => `${command.toString(16)} ${toHex(data)}`),
  );
  const { head } = reader;
  return {
    answers,
    rest: head === undefined ? "" : `${head.command.toString(16)} ${head.length ?? "?"}`,
  };
}

describe("answers", () => {
  test.each<[string, string[], string[], string]>([
    ["the acknowledgement of a write", ["c4 0100 00"], ["c4 00"], ""],
    ["what was exchanged", ["c2 0300 ff01fe"], ["c2 ff01fe"], ""],
    ["a read in two", ["c3 0200 0102", "c3 0100 03"], ["c3 0102", "c3 03"], ""],
    ["one over several transfers", ["c2", "0300 ff", "01", "fe"], ["c2 ff01fe"], ""],
    ["two in one", ["c4 0100 00 c4 0100 00"], ["c4 00", "c4 00"], ""],
    ["an empty transfer in between", ["c2 0200 11", "", "22"], ["c2 1122"], ""],
    ["one that is not complete", ["c3 0500 0102"], [], "c3 5"],
    ["less than its head", ["c2 05"], [], "c2 ?"],
  ])("%s", (_what, transfers, answers, rest) => {
    expect(read(...transfers)).toEqual({ answers, rest });
  });

  test("however the stream is cut, the answers are the same", () => {
    const frame = fc.tuple(
      fc.constantFrom(0xc2, 0xc3, 0xc4, 0xca),
      fc.uint8Array({ maxLength: 40 }),
    );
    fc.assert(
      fc.property(
        fc.array(frame, { maxLength: 5 }),
        fc.integer({ min: 1, max: 30 }),
        (frames, size) => {
          const stream = Uint8Array.from(
            frames.flatMap(([command, data]) => [command, data.length, 0, ...data]),
          );
          const reader = new AnswerReader();
          const seen: unknown[] = [];
          for (let at = 0; at < stream.length; at += size)
            seen.push(
              ...reader
                .push(stream.subarray(at, at + size))
                .map(({ command, data }) => [command, [...data]]),
            );
          expect(seen).toEqual(frames.map(([command, data]) => [command, [...data]]));
          expect(reader.head).toBeUndefined();
        },
      ),
    );
  });
});
