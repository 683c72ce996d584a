/** Something that a correct host does not do. */
export interface Violation {
  readonly rule: ViolationRule;
  /** Bytes clocked until then. */
  readonly atByte: number;
  readonly what: string;
}

export type ViolationRule =
  /** Clocked faster than the card allows. */
  | "clock"
  /** Faster than 400 kHz before the card is ready. */
  | "identification-clock"
  /** CMD0 before the card had its start-up clocks. */
  | "start-up"
  /** Something else than FF while the card is busy. */
  | "command-while-busy"
  /** A command while an answer or a block goes out (but CMD12). */
  | "command-while-answering"
  /** Something else than FF while the card drives MISO. */
  | "mosi-while-answering"
  /** Neither FF, nor a command, nor a token that is awaited. */
  | "junk"
  /** A command without a byte of FF behind the response before it. */
  | "nrc"
  /** A data token without a byte of FF behind the response. */
  | "nwr"
  /** A CRC7 or CRC16 that is wrong where the card does not check it. */
  | "unchecked-crc"
  /** CS rose inside a command, an answer or a block. */
  | "cs-rise"
  /** CS fell without 8 clocks since it rose. */
  | "cs-high-clocks"
  /** Another command than CMD0 between two ACMD41 or CMD1. */
  | "initialisation"
  /** An argument with reserved bits set. */
  | "argument"
  /** A further block after one that the card refused. */
  | "block-after-error";

const KEPT = 100;

/** The first hundred are kept: a host that is wrong is wrong all the time. */
export class ViolationLog {
  readonly all: Violation[] = [];

  add(rule: ViolationRule, atByte: number, what: string): void {
    if (this.all.length < KEPT) this.all.push({ rule, atByte, what });
  }

  /** Back to what {@link ViolationLog.all} held. */
  restore(violations: readonly Violation[]): void {
    this.all.splice(0, this.all.length, ...violations);
  }
}
