import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { planCommit } from "../../src/pstore/commit.js";
import { decodeDmesgHead, encodeDmesgHead } from "../../src/pstore/dmesg-head.js";
import { draftRecord } from "../../src/pstore/draft.js";
import { computeLayout } from "../../src/pstore/geometry.js";
import { kernelNextZone, nextCounter } from "../../src/pstore/kernel-order.js";
import {
  LAYOUT_BE64,
  LAYOUT_I386,
  LAYOUT_LE64,
  type RecordHeader,
  type RecordLayout,
} from "../../src/pstore/types.js";
import {
  chooseLayout,
  chooseZone,
  countedHeaders,
  type DmesgCandidate,
  isFree,
  recordSeconds,
} from "../../src/pstore/zone-choice.js";
import { geometryOf, kernelImage, partitionBytes } from "../support/kernel-images.js";
import { kernelView } from "../support/kernel-view.js";
import { kmsg } from "../support/partition-bytes.js";

const ZONE = 4096;
const LAST_SECOND = 2n ** 63n - 1n;

const header = (tvSec: bigint, more: Partial<RecordHeader> = {}): RecordHeader => ({
  tvSec,
  tvNsec: 0n,
  compressed: 0,
  counter: 1,
  reason: 2,
  ...more,
});

function candidates(image: Uint8Array, kmsgSize = ZONE): DmesgCandidate[] {
  const { dmesg } = computeLayout(kmsg(kmsgSize), image.length);
  return dmesg.map((zone) => {
    const bytes = image.slice(zone.offset, zone.offset + 64);
    return { zone, bytes, head: decodeDmesgHead(bytes, zone.size) };
  });
}

/** Zones of 4 KiB with these first bytes. */
function partition(heads: readonly (Uint8Array | undefined)[]): Uint8Array {
  const image = new Uint8Array(heads.length * ZONE);
  heads.forEach((head, index) => {
    if (head !== undefined) image.set(head, index * ZONE);
  });
  return image;
}

const record = (tvSec: bigint, datalen = 60, layout: RecordLayout = LAYOUT_LE64): Uint8Array =>
  encodeDmesgHead(layout, { datalen, header: header(tvSec) });
const erased = (tvSec: bigint): Uint8Array => record(tvSec, 0);
const choose = (heads: readonly (Uint8Array | undefined)[], damagedIsFree = false) =>
  chooseZone(candidates(partition(heads)), LAYOUT_LE64, { damagedIsFree });

describe("the kernel's order, on its own images", () => {
  // Facts of the images' README, seen with a booted kernel.
  test.each([
    ["wrap4", 2, 7],
    ["wrap4-unlinked", 2, 7],
    ["hand16", 0, 14],
    ["one-raw", 1, 2],
  ])("%s: next zone %d, next oops %d", (name, next, counter) => {
    const { kmsgSize } = geometryOf(kernelImage(name));
    const counted = countedHeaders(candidates(partitionBytes(name), kmsgSize), LAYOUT_LE64);
    expect(kernelNextZone(counted)).toBe(next);
    expect(nextCounter(counted, 2)).toBe(counter);
  });

  test("hand16: panics count apart, emergency and shutdown not at all", () => {
    const counted = countedHeaders(candidates(partitionBytes("hand16")), LAYOUT_LE64);
    expect([1, 3, 4, 77].map((reason) => nextCounter(counted, reason))).toEqual([4, 0, 0, 0]);
  });

  test("the eight zones that a kernel was tried with: equal seconds, the last wins", () => {
    const counted = [
      undefined,
      undefined,
      header(1000n, { counter: 40 }),
      header(1000n, { counter: 7 }),
      undefined,
      undefined,
      header(900n),
      undefined,
    ];
    expect(kernelNextZone(counted)).toBe(4);
    expect(nextCounter(counted, 2)).toBe(41);
  });

  test.each([
    ["nothing at all", [undefined, undefined], 0],
    ["times before 1970", [header(-5n), header(-1n)], 0],
    ["second 0 counts", [header(0n), undefined], 1],
    ["the last zone is the newest", [header(1n), header(2n)], 0],
  ] as const)("%s", (_name, counted, next) => {
    expect(kernelNextZone(counted)).toBe(next);
  });

  test("counters are 32 bits and begin again", () => {
    expect(nextCounter([header(0n, { counter: 0xffff_ffff })], 2)).toBe(0);
    expect(nextCounter([header(0n, { counter: 0x7fff_ffff })], 2)).toBe(0x8000_0000);
  });
});

describe("zone of a new record", () => {
  test.each([
    ["an empty partition: 0", [undefined, undefined], 0, false],
    ["the kernel's next, if it is free", [record(5n), undefined, record(4n)], 1, false],
    ["the first free one behind it", [record(4n), record(9n), record(5n), undefined], 3, false],
    ["round the ring's end", [undefined, record(9n), record(5n), record(5n)], 0, false],
    ["an erased one is free, and moves nothing", [erased(9n), record(5n), record(4n)], 0, false],
    ["a full ring: the kernel's next", [record(4n), record(9n), record(5n)], 2, true],
  ] as const)("%s", (_name, heads, index, replaces) => {
    expect(choose(heads)).toMatchObject({ index, replaces });
  });

  const free = {
    "wrong signature": Buffer.alloc(64, 0xff),
    "wrong magic": record(5n).fill(0, 12, 16),
    "length past the zone": record(5n, ZONE - 11),
    "negative length": record(5n, 0xffff_fff0),
    erased: erased(5n),
  };
  test.each(Object.entries(free))("free: %s", (_name, head) => {
    expect(choose([record(9n), record(7n), head])).toMatchObject({ index: 2, replaces: false });
  });

  test.each([
    ["big-endian", record(5n, 60, LAYOUT_BE64)],
    ["i386", record(5n, 60, LAYOUT_I386)],
  ])("a valid record of another machine is not free: %s", (_name, head) => {
    expect(isFree(decodeDmesgHead(Buffer.concat([head, Buffer.alloc(64)]), ZONE))).toBe(false);
    expect(choose([record(9n), head, undefined]).index).toBe(2);
  });

  test("a length of 1 to 39 is damage, free only if the user says so", () => {
    for (const datalen of [1, 39]) {
      const heads = [record(9n), record(5n, datalen), undefined];
      expect(choose(heads).index).toBe(2);
      expect(choose(heads, true).index).toBe(1);
    }
  });

  test("zones to be passed over", () => {
    const zones = candidates(partition([record(4n), record(9n), record(5n)]));
    expect(chooseZone(zones, LAYOUT_LE64, { passOver: new Set([2]) }).index).toBe(0);
  });
});

describe("second of a new record", () => {
  test.each([
    ["the time wanted, if it is the latest", [header(5n), undefined], 1, 9n, 9n],
    ["the largest on disk", [header(50n), undefined], 1, 9n, 50n],
    ["one more if a later zone has it", [undefined, header(50n)], 0, 9n, 51n],
    ["one more if a later zone has the time wanted", [undefined, header(50n)], 0, 50n, 51n],
    ["not for the zone itself", [header(50n), undefined], 0, 9n, 50n],
    ["not for an earlier zone", [header(50n), undefined], 1, 50n, 50n],
    ["before 1970 nothing wins: 0", [undefined, undefined], 0, -7n, 0n],
  ] as const)("%s", (_name, counted, index, wanted, seconds) => {
    expect(recordSeconds(counted, index, wanted)).toBe(seconds);
  });

  test("the last second on disk is refused, wherever it is", () => {
    for (const counted of [
      [header(LAST_SECOND), undefined],
      [undefined, header(LAST_SECOND)],
    ])
      expect(() => recordSeconds(counted, 0, 9n)).toThrow(
        expect.objectContaining({ code: "PSTORE_TIME", hint: expect.stringContaining("format") }),
      );
    expect(() => recordSeconds([undefined], 0, LAST_SECOND)).toThrow(
      expect.objectContaining({ code: "PSTORE_TIME" }),
    );
    expect(recordSeconds([undefined, header(LAST_SECOND - 1n)], 0, 9n)).toBe(LAST_SECOND);
  });
});

describe("layout of a new record", () => {
  const headOf = (layout: RecordLayout, datalen = 60) =>
    decodeDmesgHead(
      Buffer.concat([record(1_700_000_000n, datalen, layout), Buffer.from("text of a record")]),
      ZONE,
    );
  test("64-bit little-endian if there is nothing to go by", () => {
    expect(chooseLayout([])).toEqual(LAYOUT_LE64);
    expect(chooseLayout([decodeDmesgHead(new Uint8Array(64), ZONE)])).toEqual(LAYOUT_LE64);
  });

  test.each([
    ["i386", LAYOUT_I386],
    ["big-endian", LAYOUT_BE64],
    ["64-bit", LAYOUT_LE64],
  ])("that of the records there: %s", (_name, layout) => {
    expect(chooseLayout([headOf(layout)])).toEqual(layout);
    expect(chooseLayout([headOf(layout, 0)])).toEqual(layout);
    expect(chooseLayout([headOf(layout), headOf(LAYOUT_LE64, 0)])).toEqual(layout);
  });

  test("the more frequent of two, 64-bit little-endian on a tie", () => {
    const [i386, le64] = [headOf(LAYOUT_I386), headOf(LAYOUT_LE64)];
    expect(chooseLayout([i386, le64, i386])).toEqual(LAYOUT_I386);
    expect(chooseLayout([i386, le64])).toEqual(LAYOUT_LE64);
  });
});

const seconds = fc.oneof(
  fc.bigInt({ min: -3n, max: 3n }),
  fc.bigInt({ min: 1_700_000_000n, max: 1_700_000_003n }),
  fc.bigInt({ min: -(2n ** 63n), max: LAST_SECOND - 1n }),
);
const layouts = fc.constantFrom(LAYOUT_LE64, LAYOUT_I386, LAYOUT_BE64);
const zoneHead = fc.oneof(
  fc.constant(undefined),
  fc.uint8Array({ minLength: 64, maxLength: 64 }),
  fc
    .record({
      layout: layouts,
      tvSec: seconds,
      datalen: fc.oneof(
        fc.constantFrom(0, 0, 8, 40, 60, 300, ZONE - 12, ZONE - 11),
        fc.nat(0xffff_ffff),
      ),
      counter: fc.nat(0xffff_ffff),
      reason: fc.constantFrom(1, 2, 3, 4, 9),
    })
    .map(({ layout, datalen, ...rest }) =>
      encodeDmesgHead(layout, { datalen, header: header(rest.tvSec, rest) }),
    ),
);

describe("whatever is in the zones", () => {
  test("after our record the kernel goes on behind it, with the next counter", () => {
    fc.assert(
      fc.property(
        fc.array(zoneHead, { minLength: 1, maxLength: 9 }),
        layouts,
        seconds,
        fc.constantFrom(1, 2),
        (heads, layout, wanted, reason) => {
          const image = partition(heads);
          const zones = candidates(image);
          const config = {
            kmsgSize: ZONE,
            headerBytes: layout.headerBytes,
            little: layout.byteOrder === "little",
          };
          const before = kernelView(image, config);
          const { index, kernelNext, replaces } = chooseZone(zones, layout);
          expect(kernelNext).toBe(before.next);
          expect(replaces).toBe(zones.every(({ head }) => !isFree(head)));

          const isLast = countedHeaders(zones, layout).some((one) => one?.tvSec === LAST_SECOND);
          const make = () =>
            draftRecord(zones, index, layout, {
              text: Buffer.from("<0>[    0.0] end\n"),
              reason,
              time: { seconds: wanted, nanoseconds: 1 },
              compress: "auto",
            });
          if (isLast) {
            expect(make).toThrow(expect.objectContaining({ code: "PSTORE_TIME" }));
            return;
          }
          const draft = make();
          const firstSector = image.subarray(index * ZONE, index * ZONE + 512);
          const plan = planCommit({ ...draft, payload: draft.prepared.payload, firstSector });
          for (const { lba, bytes } of plan.steps.flat()) image.set(bytes, lba * 512);
          const after = kernelView(image, config);
          expect(after.next).toBe((index + 1) % zones.length);
          const counter = reason === 1 ? before.panicCounter : before.oopsCounter;
          expect(draft.header.counter).toBe((counter + 1) >>> 0);
          expect(draft.raisedFrom?.seconds ?? draft.header.tvSec).toBe(wanted);
        },
      ),
      { numRuns: 600 },
    );
  });
});
