import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { fromHex } from "../../src/util/bytes.js";
import { crc7, crc16, crc32, crc32c } from "../../src/util/crc.js";

const ascii = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

describe("checksums", () => {
  test.each([
    ["4000000000", 0x95],
    ["48000001aa", 0x87],
    ["4d00000000", 0x0d],
    ["5100000000", 0x55],
    ["7a00000000", 0xfd],
    ["6940000000", 0x77],
  ])("CRC7 of the command frame %s", (frame, last) => {
    expect((crc7(fromHex(frame)) << 1) | 1).toBe(last);
  });

  test.each([
    [new Uint8Array(512), 0x0000],
    [new Uint8Array(512).fill(0xff), 0x7fa1],
    [Uint8Array.from({ length: 512 }, (_, at) => at & 0xff), 0x40da],
    [ascii("123456789"), 0x31c3],
  ])("CRC16 of a data block (%#)", (data, crc) => {
    expect(crc16(data)).toBe(crc);
  });

  test("CRC32 and CRC32C check values", () => {
    expect(crc32(ascii("123456789"))).toBe(0xcbf43926);
    expect(crc32c(ascii("123456789"))).toBe(0xe3069283);
  });

  test("all can be computed in parts", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(), (bytes, cut) => {
        const at = bytes.length === 0 ? 0 : cut % bytes.length;
        const [head, tail] = [bytes.subarray(0, at), bytes.subarray(at)];
        expect(crc16(bytes, at, bytes.length, crc16(bytes, 0, at))).toBe(crc16(bytes));
        expect(crc32(tail, crc32(head))).toBe(crc32(bytes));
        expect(crc32c(tail, crc32c(head))).toBe(crc32c(bytes));
      }),
    );
  });
});
