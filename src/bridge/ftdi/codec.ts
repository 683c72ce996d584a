/**
 * MPSSE scripts for SPI mode 0, MSB first: the bytes out and the number of bytes that come back, from one value. Pure.
 *
 * Sources: FTDI AN_108 (opcodes) and AN_135 (set-up), libmpsse, OpenOCD; reference bridges.md 1.5 and 1.6.
 */
import type { CsPin } from "../../spi/cs-trail.js";
import type { BusOp } from "../../spi/plan.js";
import { concatBytes } from "../../util/bytes.js";
import { UsageError } from "../../util/errors.js";

/** Opcodes used; bit fields below 0x80. */
export const MPSSE = {
  /** DO changes on the falling edge, nothing comes back. */
  writeBytes: 0x11,
  /** DI is sampled on the rising edge; DO keeps its level. */
  readBytes: 0x20,
  exchangeBytes: 0x31,
  setLowPins: 0x80,
  readLowPins: 0x81,
  setHighPins: 0x82,
  loopbackOn: 0x84,
  loopbackOff: 0x85,
  divisor: 0x86,
  sendImmediate: 0x87,
  divideBy5Off: 0x8a,
  threePhaseOff: 0x8d,
  clockBytes: 0x8f,
  adaptiveOff: 0x97,
  clockUntilHigh: 0x9c,
  badA: 0xaa,
  badB: 0xab,
} as const;

/** First byte of the answer to an opcode that does not exist. */
const BAD_OPCODE = 0xfa;

/** SK, DO and CS are outputs. */
const DIRECTION = 0x0b;
/** SK low, DO high: an SD card takes a low MOSI for data. */
const CS_HIGH = 0x0a;
const CS_LOW = 0x02;
/** Bit of CS in what {@link MPSSE.readLowPins} gives. */
export const CS_PIN = 0x08;

/** A shift counts its bytes in 16 bits. */
const MAX_OP_BYTES = 65536;
/** One less where an answer comes: Wireshark's dissector counts answers in 16 bits too, and fails at 65536. */
const MAX_ANSWERED_BYTES = 65535;

const BASE_HZ = 60e6;
const MAX_DIVISOR = 0xffff;

/** Bounds of the clock, after 8A. */
export const MAX_FREQUENCY_HZ: number = BASE_HZ / 2;
export const MIN_FREQUENCY_HZ: number = BASE_HZ / (2 * (1 + MAX_DIVISOR));

/** Bytes for the chip, and how many it answers with. */
export interface MpsseScript {
  readonly bytes: Uint8Array;
  readonly replyBytes: number;
}

/** A script made of bus operations. */
export interface MpsseStep extends MpsseScript {
  /** Levels of CS in the order in which the script sets them; the last one stays. */
  readonly csLevels: readonly CsPin[];
}

/** SCK = 60 MHz / (2 * (1 + divisor)). */
export interface ClockSetting {
  readonly divisor: number;
  /** What the divisor really gives. */
  readonly frequencyHz: number;
}

/** A clock that the chip has is no whole number of Hz: asked for again, it must be the same one. */
const ROUNDING = 1e-9;

/**
 * The divisor for `frequencyHz`, rounding the clock down.
 * @throws UsageError below 458 Hz or if it is no number
 */
export function clockSetting(frequencyHz: number): ClockSetting {
  const divisor = Math.max(0, Math.ceil(BASE_HZ / (2 * frequencyHz) - ROUNDING) - 1);
  if (frequencyHz > 0 && divisor <= MAX_DIVISOR) {
    return { divisor, frequencyHz: BASE_HZ / (2 * (1 + divisor)) };
  }
  throw new UsageError(`an FTDI chip cannot clock at ${frequencyHz} Hz`, {
    details: { frequencyHz },
    hint: `choose ${Math.ceil(MIN_FREQUENCY_HZ)} Hz to ${MAX_FREQUENCY_HZ / 1e6} MHz`,
  });
}

/** `80`: the pins idle, with CS at `cs`. */
export function encodePins(cs: CsPin): readonly number[] {
  return [MPSSE.setLowPins, cs === "high" ? CS_HIGH : CS_LOW, DIRECTION];
}

/** `86`. */
export function encodeDivisor(divisor: number): Uint8Array {
  return Uint8Array.of(MPSSE.divisor, divisor & 0xff, divisor >> 8);
}

/**
 * What follows a sync: 60 MHz base, adaptive clocking, three-phase data and loopback off, the divisor, and the pins last,
 * so that the clock does not change while CS is low.
 */
export function encodeSetUp(divisor: number, cs: CsPin): Uint8Array {
  return Uint8Array.of(
    MPSSE.divideBy5Off,
    MPSSE.adaptiveOff,
    MPSSE.threePhaseOff,
    MPSSE.loopbackOff,
    ...encodeDivisor(divisor),
    MPSSE.setHighPins,
    0,
    0,
    ...encodePins(cs),
  );
}

/** A bad opcode to be answered by `FA opcode`, wherever that turns up in the stream. */
export function encodeSyncProbe(opcode: number): MpsseScript & { readonly answer: Uint8Array } {
  return {
    bytes: Uint8Array.of(opcode, MPSSE.sendImmediate),
    replyBytes: 2,
    answer: Uint8Array.of(BAD_OPCODE, opcode),
  };
}

/** Puts CS to `cs` and reads the low pins: once the byte is back, all before it has been executed. */
export function encodePinsAndRead(cs: CsPin): MpsseScript {
  return {
    bytes: Uint8Array.of(...encodePins(cs), MPSSE.readLowPins, MPSSE.sendImmediate),
    replyBytes: 1,
  };
}

/** `data` through the chip's own loopback; it must come back as it is. CS must be high: DO and SK move. */
export function encodeLoopback(data: Uint8Array): MpsseScript {
  const writer = new ScriptWriter();
  writer.byte(MPSSE.loopbackOn);
  writer.shift(MPSSE.exchangeBytes, data);
  writer.byte(MPSSE.loopbackOff);
  writer.put(encodePins("high"));
  writer.byte(MPSSE.sendImmediate);
  return { bytes: writer.finish(), replyBytes: data.length };
}

/**
 * The script of one planner step.
 *
 * DO is high before and after it: a shift leaves DO at its last bit, so the pins are set again before anything is
 * clocked without data. Whoever expects an answer gets it at once (87).
 *
 * @param cs where CS is before the step
 */
export function encodeStep(ops: readonly BusOp[], cs: CsPin): MpsseStep {
  const encoder = new StepEncoder(cs);
  for (const op of ops) encoder.add(op);
  return encoder.finish();
}

class StepEncoder {
  readonly #writer = new ScriptWriter();
  readonly #csLevels: CsPin[] = [];
  #cs: CsPin;
  /** A shift may have left DO low. */
  #moved = false;
  #replyBytes = 0;

  constructor(cs: CsPin) {
    this.#cs = cs;
  }

  add(op: BusOp): void {
    switch (op.kind) {
      case "cs":
        this.#cs = op.level;
        this.#csLevels.push(op.level);
        this.#setPins();
        return;
      case "write":
        this.#shiftOut(MPSSE.writeBytes, op.data);
        return;
      case "exchange":
        this.#shiftOut(MPSSE.exchangeBytes, op.data);
        this.#replyBytes += op.data.length;
        return;
      case "read":
        this.#clock(MPSSE.readBytes, op.length);
        this.#replyBytes += op.length;
        return;
      case "idle":
        this.#clock(MPSSE.clockBytes, op.bytes);
        return;
      case "waitReady":
        this.#clock(MPSSE.clockUntilHigh, Math.min(op.maxBytes, MAX_OP_BYTES));
        return;
    }
  }

  finish(): MpsseStep {
    this.#restoreDataOut();
    if (this.#replyBytes > 0) this.#writer.byte(MPSSE.sendImmediate);
    return {
      bytes: this.#writer.finish(),
      replyBytes: this.#replyBytes,
      csLevels: this.#csLevels,
    };
  }

  #setPins(): void {
    this.#writer.put(encodePins(this.#cs));
    this.#moved = false;
  }

  #restoreDataOut(): void {
    if (this.#moved) this.#setPins();
  }

  #shiftOut(opcode: number, data: Uint8Array): void {
    if (data.length === 0) return;
    this.#writer.shift(opcode, data);
    this.#moved = true;
  }

  #clock(opcode: number, length: number): void {
    if (length === 0) return;
    this.#restoreDataOut();
    this.#writer.counted(opcode, length);
  }
}

/** Collects opcodes and payload without copying payload more than once. */
class ScriptWriter {
  readonly #parts: Uint8Array[] = [];
  #plain: number[] = [];

  byte(value: number): void {
    this.#plain.push(value);
  }

  put(values: readonly number[]): void {
    this.#plain.push(...values);
  }

  /** A command whose only argument is a number of bytes. */
  counted(opcode: number, length: number): void {
    const most = mostBytesOf(opcode);
    for (let left = length; left > 0; left -= most) {
      this.#head(opcode, Math.min(left, most));
    }
  }

  /** A command with payload. */
  shift(opcode: number, data: Uint8Array): void {
    const most = mostBytesOf(opcode);
    for (let from = 0; from < data.length; from += most) {
      const part = data.subarray(from, from + most);
      this.#head(opcode, part.length);
      this.#closePlain();
      this.#parts.push(part);
    }
  }

  finish(): Uint8Array {
    this.#closePlain();
    return concatBytes(this.#parts);
  }

  #head(opcode: number, length: number): void {
    this.#plain.push(opcode, (length - 1) & 0xff, (length - 1) >> 8);
  }

  #closePlain(): void {
    if (this.#plain.length > 0) this.#parts.push(Uint8Array.from(this.#plain));
    this.#plain = [];
  }
}

function mostBytesOf(opcode: number): number {
  const isAnswered = opcode === MPSSE.readBytes || opcode === MPSSE.exchangeBytes;
  return isAnswered ? MAX_ANSWERED_BYTES : MAX_OP_BYTES;
}
