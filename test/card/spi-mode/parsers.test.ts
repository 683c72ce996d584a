import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { DataParser } from "../../../src/card/spi-mode/data-parser.js";
import { ByteEstimate } from "../../../src/card/spi-mode/estimate.js";
import {
  blockBuffer,
  commandBytes,
  commandName,
  encodeBlock,
  spoilCrc7,
} from "../../../src/card/spi-mode/frame.js";
import { QuietParser } from "../../../src/card/spi-mode/quiet-parser.js";
import { ResponseParser } from "../../../src/card/spi-mode/response-parser.js";
import { BusyParser, DataResponseParser } from "../../../src/card/spi-mode/write-parsers.js";
import type { ReceiveParser } from "../../../src/spi/bridge.js";
import { fromHex, toHex } from "../../../src/util/bytes.js";
import { crc16 } from "../../../src/util/crc.js";

/** Feeds `bytes` in pieces cut at `cuts`; returns how many were taken. */
function feed(parser: ReceiveParser, bytes: Uint8Array, cuts: readonly number[] = []): number {
  const borders = [...new Set([...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])];
  let at = 0;
  for (const to of borders.sort((a, b) => a - b)) {
    while (at < to && parser.status === "more") {
      const before = parser.atLeast;
      expect(before).toBeGreaterThanOrEqual(1);
      const taken = parser.push(bytes, at, to);
      if (statusOf(parser) === "done") expect(taken).toBeGreaterThanOrEqual(before);
      at += taken;
    }
  }
  return at;
}

function statusOf(parser: ReceiveParser): ReceiveParser["status"] {
  return parser.status;
}

describe("frames", () => {
  // SD Physical Layer 4.5 and the well-known constants of every driver.
  test.each([
    [0, 0, "400000000095"],
    [1, 0x40000000, "41400000006b"],
    [8, 0x1aa, "48000001aa87"],
    [9, 0, "4900000000af"],
    [12, 0, "4c0000000061"],
    [13, 0, "4d000000000d"],
    [16, 512, "500000020015"],
    [17, 0, "510000000055"],
    [25, 0, "590000000003"],
    [41, 0x40000000, "694000000077"],
    [55, 0, "770000000065"],
    [58, 0, "7a00000000fd"],
    [59, 1, "7b0000000183"],
  ])("CMD%i %i", (index, argument, hex) => {
    expect(toHex(commandBytes(index, argument))).toBe(`ff${hex}`);
  });

  test("a wrong CRC7", () => {
    const frame = commandBytes(13);
    spoilCrc7(frame, 1);
    expect(toHex(frame)).toBe("ff4d000000000f");
  });

  test.each([
    [new Uint8Array(512), "0000"],
    [new Uint8Array(512).fill(0xff), "7fa1"],
    [Uint8Array.from({ length: 512 }, (_, at) => at & 0xff), "40da"],
  ])("a block and its CRC16", (data, crc) => {
    const buffer = blockBuffer(512);
    encodeBlock(buffer, 0xfc, data, 0);
    expect(toHex(buffer.subarray(0, 2))).toBe("fffc");
    expect(buffer.subarray(2, 514)).toEqual(data);
    expect(toHex(buffer.subarray(514))).toBe(crc);
  });

  test("names", () => {
    expect(commandName({ index: 41, app: true, argument: 0x40000000 })).toBe("ACMD41 0x40000000");
    expect(commandName({ index: 12, argument: 0 })).toBe("CMD12");
  });
});

describe("responses", () => {
  const parse = (hex: string, ...args: Parameters<ResponseParser["expect"]>) => {
    const parser = new ResponseParser().expect(...args);
    const taken = feed(parser, fromHex(hex));
    return { status: parser.status, r1: parser.r1, extra: toHex(parser.extra), taken };
  };

  test.each([
    ["00 ff", "R1", { status: "done", r1: 0, extra: "", taken: 1 }],
    ["ff ff 01 00", "R1", { status: "done", r1: 1, extra: "", taken: 3 }],
    // Not FF but C0 where nothing drives the line (NuttX): bit 7 decides.
    ["c0 c0 05", "R1", { status: "done", r1: 5, extra: "", taken: 3 }],
    ["ff 00 20 ff", "R2", { status: "done", r1: 0, extra: "20", taken: 3 }],
    ["01 00 00 01 aa ff", "R7", { status: "done", r1: 1, extra: "000001aa", taken: 5 }],
    ["ff 05 ff ff ff ff", "R7", { status: "done", r1: 5, extra: "", taken: 2 }],
    ["ff 09 00", "R7", { status: "done", r1: 9, extra: "", taken: 2 }],
    // Erase reset says nothing about this command: the status byte follows.
    ["02 80", "R2", { status: "done", r1: 2, extra: "80", taken: 2 }],
    ["00 c0 ff 80 00", "R3", { status: "done", r1: 0, extra: "c0ff8000", taken: 5 }],
    ["00 c0 ff", "R3", { status: "more", r1: 0, extra: "c0ff", taken: 3 }],
  ] as const)("%s as %s", (hex, kind, expected) => {
    expect(parse(hex, kind)).toEqual(expected);
  });

  test("the stuff byte of CMD12 is no response, whatever it holds", () => {
    for (let stuff = 0; stuff < 256; stuff++) {
      const hex = `${stuff.toString(16).padStart(2, "0")} ff 00`;
      expect(parse(hex, "R1b", { skip: 1 })).toMatchObject({ status: "done", r1: 0, taken: 3 });
    }
  });

  test("nothing within 16 bytes", () => {
    expect(parse(`${"ff".repeat(15)}00`, "R1")).toMatchObject({ status: "done", taken: 16 });
    expect(parse("ff".repeat(17), "R1")).toMatchObject({
      status: "failed",
      r1: undefined,
      taken: 16,
    });
  });

  test("bits that are refused", () => {
    expect(parse("40", "R1", { refuse: 0x7d })).toMatchObject({ status: "failed", r1: 0x40 });
    expect(parse("02", "R1", { refuse: 0x7d })).toMatchObject({ status: "done", r1: 0x02 });
  });
});

describe("data", () => {
  const shape = (count: number, length = 512, maxWait = 10_000) => ({
    into: new Uint8Array(count * length),
    blockLength: length,
    blockCount: count,
    maxWait,
  });

  function stream(data: Uint8Array, length: number, gaps: readonly number[]): Uint8Array {
    const parts: number[] = [];
    for (let block = 0; block * length < data.length; block++) {
      const bytes = data.subarray(block * length, (block + 1) * length);
      const crc = crc16(bytes);
      parts.push(...new Array<number>(gaps[block % gaps.length] ?? 0).fill(0xff));
      parts.push(0xfe, ...bytes, crc >> 8, crc & 0xff);
    }
    return Uint8Array.from(parts);
  }

  test("any blocks, any gaps, cut anywhere", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(4, 8, 16, 64, 512),
        fc.integer({ min: 1, max: 4 }),
        fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 4 }),
        fc.array(fc.nat(), { maxLength: 30 }),
        fc.uint8Array({ minLength: 2048, maxLength: 2048 }),
        (length, count, gaps, cuts, random) => {
          const data = random.subarray(0, length * count);
          const wanted = shape(count, length);
          const parser = new DataParser().expect(wanted);
          const bytes = stream(data, length, gaps);
          const surplus = Uint8Array.of(...bytes, 0xff, 0xfe, 1, 2);
          expect(feed(parser, surplus, cuts)).toBe(bytes.length);
          expect(parser.status).toBe("done");
          expect(parser.blocksDone).toBe(count);
          expect(wanted.into).toEqual(data);
          const waits = bytes.length - count * (length + 3);
          expect(parser.accessBytes + parser.gapBytes).toBe(waits);
          expect(parser.accessBytes).toBe(gaps[0]);
        },
      ),
      { numRuns: 100 },
    );
  });

  test("one flipped bit anywhere in a block is never taken for good data", () => {
    const data = Uint8Array.from({ length: 16 }, (_, at) => at * 17);
    const bytes = stream(data, 16, [2]);
    for (let bit = 16; bit < bytes.length * 8; bit++) {
      const spoilt = bytes.slice();
      spoilt[bit >> 3] = (spoilt[bit >> 3] as number) ^ (0x80 >> (bit & 7));
      const parser = new DataParser().expect(shape(1, 16));
      feed(parser, spoilt);
      expect({ bit, done: parser.status === "done" }).toEqual({ bit, done: false });
    }
  });

  test("a 00 before the token is waited out; error tokens and garbage are told apart", () => {
    const run = (hex: string) => {
      const parser = new DataParser().expect(shape(1, 4));
      feed(parser, fromHex(hex));
      return parser.failure ?? parser.status;
    };
    expect(run("00 ff fe 00000000 0000")).toBe("done");
    expect(run("ff 08")).toEqual({ reason: "error-token", token: 0x08 });
    expect(run("10")).toEqual({ reason: "error-token", token: 0x10 });
    expect(run("ff 7e")).toEqual({ reason: "garbage", token: 0x7e });
    expect(run("fe 00000000 0001")).toEqual({ reason: "crc", expected: 0, received: 1 });
  });

  test("no token within the limit, which counts anew for each block", () => {
    const parser = new DataParser().expect(shape(2, 4, 10));
    feed(parser, fromHex(`${"ff".repeat(9)} fe 00000000 0000 ${"ff".repeat(9)}`));
    expect(parser.status).toBe("more");
    feed(parser, fromHex("ff ff"));
    expect(parser.failure).toEqual({ reason: "no-token" });
    expect(parser.blocksDone).toBe(1);
  });
});

describe("data response and busy", () => {
  test.each([
    ["e5", "done", 0x05],
    ["05", "done", 0x05],
    ["ff ff ff 25", "done", 0x05],
    ["eb", "failed", 0x0b],
    ["0d", "failed", 0x0d],
    ["00", "failed", 0x00],
    ["ff".repeat(8), "failed", undefined],
  ])("%s", (hex, status, response) => {
    const parser = new DataResponseParser().expect();
    feed(parser, fromHex(hex));
    expect(parser).toMatchObject({ status, response });
  });

  test.each([
    ["ff ff", 2],
    ["00 00 ff ff", 4],
    ["00 0f ff ff", 4],
    ["ff 00 ff ff", 4],
    ["00 7f 00 ff fe ff ff", 7],
  ])("ready after %s", (hex, bytes) => {
    const parser = new BusyParser().expect();
    expect(feed(parser, fromHex(`${hex} ff`))).toBe(bytes);
    expect(parser.bytes).toBe(bytes);
  });

  test("a quiet line, a busy one, a streaming one", () => {
    const run = (bytes: Uint8Array) => {
      const parser = new QuietParser().expect();
      feed(parser, bytes);
      return { status: parser.status, streaming: parser.streaming };
    };
    expect(run(new Uint8Array(8).fill(0xff))).toEqual({ status: "done", streaming: false });
    expect(run(new Uint8Array(5000))).toEqual({ status: "more", streaming: false });
    expect(run(Uint8Array.from({ length: 64 }, (_, at) => at))).toEqual({
      status: "done",
      streaming: true,
    });
  });
});

describe("estimates", () => {
  test("the first observation counts", () => {
    const estimate = new ByteEstimate(16, 4096);
    expect(estimate.best(469)).toBe(16);
    estimate.observe(8);
    expect(estimate.best(469)).toBe(8);
  });

  test("follow the card up and down within 16 observations", () => {
    const estimate = new ByteEstimate(2, 4096);
    for (let count = 0; count < 16; count++) estimate.observe(20);
    estimate.observe(60);
    expect(estimate.best(469)).toBe(60);
    for (let count = 0; count < 16; count++) estimate.observe(20);
    expect(estimate.best(469)).toBe(20);
  });

  test("one rare long wait is not worth its clocks every time, a frequent one is", () => {
    const estimate = new ByteEstimate(2, 4096);
    for (let count = 0; count < 15; count++) estimate.observe(20);
    estimate.observe(2000);
    expect(estimate.best(469)).toBe(20);
    for (let count = 0; count < 14; count++) estimate.observe(2000);
    expect(estimate.best(469)).toBe(2000);
  });

  test("never beyond the largest", () => {
    const estimate = new ByteEstimate(2, 100);
    estimate.observe(101);
    expect(estimate.best(469)).toBe(2);
  });
});
