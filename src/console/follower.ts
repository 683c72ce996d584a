import { LineCutter } from "./line-cutter.js";
import { LogRing } from "./log-ring.js";
import { BOOT_PATTERN, END_PATTERNS, type ReportKind, START_PATTERNS, textOf } from "./patterns.js";

export interface FollowerOptions {
  /** Bytes of the log that are kept. */
  readonly maxBytes: number;
}

/** Something that a console showed. */
export type ConsoleEvent =
  /** A report begins with this line. */
  | { readonly kind: "start"; readonly report: ReportKind; readonly line: string }
  /** It is complete, or nothing more came of it: the log up to here. */
  | {
      readonly kind: "report";
      readonly report: ReportKind;
      /** First line of the report. */
      readonly line: string;
      readonly text: Uint8Array;
      readonly ended: "end marker" | "quiet" | "boot" | "end of input";
    }
  /** A kernel starts: the log begins anew. */
  | { readonly kind: "boot"; readonly line: string };

/**
 * Follows a kernel's console: keeps the newest of its log and says when an oops or a panic is complete. Pure: it is told
 * bytes, and when a quiet period is over. Lines are kept as they come, without their `\r`.
 */
export class ConsoleFollower {
  readonly #cutter = new LineCutter();
  readonly #ring: LogRing;
  #report: { readonly kind: ReportKind; readonly line: string } | undefined;
  /** Lines taken. */
  lines = 0;

  constructor({ maxBytes }: FollowerOptions) {
    this.#ring = new LogRing(maxBytes);
  }

  /** A report has begun and not ended: a quiet period ends it. */
  get inReport(): boolean {
    return this.#report !== undefined;
  }

  push(bytes: Uint8Array): ConsoleEvent[] {
    return this.#cutter.push(bytes).flatMap((line) => this.#take(line));
  }

  /** Nothing came for as long as the user said. */
  quiet(): ConsoleEvent[] {
    return [...this.#rest(), ...this.#finish("quiet")];
  }

  /** The console is closed. */
  end(): ConsoleEvent[] {
    return [...this.#rest(), ...this.#finish("end of input")];
  }

  #rest(): ConsoleEvent[] {
    return this.#cutter.flush().flatMap((line) => this.#take(line));
  }

  #take(bytes: Uint8Array): ConsoleEvent[] {
    this.lines++;
    const line = Buffer.from(bytes.subarray(0, -1)).toString("latin1");
    const text = textOf(line);
    const before = BOOT_PATTERN.test(text) ? this.#boot(line) : [];
    this.#ring.add(bytes);
    return [...before, ...this.#begin(line, text), ...this.#endAt(text)];
  }

  #boot(line: string): ConsoleEvent[] {
    const events = this.#finish("boot");
    this.#ring.clear();
    return [...events, { kind: "boot", line }];
  }

  /** A panic that comes of an oops is the same report, and the worse one counts. */
  #begin(line: string, text: string): ConsoleEvent[] {
    const found = START_PATTERNS.find(({ pattern }) => pattern.test(text));
    if (found === undefined) return [];
    const { kind } = found;
    const isWorse = this.#report?.kind === "oops" && kind === "panic";
    if (this.#report !== undefined && !isWorse) return [];
    this.#report = { kind, line: this.#report?.line ?? line };
    return [{ kind: "start", report: kind, line }];
  }

  #endAt(text: string): ConsoleEvent[] {
    const { kind } = this.#report ?? {};
    const isEnd = END_PATTERNS.some((end) => end.kind === kind && end.pattern.test(text));
    return isEnd ? this.#finish("end marker") : [];
  }

  #finish(ended: Extract<ConsoleEvent, { kind: "report" }>["ended"]): ConsoleEvent[] {
    const report = this.#report;
    if (report === undefined) return [];
    this.#report = undefined;
    const { kind, line } = report;
    return [{ kind: "report", report: kind, line, text: this.#ring.text(), ended }];
  }
}
