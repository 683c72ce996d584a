/** The newest lines of a log, bounded by their bytes. */
export class LogRing {
  readonly #maxBytes: number;
  #lines: Uint8Array[] = [];
  /** Lines before this index are dropped; cut off now and then. */
  #first = 0;
  #bytes = 0;

  /** @param maxBytes of all lines with their ends */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** A line with its `\n`. A single one that is longer than everything is kept by its end. */
  add(line: Uint8Array): void {
    const kept = line.length > this.#maxBytes ? line.slice(-this.#maxBytes) : line;
    this.#lines.push(kept);
    this.#bytes += kept.length;
    while (this.#bytes > this.#maxBytes) {
      this.#bytes -= this.#lines[this.#first]?.length ?? 0;
      this.#first++;
    }
    if (this.#first > this.#lines.length / 2) {
      this.#lines = this.#lines.slice(this.#first);
      this.#first = 0;
    }
  }

  clear(): void {
    this.#lines = [];
    this.#first = 0;
    this.#bytes = 0;
  }

  /** All of it, as one text. */
  text(): Uint8Array {
    const text = new Uint8Array(this.#bytes);
    let at = 0;
    for (const line of this.#lines.slice(this.#first)) {
      text.set(line, at);
      at += line.length;
    }
    return text;
  }
}
