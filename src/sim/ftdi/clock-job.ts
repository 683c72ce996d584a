import type { MpsseShift, MpsseWait } from "../../bridge/ftdi/decoder.js";

/** A shift, or clocks without data, under way: plain data, so that it can be saved. */
export interface ClockJob {
  readonly kind: "clock";
  readonly write: boolean;
  readonly read: boolean;
  readonly lsbFirst: boolean;
  /** Goes to the pins at all: a TMS shift is not modelled there. */
  readonly drives: boolean;
  bytesLeft: number;
  bitsLeft: number;
}

/** Clocking or polling until GPIOL1 has a level. */
export interface WaitJob {
  readonly kind: "wait";
  readonly level: "high" | "low";
  /** False: 88 and 89, which only look. */
  readonly clocking: boolean;
  /** Infinity where the opcode has no bound. */
  bitsLeft: number;
  /** How long it has gone on, which sets how finely it is looked at. */
  waitedUs: number;
}

/** Bytes for the host that wait for room in the FIFO. */
export interface ReplyJob {
  readonly kind: "reply";
  readonly bytes: readonly number[];
}

export type Job = ClockJob | WaitJob | ReplyJob;

const BYTE_BITS = 8;

export function jobOfShift(shift: MpsseShift): ClockJob {
  const bits = shift.unit === "bits";
  return {
    kind: "clock",
    write: shift.write,
    read: shift.read,
    lsbFirst: shift.lsbFirst,
    drives: !shift.tms,
    bytesLeft: bits ? 0 : shift.length,
    bitsLeft: bits ? ((shift.length - 1) % BYTE_BITS) + 1 : 0,
  };
}

export function jobOfClocks(bits: number): ClockJob {
  return {
    kind: "clock",
    write: false,
    read: false,
    lsbFirst: false,
    drives: true,
    bytesLeft: Math.floor(bits / BYTE_BITS),
    bitsLeft: bits % BYTE_BITS,
  };
}

export function jobOfWait({ level, clocks }: MpsseWait): WaitJob {
  const bitsLeft = typeof clocks === "number" ? clocks : Infinity;
  return { kind: "wait", level, clocking: clocks !== "none", bitsLeft, waitedUs: 0 };
}

/** Bits of a byte in the other order. */
export function reversed(byte: number): number {
  let out = 0;
  for (let bit = 0; bit < BYTE_BITS; bit++) out |= ((byte >> bit) & 1) << (BYTE_BITS - 1 - bit);
  return out;
}

/** The same for each byte; a new array. */
export function reversedBytes(bytes: Uint8Array): Uint8Array {
  return bytes.map(reversed);
}
