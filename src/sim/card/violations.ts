/** Something that a correct host does not do. */
export interface Violation {
  readonly rule:
    | "clock"
    | "identification-clock"
    | "command-while-busy"
    | "command-while-answering"
    | "mosi-while-answering"
    | "junk"
    | "nrc";
  readonly atByte: number;
  readonly what: string;
}

const KEPT = 100;

/** The first hundred are kept: a host that is wrong is wrong all the time. */
export class ViolationLog {
  readonly all: Violation[] = [];

  add(rule: Violation["rule"], atByte: number, what: string): void {
    if (this.all.length < KEPT) this.all.push({ rule, atByte, what });
  }
}
