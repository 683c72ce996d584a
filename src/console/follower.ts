import { LineCutter } from "./line-cutter.js";
import { LogRing } from "./log-ring.js";
import { BOOT_PATTERN, END_PATTERNS, type ReportKind, START_PATTERNS, textOf } from "./patterns.js";

export interface FollowerOptions {
  /** Bytes of the log that are kept. */
  readonly maxBytes: number;
}

/** Why a report is taken as complete. */
export type ReportEnd =
  /** The kernel said so. */
  | "end marker"
  /** Nothing more came. */
  | "quiet"
  /** The console never became quiet. */
  | "overdue"
  /** More came than is kept: the report's first line would have been dropped next. */
  | "full"
  /** A kernel starts. */
  | "boot"
  | "end of input";

/** Something that a console showed. */
export type ConsoleEvent =
  /** A report begins with this line. */
  | { readonly kind: "start"; readonly report: ReportKind; readonly line: string }
  /** It is complete: the log up to here. */
  | {
      readonly kind: "report";
      readonly report: ReportKind;
      /** First line of the report. */
      readonly line: string;
      readonly text: Uint8Array;
      readonly ended: ReportEnd;
    }
  /** A kernel starts: the log begins anew. */
  | { readonly kind: "boot"; readonly line: string };

interface OpenReport {
  readonly kind: ReportKind;
  readonly line: string;
  /** Of its lines so far. */
  readonly bytes: number;
}

/**
 * Follows a kernel's console: keeps the newest of its log and says when an oops or a panic is complete. Pure: it is told
 * bytes, and when a quiet period is over. Lines are kept as they come, without their `\r`.
 *
 * Its events are made one by one, as they are asked for: a report's text is not held longer than its reader needs it.
 */
export class ConsoleFollower {
  readonly #cutter = new LineCutter();
  readonly #ring: LogRing;
  readonly #maxBytes: number;
  #report: OpenReport | undefined;
  #lines = 0;
  #begun = 0;

  constructor({ maxBytes }: FollowerOptions) {
    this.#maxBytes = maxBytes;
    this.#ring = new LogRing(maxBytes);
  }

  /** Lines taken. */
  get lines(): number {
    return this.#lines;
  }

  /** Bytes of the log that are held. */
  get heldBytes(): number {
    return this.#ring.bytes;
  }

  /** The running number, from 1, of the report that has begun and not ended: a quiet period ends it. */
  get openReport(): number | undefined {
    return this.#report === undefined ? undefined : this.#begun;
  }

  /** What a piece of the console shows, up to its end. `bytes` must stay as it is until then. */
  *push(bytes: Uint8Array): Generator<ConsoleEvent> {
    for (const line of this.#cutter.push(bytes)) yield* this.#take(line);
  }

  /** Nothing came for as long as the user said. */
  *quiet(): Generator<ConsoleEvent> {
    yield* this.#rest();
    yield* this.#finish("quiet");
  }

  /** The open report has waited long enough for its end. */
  overdue(): Iterable<ConsoleEvent> {
    return this.#finish("overdue");
  }

  /** The console is closed. */
  *end(): Generator<ConsoleEvent> {
    yield* this.#rest();
    yield* this.#finish("end of input");
  }

  *#rest(): Generator<ConsoleEvent> {
    const line = this.#cutter.flush();
    if (line !== undefined) yield* this.#take(line);
  }

  *#take(bytes: Uint8Array): Generator<ConsoleEvent> {
    this.#lines++;
    const line = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length - 1).toString();
    const text = textOf(line);
    if (BOOT_PATTERN.test(text)) yield* this.#boot(line);
    if (this.#report !== undefined) {
      const withThis = this.#report.bytes + bytes.length;
      if (withThis > this.#maxBytes) yield* this.#finish("full");
      else this.#report = { ...this.#report, bytes: withThis };
    }
    this.#ring.add(bytes);
    yield* this.#begin(line, text, bytes.length);
    if (this.#isEnd(text)) yield* this.#finish("end marker");
  }

  *#boot(line: string): Generator<ConsoleEvent> {
    yield* this.#finish("boot");
    this.#ring.clear();
    yield { kind: "boot", line };
  }

  /** A panic that comes of an oops is the same report, and the worse one counts. */
  #begin(line: string, text: string, bytes: number): ConsoleEvent[] {
    const found = START_PATTERNS.find(({ pattern }) => pattern.test(text));
    if (found === undefined) return [];
    const { kind } = found;
    const open = this.#report;
    if (open === undefined) {
      this.#begun++;
      this.#report = { kind, line, bytes };
    } else if (open.kind === "oops" && kind === "panic") this.#report = { ...open, kind };
    else return [];
    return [{ kind: "start", report: kind, line }];
  }

  #isEnd(text: string): boolean {
    const { kind } = this.#report ?? {};
    return END_PATTERNS.some((end) => end.kind === kind && end.pattern.test(text));
  }

  #finish(ended: ReportEnd): ConsoleEvent[] {
    const report = this.#report;
    if (report === undefined) return [];
    this.#report = undefined;
    const { kind, line } = report;
    return [{ kind: "report", report: kind, line, text: this.#ring.text(), ended }];
  }
}
