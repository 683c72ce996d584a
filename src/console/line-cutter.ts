const NEWLINE = 0x0a;
const RETURN = 0x0d;
/** Nothing that a kernel prints in one line is longer (LOG_LINE_MAX is 1024); noise may be. */
const MAX_LINE_BYTES = 4096;

/** Cuts a console's bytes into lines that end in `\n` alone: a serial console sends `\r\n`. */
export class LineCutter {
  #rest = new Uint8Array(0);

  /** Complete lines, each with its `\n`. The bytes are copied. */
  push(bytes: Uint8Array): Uint8Array[] {
    const lines: Uint8Array[] = [];
    let from = 0;
    for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, from)) {
      lines.push(this.#line(bytes.subarray(from, at)));
      from = at + 1;
    }
    this.#keep(bytes.subarray(from), lines);
    return lines;
  }

  /** The line that has not ended, if any is there. */
  flush(): Uint8Array[] {
    return this.#rest.length === 0 ? [] : [this.#line(new Uint8Array(0))];
  }

  #keep(tail: Uint8Array, lines: Uint8Array[]): void {
    this.#rest = join(this.#rest, tail);
    if (this.#rest.length >= MAX_LINE_BYTES) lines.push(this.#line(new Uint8Array(0)));
  }

  #line(end: Uint8Array): Uint8Array {
    const whole = join(this.#rest, end);
    this.#rest = new Uint8Array(0);
    let length = whole.length;
    while (length > 0 && whole[length - 1] === RETURN) length--;
    const line = new Uint8Array(length + 1);
    line.set(whole.subarray(0, length));
    line[length] = NEWLINE;
    return line;
  }
}

function join(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
