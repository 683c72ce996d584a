const WINDOW = 16;

/**
 * How many bytes something the card does will take, learned from the last 16 times: the number that would have
 * been cheapest in hindsight. Too many costs their clocks, too few costs a round trip and a poll.
 * No time and no randomness: the same observations give the same estimate.
 */
export class ByteEstimate {
  readonly #seen: number[] = [];
  readonly #initial: number;
  readonly #max: number;
  #at = 0;

  /** @param initial the estimate before anything was seen; @param max no estimate is larger */
  constructor(initial: number, max: number) {
    this.#initial = initial;
    this.#max = max;
  }

  observe(bytes: number): void {
    this.#seen[this.#at] = bytes;
    this.#at = (this.#at + 1) % WINDOW;
  }

  /** @param roundTripBytes the clocks that fit into a round trip */
  best(roundTripBytes: number): number {
    let best = this.#initial;
    let lowest = Number.POSITIVE_INFINITY;
    for (const candidate of this.#seen) {
      const cost = this.#cost(candidate, roundTripBytes);
      if (candidate > this.#max || cost >= lowest) continue;
      lowest = cost;
      best = candidate;
    }
    return best;
  }

  #cost(estimate: number, roundTripBytes: number): number {
    let cost = 0;
    for (const bytes of this.#seen) {
      cost += estimate;
      if (bytes > estimate) cost += roundTripBytes + Math.max(roundTripBytes, bytes - estimate);
    }
    return cost;
  }
}
