import { deflateRawSync } from "node:zlib";
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { inflateLimit, type PayloadOptions, preparePayload } from "../../src/pstore/payload.js";
import { equalBytes } from "../../src/util/bytes.js";
import { errorCode } from "../../src/util/errors.js";
import { shownByKernel } from "../support/kernel-images.js";
import { inflate61 } from "../support/kernel-view.js";
import { logOf, noise } from "../support/logs.js";

const KIB = 1024;
const OPTIONS: PayloadOptions = {
  capacity: 4 * KIB - 84,
  kmsgSize: 4 * KIB,
  reason: 1,
  sequence: 3,
  compress: "auto",
};
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "latin1"));
const text = (data: Uint8Array): string => Buffer.from(data).toString("latin1");

function prepare(log: string | Uint8Array, options: Partial<PayloadOptions> = {}) {
  const all = { ...OPTIONS, ...options };
  const prepared = preparePayload(typeof log === "string" ? bytes(log) : log, all);
  const stored = prepared.compressed
    ? inflate61(prepared.payload, all.kmsgSize - 52)
    : prepared.payload;
  return { ...prepared, stored: text(stored ?? bytes("<a kernel does not inflate it>")) };
}

describe("inflate limit of old kernels", () => {
  test.each([
    [4 * KIB, 8986],
    [8 * KIB, 18_088],
    [12 * KIB, 20_393],
    [64 * KIB, 109_140],
    [10_052, 22_222],
    [10_053, 16_668],
    [4052, 8888],
    [4051, 6665],
    [52, 0],
    [12, 0],
  ])("zones of %d bytes: %d bytes of text", (kmsgSize, limit) => {
    expect(inflateLimit(kmsgSize)).toBe(limit);
  });
});

describe("first line of a dump", () => {
  test.each([
    [1, "Panic#3 Part1\n"],
    [2, "Oops#3 Part1\n"],
    [3, "Emergency#3 Part1\n"],
    [4, "Shutdown#3 Part1\n"],
  ])("is added for reason %d", (reason, line) => {
    const prepared = prepare("<0>[    1.0] x\n", { reason });
    expect(prepared.stored).toBe(`${line}<0>[    1.0] x\n`);
    expect(prepared.addedDumpLine).toBe(true);
  });

  test.each([
    ["Panic#3 Part1\nx\n"],
    ["Oops#17 Part1\nx\n"],
    ["Unknown#0 Part2\nx\n"],
    ["Panic#1 Part1\r\nx\r\n"],
    ["Panic#1 Part1"],
  ])("is kept: %j", (log) => {
    expect(prepare(log)).toMatchObject({ stored: log, addedDumpLine: false });
  });

  test.each([["panic#1 Part1\nx\n"], ["Panic#1 Part1 x\n"], [" Panic#1 Part1\n"], ["Panic#1\n"]])(
    "is not what looks alike: %j",
    (log) => {
      expect(prepare(log).stored).toBe(`Panic#3 Part1\n${log}`);
    },
  );

  test("is all there is of an empty text", () => {
    expect(prepare("")).toMatchObject({
      stored: "Panic#3 Part1\n",
      textBytes: 14,
      droppedLines: 0,
    });
  });
});

describe("what is stored", () => {
  test("what fits is stored as it is, to the last byte", () => {
    const log = `Panic#1 Part1\n${"x".repeat(OPTIONS.capacity - 15)}\n`;
    expect(prepare(log)).toMatchObject({ compressed: false, stored: log });
    expect(prepare(`y${log}`)).toMatchObject({ compressed: true, droppedLines: 0 });
  });

  test("a text without newline at its end stays without", () => {
    expect(prepare("a\nb").stored).toBe("Panic#3 Part1\na\nb");
    const long = logOf(150).trimEnd();
    expect(prepare(long).stored.endsWith(long.slice(-100))).toBe(true);
  });

  test("what does not fit is deflated whole", () => {
    const log = logOf(120);
    const prepared = prepare(log);
    expect(log.length).toBeGreaterThan(OPTIONS.capacity);
    expect(prepared).toMatchObject({ compressed: true, droppedBytes: 0, droppedLines: 0 });
    expect(prepared.stored).toBe(`Panic#3 Part1\n${log}`);
  });

  test("text past the old kernels' limit loses its oldest lines though it would deflate", () => {
    const log = "<6>[    0.000000] the same again\n".repeat(400);
    const prepared = prepare(log);
    expect(deflateRawSync(bytes(log)).length).toBeLessThan(OPTIONS.capacity);
    expect(prepared.textBytes).toBeLessThanOrEqual(8986);
    expect(prepared.textBytes).toBeGreaterThan(8986 - 33);
    expect(prepared.droppedBytes + prepared.textBytes).toBe(log.length + 14);
  });

  test("the limit itself is still within it", () => {
    const log = `first\n${"x".repeat(8986 - 14 - 7)}\n`;
    expect(prepare(log)).toMatchObject({ compressed: true, textBytes: 8986, droppedLines: 0 });
    expect(prepare(`+${log}`)).toMatchObject({ droppedLines: 1, droppedBytes: 7 });
  });

  test("as it is, if deflating would keep no more lines", () => {
    const log = `${noise(12_000)}\n<0>[    1.000000] ${"the end ".repeat(20)}\n`;
    expect(prepare(log)).toMatchObject({ compressed: false, droppedLines: 1 });
  });

  test("never: the newest whole lines that fit as they are", () => {
    const log = logOf(300);
    const prepared = prepare(log, { compress: "never" });
    expect(prepared.compressed).toBe(false);
    expect(log.endsWith(prepared.stored.slice(14))).toBe(true);
    expect(prepared.droppedLines).toBe(300 - prepared.stored.split("\n").length + 2);
  });

  test("always: also what would fit", () => {
    expect(prepare("short\n", { compress: "always" })).toMatchObject({
      compressed: true,
      stored: "Panic#3 Part1\nshort\n",
    });
  });

  test("lines that do not deflate are kept as they are if those are more", () => {
    const random = noise(OPTIONS.capacity - 15);
    const prepared = prepare(`first line\n${random}\n`);
    expect(prepared).toMatchObject({ compressed: false, droppedLines: 1 });
    expect(prepared.stored).toBe(`Panic#3 Part1\n${random}\n`);
  });

  test("its own first line stays in front of what is left", () => {
    const prepared = prepare(`Oops#9 Part1\n${logOf(900)}`);
    expect(prepared.stored.startsWith("Oops#9 Part1\n<6>[")).toBe(true);
    expect(prepared.droppedLines).toBeGreaterThan(0);
  });

  test("a real log of 30 KiB goes whole into 64 KiB, and deflated into 16 KiB", () => {
    const log = shownByKernel("one-deflate").get("dmesg-pstore_blk-0") as Uint8Array;
    const large = prepare(log, { capacity: 65_536 - 84, kmsgSize: 65_536 });
    expect(large).toMatchObject({ compressed: false, addedDumpLine: false, droppedLines: 0 });
    const small = prepare(log, { capacity: 16_384 - 84, kmsgSize: 16_384 });
    expect(small.compressed).toBe(true);
    expect(small.textBytes).toBeLessThanOrEqual(inflateLimit(16_384));
    expect(text(log).endsWith(small.stored.slice(14))).toBe(true);
  });
});

describe("too large", () => {
  test.each(["auto", "always", "never"] as const)("last line past the zone, %s", (compress) => {
    const log = Buffer.from(`first\n${noise(12_000)}\n`, "latin1");
    expect(codeOf(() => preparePayload(log, { ...OPTIONS, compress }))).toBe("PSTORE_TOO_LARGE");
  });

  test("a line that would deflate is too large for never, with a hint", () => {
    const log = bytes("x".repeat(5000));
    expect(prepare(log)).toMatchObject({ compressed: true, droppedLines: 0 });
    expect(() => preparePayload(log, { ...OPTIONS, compress: "never" })).toThrow(
      expect.objectContaining({
        code: "PSTORE_TOO_LARGE",
        hint: expect.stringContaining("--no-compress"),
        details: expect.objectContaining({ lastLineBytes: 5000, capacity: 4012 }),
      }),
    );
  });

  test("a zone without room for a single byte", () => {
    for (const capacity of [0, -20])
      expect(codeOf(() => preparePayload(bytes(""), { ...OPTIONS, capacity }))).toBe(
        "PSTORE_TOO_LARGE",
      );
  });
});

function codeOf(work: () => unknown): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return errorCode(error);
  }
}

const line = fc.oneof(
  fc.string({ maxLength: 60 }).map((words) => words.replaceAll("\n", " ")),
  fc.nat().map((n) => `<6>[${n}] usb 1-1: new high-speed USB device number ${n % 9}`),
  fc.integer({ min: 0, max: 2500 }).map(noise),
);
const logs = fc
  .tuple(fc.array(line, { maxLength: 400, size: "max" }), fc.boolean())
  .map(([lines, isEnded]) => Buffer.from(lines.join("\n") + (isEnded ? "\n" : ""), "latin1"));
const modes = fc.constantFrom("auto", "always", "never") as fc.Arbitrary<
  PayloadOptions["compress"]
>;

describe("any log", () => {
  test("is stored as its first line and the most newest whole lines that fit", () => {
    fc.assert(
      fc.property(logs, modes, fc.constantFrom(1024, 4096, 8192), (log, compress, kmsgSize) => {
        const options = { ...OPTIONS, compress, kmsgSize, capacity: kmsgSize - 84 };
        let prepared: ReturnType<typeof prepare>;
        try {
          prepared = prepare(log, options);
        } catch (error) {
          expect(errorCode(error)).toBe("PSTORE_TOO_LARGE");
          expect(fits(lastLine(log), options)).toBe(false);
          return;
        }
        expect(prepared.payload.length).toBeLessThanOrEqual(options.capacity);
        expect(prepared.stored).toHaveLength(prepared.textBytes);
        const kept = log.subarray(prepared.droppedBytes);
        expect(prepared.stored === `Panic#3 Part1\n${text(kept)}`).toBe(true);
        const dropped = log.subarray(0, prepared.droppedBytes);
        expect(text(dropped).split("\n").length - 1).toBe(prepared.droppedLines);
        if (prepared.droppedLines === 0) return;
        expect(dropped.at(-1)).toBe(0x0a);
        const more = log.subarray(dropped.subarray(0, -1).lastIndexOf(0x0a) + 1);
        expect(equalBytes(more.subarray(more.length - kept.length), kept)).toBe(true);
        expect(fits(more, options)).toBe(false);
      }),
      { numRuns: 150 },
    );
  });
});

function lastLine(log: Uint8Array): Uint8Array {
  return log.subarray(log.subarray(0, -1).lastIndexOf(0x0a) + 1);
}

/** The rule again, in words of its own: raw unless `always`, deflated unless `never`. */
function fits(body: Uint8Array, { compress, capacity, kmsgSize }: PayloadOptions): boolean {
  const all = Buffer.concat([Buffer.from("Panic#3 Part1\n"), body]);
  if (compress !== "always" && all.length <= capacity) return true;
  if (compress === "never" || all.length > inflateLimit(kmsgSize)) return false;
  return deflateRawSync(all, { windowBits: 11, level: 9 }).length <= capacity;
}
