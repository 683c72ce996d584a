/** What has passed between host and chip since the model was made. */
export interface Mcp2210Counts {
  /** Output reports submitted: the index of the next one. */
  readonly outReports: number;
  /** Input reports that the host got. */
  readonly inReports: number;
  /** 42 that the chip took, with data or without. */
  readonly transfers: number;
  /** 42 without data, F8 aside. */
  readonly polls: number;
  /** Answers F8. */
  readonly busyAnswers: number;
  /** SPI transactions begun. */
  readonly transactions: number;
  /** Bytes on the SPI wires. */
  readonly spiBytes: number;
  /** 40: settings of the SPI engine written. */
  readonly settingsWrites: number;
  /** 30: levels of pins written. */
  readonly pinWrites: number;
}

/** Counts that the parts of the model add to. */
export class Mcp2210Counters {
  readonly #counts: { -readonly [Name in keyof Mcp2210Counts]: number } = {
    outReports: 0,
    inReports: 0,
    transfers: 0,
    polls: 0,
    busyAnswers: 0,
    transactions: 0,
    spiBytes: 0,
    settingsWrites: 0,
    pinWrites: 0,
  };

  /** Returns the count before. */
  add(name: keyof Mcp2210Counts, count = 1): number {
    const before = this.#counts[name];
    this.#counts[name] = before + count;
    return before;
  }

  get counts(): Mcp2210Counts {
    return { ...this.#counts };
  }
}
