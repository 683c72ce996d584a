/** What the kernel puts in front of every dump (fs/pstore/platform.c, pstore_dump), for any reason, number and part. */
const DUMP_LINE = /^[A-Z][A-Za-z]*#\d{1,10} Part\d{1,10}(\r?\n|$)/;
const DUMP_LINE_MAX_BYTES = 64;
const NEWLINE = 0x0a;

/** A log as a dump: its first line, which is always kept, and the lines behind it. */
export interface Dump {
  /** `Panic#1 Part1\n` */
  readonly dumpLine: Uint8Array;
  readonly addedDumpLine: boolean;
  readonly body: Uint8Array;
  /** Where the lines of `body` begin. */
  readonly lines: readonly number[];
}

/** Takes a log apart; the dump's first line is made if it has none. A last line without newline stays without. */
export function splitDump(text: Uint8Array, reason: string, sequence: number): Dump {
  const front = Buffer.from(text.subarray(0, DUMP_LINE_MAX_BYTES)).toString("latin1");
  const found = DUMP_LINE.exec(front)?.[0].length ?? 0;
  const body = text.subarray(found);
  return {
    dumpLine:
      found > 0
        ? text.subarray(0, found)
        : new Uint8Array(Buffer.from(`${reason}#${sequence} Part1\n`)),
    addedDumpLine: found === 0,
    body,
    lines: lineStarts(body),
  };
}

function lineStarts(body: Uint8Array): number[] {
  const starts: number[] = [];
  for (let at = 0; at < body.length; ) {
    starts.push(at);
    const newline = body.indexOf(NEWLINE, at);
    at = newline < 0 ? body.length : newline + 1;
  }
  return starts;
}

/** Bytes of the dump without the lines before line `first`. */
export function storedBytes(dump: Dump, first: number): number {
  return dump.dumpLine.length + dump.body.length - (dump.lines[first] ?? 0);
}

/** The dump without the lines before line `first`, in two parts. */
export function storedText(dump: Dump, first: number): readonly [Uint8Array, Uint8Array] {
  return [dump.dumpLine, dump.body.subarray(dump.lines[first] ?? 0)];
}
