import { deflateRawSync, deflateSync } from "node:zlib";
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { isPlausibleLog, unpack } from "../../src/pstore/inflate.js";
import { concatBytes } from "../../src/util/bytes.js";
import { kernelImage, partitionBytes, shownByKernel } from "../support/kernel-images.js";

const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");
const deflate = (text: string, windowBits = 11): Uint8Array =>
  new Uint8Array(deflateRawSync(text, { windowBits }));

const LOG = [
  "Oops#3 Part1",
  ...Array.from(
    { length: 300 },
    (_, at) => `<4>[${at}.${at * 7919}] Call Trace: f${at * 31}+0x${at}`,
  ),
  "",
].join("\n");

/** The payload of a compressed record on an image of the kernel's. */
function kernelPayload(name: string, offset: number): Uint8Array {
  const zone = kernelImage(name).zones.find((candidate) => candidate.offset === offset);
  return partitionBytes(name).slice(offset + 52, offset + 12 + (zone?.datalen ?? 0));
}

describe("whole streams", () => {
  test.each([
    ["one-deflate", 0, "dmesg-pstore_blk-0"],
    ["k4", 8192, "dmesg-pstore_blk-2"],
    ["all-smp2", 86_016, "dmesg-pstore_blk-0"],
  ])("the kernel's own deflate: %s at %i", (name, offset, file) => {
    const { method, result, text } = unpack(kernelPayload(name, offset));
    expect([method, result]).toEqual(["deflate", "whole"]);
    expect(Buffer.compare(text, shownByKernel(name).get(file) ?? new Uint8Array())).toBe(0);
  });

  test("any text at any window comes back", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 3000 }), fc.integer({ min: 9, max: 15 }), (text, bits) => {
        const log = `Panic#1 Part1\n${text}`;
        const unpacked = unpack(deflate(log, bits));
        expect(unpacked.result).toBe("whole");
        expect(Buffer.from(unpacked.text).toString()).toBe(Buffer.from(log).toString());
      }),
    );
  });

  test("a text without a dump's first line counts if it is text", () => {
    expect(unpack(deflate("just some words\n".repeat(20))).result).toBe("whole");
    const noise = Buffer.from(Array.from({ length: 400 }, (_, at) => (at * 37) % 31));
    expect(unpack(new Uint8Array(deflateRawSync(noise)))).toMatchObject({
      method: "unknown",
      result: "none",
    });
  });
});

describe("damaged streams", () => {
  test("a stream that is cut off anywhere gives the whole lines in front of the cut, or nothing", () => {
    const whole = deflate(LOG);
    for (let length = 0; length < whole.length; length += 13) {
      const { result, text } = unpack(whole.subarray(0, length));
      const read = textOf(text);
      expect({ length, isPrefix: LOG.startsWith(read) }).toEqual({ length, isPrefix: true });
      expect({ length, result }).toEqual({ length, result: read === "" ? "none" : "salvaged" });
      expect(read === "" || read.endsWith("\n")).toBe(true);
    }
    expect(textOf(unpack(whole.subarray(0, whole.length - 1)).text).length).toBeGreaterThan(
      LOG.length * 0.9,
    );
  });

  test("zeros in place of the end are the zone's, not the stream's", () => {
    const cut = deflate(LOG).slice();
    const half = cut.length >> 1;
    cut.fill(0, half);
    const { method, result, text } = unpack(cut);
    expect([method, result]).toEqual(["deflate", "salvaged"]);
    expect(text.length).toBeGreaterThan(LOG.length / 4);
    expect(LOG.startsWith(textOf(text))).toBe(true);
  });

  test("a stream with something behind it is readable but not whole", () => {
    const { result, text } = unpack(concatBytes([deflate(LOG), bytesOf("behind")]));
    expect(result).toBe("salvaged");
    expect(textOf(text)).toBe(LOG);
    expect(unpack(concatBytes([deflate("no dump"), bytesOf("behind")])).result).toBe("none");
  });

  test("more output than a log can have is refused, not allocated", () => {
    const bomb = new Uint8Array(deflateRawSync(Buffer.alloc(32 << 20, "a")));
    expect(bomb.length).toBeLessThan(64 * 1024);
    expect(unpack(bomb).result).toBe("none");
  });

  test.each([
    ["plain text", bytesOf("Oops#8 Part1\n<6>[    1.000000] zone 8\n")],
    ["nothing", new Uint8Array(0)],
    ["zeros", new Uint8Array(1000)],
    ["FF", new Uint8Array(1000).fill(0xff)],
    ["a zlib header", new Uint8Array(deflateSync("Oops#1 Part1\nlog\n"))],
  ])("%s is no stream", (_, payload) => {
    expect(unpack(payload)).toEqual({
      method: "unknown",
      result: "none",
      text: new Uint8Array(0),
    });
  });

  test("any bytes are answered", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (payload) => {
        const { result, text } = unpack(payload);
        expect(text.length > 0 || result !== "salvaged").toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  test("one flipped bit never gives a throw", () => {
    const whole = deflate(LOG);
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(7), (at, bit) => {
        const flipped = whole.slice();
        flipped[at] = (flipped[at] as number) ^ (1 << bit);
        expect(["whole", "salvaged", "none"]).toContain(unpack(flipped).result);
      }),
    );
  });
});

test("what looks like a log", () => {
  expect(isPlausibleLog(bytesOf("Panic#12 Part1\n\u0000\u0000\u0000"))).toBe(true);
  expect(isPlausibleLog(bytesOf("Grüße\tan alle\r\n"))).toBe(true);
  expect(isPlausibleLog(new Uint8Array([1, 2, 3, 0x41]))).toBe(false);
});
