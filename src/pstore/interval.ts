import type { SizeFinding } from "./types.js";

/** A number of bytes known to lie in [low, high]. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

export function exactly(value: number): Interval {
  return { low: value, high: value };
}

/** Undefined if they have nothing in common. */
export function intersect(a: Interval, b: Interval): Interval | undefined {
  const low = Math.max(a.low, b.low);
  const high = Math.min(a.high, b.high);
  return low <= high ? { low, high } : undefined;
}

export function isExact(interval: Interval): boolean {
  return interval.low === interval.high;
}

/** What may lie between two places. */
export function distance(from: Interval, to: Interval): Interval {
  return { low: Math.max(0, to.low - from.high), high: Math.max(0, to.high - from.low) };
}

export function finding(size: Interval | undefined): SizeFinding {
  if (size === undefined) return { proof: "unknown", bytes: 0 };
  if (isExact(size)) return { proof: "proved", bytes: size.low };
  return size.low > 0 ? { proof: "lower-bound", bytes: size.low } : { proof: "unknown", bytes: 0 };
}

export function greatestCommonDivisor(values: readonly number[]): number {
  return values.reduce((a, b) => {
    let [x, y] = [a, b];
    while (y !== 0) [x, y] = [y, x % y];
    return x;
  }, 0);
}
