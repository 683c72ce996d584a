/** A level that CS can be put to. */
export type CsPin = "high" | "low";

/** Which levels CS may have: the last one known, and those of scripts that may or may not have been executed. */
export class CsTrail {
  /** Never empty; the oldest is known to have been reached. */
  #levels: CsPin[] = ["high"];
  /** Levels dropped so far: positions do not move. */
  #dropped = 0;

  /** Where CS is once all that was sent has been executed. */
  get last(): CsPin {
    return this.#levels.at(-1) ?? "high";
  }

  /** The level, if all that may apply agree. */
  get certain(): CsPin | undefined {
    return this.#levels.every((level) => level === this.last) ? this.last : undefined;
  }

  /** A script with these levels is on its way; returns its mark for {@link reached}. */
  sent(levels: readonly CsPin[]): number {
    this.#levels.push(...levels);
    return this.#dropped + this.#levels.length - 1;
  }

  /** The script with this mark has been executed. */
  reached(mark: number): void {
    const count = mark - this.#dropped;
    if (count <= 0) return;
    this.#levels.splice(0, count);
    this.#dropped += count;
  }

  /** CS was put to `level`, whatever was before. */
  set(level: CsPin): void {
    this.reached(this.sent([level]));
  }
}
