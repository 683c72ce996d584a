import { roundUp } from "../util/bytes.js";

/** Blocks `start` to before `end`. */
export interface Run {
  readonly start: number;
  readonly end: number;
}

/** A place for a new partition. */
export interface Placement {
  readonly startLba: number;
  /** No partition lies before it: a board may keep its boot loader there, outside of any. */
  readonly leading: boolean;
}

/** No gap is large enough. */
export interface NoPlace {
  /** Blocks of the largest aligned gap; 0 if there is none. */
  readonly largest: number;
}

/**
 * The smallest aligned gap between `used` that holds `blockCount` blocks, so that large gaps stay whole; the gap before the first partition is
 * the last choice. All in blocks; `used` may overlap and lie outside of `area`.
 */
export function placePartition(
  area: Run,
  used: readonly Run[],
  blockCount: number,
  alignBlocks: number,
): Placement | NoPlace {
  const gaps = gapsOf(area, used)
    .map(({ start, end, leading }) => ({ start: roundUp(start, alignBlocks), end, leading }))
    .filter(({ start, end }) => start < end)
    .toSorted(
      (a, b) => Number(a.leading) - Number(b.leading) || a.end - a.start - (b.end - b.start),
    );
  const best = gaps.find(({ start, end }) => end - start >= blockCount);
  if (best !== undefined) return { startLba: best.start, leading: best.leading };
  return { largest: Math.max(0, ...gaps.map(({ start, end }) => end - start)) };
}

function gapsOf(area: Run, used: readonly Run[]): (Run & { readonly leading: boolean })[] {
  const gaps: (Run & { readonly leading: boolean })[] = [];
  let at = area.start;
  let leading = true;
  for (const { start, end } of used.toSorted((a, b) => a.start - b.start)) {
    if (start > at) gaps.push({ start: at, end: Math.min(start, area.end), leading });
    at = Math.max(at, end);
    leading = false;
  }
  if (area.end > at) gaps.push({ start: at, end: area.end, leading });
  return gaps.filter((gap) => gap.end > gap.start);
}
