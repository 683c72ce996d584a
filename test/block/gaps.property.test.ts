import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { placePartition, type Run } from "../../src/block/gaps.js";
import { nextNumber } from "../../src/block/next-number.js";

const run: fc.Arbitrary<Run> = fc
  .tuple(fc.nat(120), fc.integer({ min: 1, max: 40 }))
  .map(([start, length]) => ({ start, end: start + length }));

/** Every aligned start at which the blocks are free, found by trying all. */
function allStarts(area: Run, used: readonly Run[], count: number, align: number): number[] {
  const starts: number[] = [];
  for (let start = 0; start + count <= area.end; start += align) {
    const free = used.every((other) => other.end <= start || other.start >= start + count);
    if (start >= area.start && free) starts.push(start);
  }
  return starts;
}

describe("a place for a partition", () => {
  test("is free, aligned and in the area; and none is said only if there is none", () => {
    fc.assert(
      fc.property(
        run,
        fc.array(run, { maxLength: 6 }),
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 1, max: 16 }),
        (area, used, count, align) => {
          const starts = allStarts(area, used, count, align);
          const place = placePartition(area, used, count, align);
          if ("startLba" in place) expect(starts).toContain(place.startLba);
          else {
            expect(starts).toEqual([]);
            expect(place.largest).toBeLessThan(count);
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  test("behind a partition before in front of all; the smaller gap before the larger", () => {
    const used = [
      { start: 40, end: 50 },
      { start: 60, end: 70 },
    ];
    const area = { start: 0, end: 200 };
    expect(placePartition(area, used, 5, 1)).toEqual({ startLba: 50, leading: false });
    expect(placePartition(area, used, 20, 1)).toEqual({ startLba: 70, leading: false });
    expect(placePartition({ start: 0, end: 70 }, used, 20, 1)).toEqual({
      startLba: 0,
      leading: true,
    });
    expect(placePartition(area, used, 131, 1)).toEqual({ largest: 130 });
  });
});

describe("the number of a partition", () => {
  test.each([
    [[], 4, 1],
    [[1, 3], 4, 4],
    [[1, 4], 4, 2],
    [[4], 4, 1],
    [[1, 2, 3, 4], 4, undefined],
  ])("behind %j of %d: %s", (used, count, number) => {
    expect(nextNumber(used, count)).toBe(number);
  });
});
