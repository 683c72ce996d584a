import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { BlockError } from "../../src/block/device.js";
import { type PartSelector, parsePartSelector, parseRange } from "../../src/block/selector.js";
import { errorOf } from "./support.js";

const GUID = "6d6d6370-7374-4f72-8000-0000000000b2";
type Expected = PartSelector extends infer T
  ? T extends unknown
    ? Omit<T, "text">
    : never
  : never;

const whole: Expected = { kind: "whole" };
const number = (n: number): Expected => ({ kind: "number", number: n });
const label = (text: string): Expected => ({ kind: "label", label: text });
const uuid = (text: string, offset = 0): Expected => ({ kind: "uuid", uuid: text, offset });
const blocks = (startLba: number, blockCount: number): Expected => ({
  kind: "blocks",
  startLba,
  blockCount,
});

const GOOD: readonly [string, Expected][] = [
  ["whole", whole],
  ["p2", number(2)],
  ["P128", number(128)],
  ["label=pstore", label("pstore")],
  ["label=a b=c+d", label("a b=c+d")],
  ["PARTLABEL=pstore", label("pstore")],
  ["/dev/disk/by-partlabel/pstore", label("pstore")],
  [`PARTUUID=${GUID}`, uuid(GUID)],
  [`partuuid=${GUID.toUpperCase()}`, uuid(GUID)],
  [`PARTUUID=${GUID}/PARTNROFF=1`, uuid(GUID, 1)],
  [`PARTUUID=${GUID}/PARTNROFF=-2`, uuid(GUID, -2)],
  ["PARTUUID=DEADBEEF-0a", uuid("deadbeef-0a")],
  [`/dev/disk/by-partuuid/${GUID}`, uuid(GUID)],
  ["/dev/mmcblk0p2", number(2)],
  ["mmcblk0p2", number(2)],
  ["mmcblk1p12", number(12)],
  ["/dev/mmcblk0", whole],
  ["/dev/sda2", number(2)],
  ["sdb", whole],
  ["vda1", number(1)],
  ["nvme0n1p3", number(3)],
  ["loop7p1", number(1)],
  ["179:2", number(2)],
  ["179:10", number(2)],
  ["179:8", whole],
  ["8:18", number(2)],
  ["65:17", number(1)],
  ["b302", number(2)],
  ["B30a", number(2)],
  ["b300", whole],
  ["802", number(2)],
  ["0+512", blocks(0, 1)],
  ["50MiB+4MiB", blocks(102_400, 8192)],
  ["8s+16s", blocks(8, 16)],
  ["0x200+0x400", blocks(1, 2)],
  ["0..1MiB", blocks(0, 2048)],
  ["4K..8K", blocks(8, 8)],
];

describe("PART", () => {
  test.each(GOOD)("%s", (text, expected) => {
    expect(parsePartSelector(text)).toEqual({ ...expected, text });
    expect(parseRange(text)).toEqual({ ...expected, text });
  });

  const Bad: readonly [string, RegExp, RegExp?][] = [
    ["", /^'' is no partition$/],
    ["2", /^'2' is no partition$/, /^write p2 for a partition, 0\+2 for a range$/],
    ["p0", /is no partition$/, /numbered from 1/],
    ["p", /is no partition$/],
    ["pstore", /is no partition$/, /label=pstore/],
    ["label=", /is no partition$/],
    ["PARTUUID=1234", /holds no PARTUUID$/],
    ["PARTUUID=deadbeef-1", /holds no PARTUUID$/],
    [`PARTUUID=${GUID}/PARTNROFF=x`, /holds no PARTUUID$/],
    ["mmcblk0boot0", /is no partition$/, /boot, RPMB/],
    ["/dev/mmcblk0rpmb", /is no partition$/, /boot, RPMB/],
    ["/dev/mmcblk0p0", /is no partition$/],
    ["sda0", /is no partition$/],
    ["259:3", /major 259 say nothing/, /write p2/],
    ["dead", /say nothing/],
    ["10303", /is no partition$/],
    ["0+100", /100 is no multiple of 512 bytes$/, /^plain numbers count bytes: write 0s/],
    ["1K..1500", /1500 is no multiple of 512 bytes$/],
    ["0+0", /is empty$/],
    ["8K..8K", /is empty$/],
    ["8K..4K", /is empty$/],
    ["x+1M", /'x' is no size$/],
    ["1M+x", /'x' is no size$/],
    ["-1+512", /'-1' is no size$/],
    ["1+2+3", /is no partition$/],
    ["0x20000000000000+512", /is no multiple|is no size/],
  ];

  test.each(Bad)("%s: refused", async (text, message, hint = /./) => {
    const error = await errorOf(() => parsePartSelector(text));
    expect(error).toMatchObject({
      code: "PART_MALFORMED",
      message: expect.stringMatching(message),
      hint: expect.stringMatching(hint),
    });
  });

  test("a RANGE says so", async () => {
    expect((await errorOf(() => parseRange("2"))).message).toBe("'2' is no range");
  });

  test("any text gives a selector or one BlockError, and no range is empty or negative", () => {
    const piece = fc.constantFrom(
      ..."p 2 + .. = : / label= PARTUUID= /PARTNROFF= 0x 1M s deadbeef- /dev/ mmcblk0 sda b302 179 whole".split(
        " ",
      ),
    );
    const text = fc.oneof(
      fc.string(),
      fc.array(piece, { maxLength: 6 }).map((parts) => parts.join("")),
    );
    fc.assert(
      fc.property(text, (input) => {
        try {
          const selector = parsePartSelector(input);
          if (selector.kind === "number") expect(selector.number).toBeGreaterThan(0);
          if (selector.kind !== "blocks") return;
          expect(selector.startLba).toBeGreaterThanOrEqual(0);
          expect(selector.blockCount).toBeGreaterThan(0);
        } catch (error) {
          if (!(error instanceof BlockError)) throw error;
          expect(error.code).toBe("PART_MALFORMED");
        }
      }),
      { numRuns: 500 },
    );
  });
});
