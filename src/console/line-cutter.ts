const NEWLINE = 0x0a;
const RETURN = 0x0d;
/** Nothing that a kernel prints in one line is longer (LOG_LINE_MAX is 1024); noise may be. */
export const MAX_LINE_BYTES = 4096;

/**
 * Cuts a console's bytes into lines that end in `\n` alone: a serial console sends `\r\n`. A line that is longer than
 * {@link MAX_LINE_BYTES} is cut there. In which pieces the bytes come makes no difference.
 */
export class LineCutter {
  /** The line that has not ended: its first `#length` bytes. */
  readonly #rest = new Uint8Array(MAX_LINE_BYTES);
  #length = 0;

  /** Complete lines, each with its `\n`, copied. Lazy: `bytes` must stay as it is until the last line is taken. */
  *push(bytes: Uint8Array): Generator<Uint8Array> {
    for (let from = 0; from < bytes.length; ) {
      if (this.#length === MAX_LINE_BYTES && bytes[from] !== NEWLINE) yield this.#line();
      const newline = bytes.indexOf(NEWLINE, from);
      const end = newline < 0 ? bytes.length : newline;
      const to = Math.min(end, from + MAX_LINE_BYTES - this.#length);
      this.#rest.set(bytes.subarray(from, to), this.#length);
      this.#length += to - from;
      from = to;
      if (to !== newline) continue;
      from++;
      yield this.#line();
    }
  }

  /** The line that has not ended, if any is there. */
  flush(): Uint8Array | undefined {
    return this.#length === 0 ? undefined : this.#line();
  }

  #line(): Uint8Array {
    let from = 0;
    let to = this.#length;
    while (to > from && this.#rest[to - 1] === RETURN) to--;
    while (from < to && this.#rest[from] === RETURN) from++;
    this.#length = 0;
    const line = new Uint8Array(to - from + 1);
    line.set(this.#rest.subarray(from, to));
    line[to - from] = NEWLINE;
    return line;
  }
}
