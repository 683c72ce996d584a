import type { SpiDevice } from "../spi-device.js";

const SK = 0x01;
const DO = 0x02;
const DI = 0x04;
const CS = 0x08;
const GPIOL1 = 0x20;
const BYTE_BITS = 8;
/** Zeros for MOSI held low, as often as needed. */
const ZEROS: Uint8Array = new Uint8Array(4096);

export interface WireOptions {
  readonly spi: SpiDevice;
  readonly misoOnGpiol1: boolean;
  readonly doAfterWrite: "last-bit" | "gpio";
}

export interface WireState {
  readonly low: readonly [number, number];
  readonly high: readonly [number, number];
  readonly dataOut: boolean;
  readonly cs: "high" | "low";
  readonly phase: number;
  readonly mosiBits: number;
  readonly misoByte: number;
}

/** A run of clocks in model time. */
export interface ClockRun {
  readonly atUs: number;
  readonly usPerBit: number;
}

/**
 * The low and high pins of one channel, and the SPI device on AD0 to AD3. The device takes whole bytes; here they may be
 * cut into bits, counted from the last change of CS, as a card counts them.
 */
export class SpiWire {
  readonly #options: WireOptions;
  readonly #spi: SpiDevice;
  /** Value and direction (1 = output). */
  #low: readonly [number, number] = [0, 0];
  #high: readonly [number, number] = [0, 0];
  #dataOut = false;
  #cs: "high" | "low" = "high";
  /** Bits of the current byte already clocked. */
  #phase = 0;
  #mosiBits = 0;
  #misoByte = 0xff;
  readonly #one = new Uint8Array(1);

  constructor(options: WireOptions) {
    this.#options = options;
    this.#spi = options.spi;
  }

  get cs(): "high" | "low" {
    return this.#cs;
  }

  /** What DO shows; pulled up while it is no output. */
  get dataOut(): boolean {
    return (this.#low[1] & DO) === 0 || this.#dataOut;
  }

  get clockIsOutput(): boolean {
    return (this.#low[1] & SK) !== 0;
  }

  get clockIdlesHigh(): boolean {
    return (this.#low[0] & SK) !== 0;
  }

  get dataIsOutput(): boolean {
    return (this.#low[1] & DO) !== 0;
  }

  /** Bits clocked of a byte not yet whole. */
  get phase(): number {
    return this.#phase;
  }

  setLow(value: number, direction: number, atUs: number): void {
    const risingClock = this.clockIsOutput && (direction & value & ~this.#low[0] & SK) !== 0;
    this.#low = [value, direction];
    this.#dataOut = (value & DO) !== 0;
    this.#setCs((direction & CS) === 0 || (value & CS) !== 0 ? "high" : "low");
    if (risingClock) this.#clockBit(this.dataOut ? 1 : 0, { atUs, usPerBit: 0 });
  }

  setHigh(value: number, direction: number): void {
    this.#high = [value, direction];
  }

  /** All pins inputs with pull-ups. */
  float(atUs: number): void {
    this.setLow(this.#low[0], 0, atUs);
    this.setHigh(this.#high[0], 0);
  }

  readLow(atUs: number): number {
    const [value, direction] = this.#low;
    const inputs =
      (this.miso(atUs) ? 0xff : 0xff & ~DI) & (this.gpiol1(atUs) ? 0xff : 0xff & ~GPIOL1);
    const outputs = this.#dataOut ? value | DO : value & ~DO;
    return ((outputs & direction) | (inputs & ~direction)) & 0xff;
  }

  readHigh(): number {
    const [value, direction] = this.#high;
    return ((value & direction) | ~direction) & 0xff;
  }

  /** MISO as the next clock would sample it. */
  miso(atUs: number): boolean {
    const byte = this.#phase === 0 ? this.#spi.peek(atUs) : this.#misoByte;
    return ((byte << this.#phase) & 0x80) !== 0;
  }

  gpiol1(atUs: number): boolean {
    return !this.#options.misoOnGpiol1 || this.miso(atUs);
  }

  /**
   * Clocks `length` bytes, MSB first. `mosi` undefined: DO stays as it is; `miso` undefined: dropped.
   */
  bytes(
    mosi: Uint8Array | undefined,
    miso: Uint8Array | undefined,
    length: number,
    run: ClockRun,
  ): void {
    if (!this.clockIsOutput) miso?.fill(this.miso(run.atUs) ? 0xff : 0, 0, length);
    else if (this.#phase === 0) this.#wholeBytes(mosi, miso, length, run);
    else this.#cutBytes(mosi, miso, length, run);
    if (mosi !== undefined) this.#keepLastBit((mosi[length - 1] as number) & 1);
  }

  /** Clocks 1 to 8 bits, the first in bit 7 of `mosi`; returns what came, the last in bit 0. */
  bits(mosi: number | undefined, count: number, run: ClockRun): number {
    if (!this.clockIsOutput) return this.miso(run.atUs) ? (1 << count) - 1 : 0;
    const level = this.dataOut ? 0xff : 0;
    let got = 0;
    for (let bit = 0; bit < count; bit++) {
      const out = ((this.dataIsOutput ? (mosi ?? level) : 0xff) << bit) & 0x80;
      const at = { atUs: run.atUs + bit * run.usPerBit, usPerBit: run.usPerBit };
      got = (got << 1) | this.#clockBit(out === 0 ? 0 : 1, at);
    }
    if (mosi !== undefined) this.#keepLastBit((mosi >> (BYTE_BITS - count)) & 1);
    return got;
  }

  save(): WireState {
    return {
      low: this.#low,
      high: this.#high,
      dataOut: this.#dataOut,
      cs: this.#cs,
      phase: this.#phase,
      mosiBits: this.#mosiBits,
      misoByte: this.#misoByte,
    };
  }

  /** The SPI device is restored by its owner: CS is not set on it again. */
  restore(state: WireState): void {
    this.#low = state.low;
    this.#high = state.high;
    this.#dataOut = state.dataOut;
    this.#cs = state.cs;
    this.#phase = state.phase;
    this.#mosiBits = state.mosiBits;
    this.#misoByte = state.misoByte;
  }

  #keepLastBit(bit: number): void {
    if (this.#options.doAfterWrite === "last-bit") this.#dataOut = bit === 1;
  }

  /** A byte that CS cuts short is lost: the device counts anew. */
  #setCs(level: "high" | "low"): void {
    if (level === this.#cs) return;
    this.#cs = level;
    this.#phase = 0;
    this.#spi.setCs(level);
  }

  #wholeBytes(
    mosi: Uint8Array | undefined,
    miso: Uint8Array | undefined,
    length: number,
    run: ClockRun,
  ): void {
    const usPerByte = run.usPerBit * BYTE_BITS;
    if (mosi !== undefined && this.dataIsOutput) {
      this.#spi.exchange(mosi, miso, length, { startUs: run.atUs, usPerByte });
    } else if (this.dataOut) {
      this.#spi.exchange(undefined, miso, length, { startUs: run.atUs, usPerByte });
    } else {
      for (let at = 0; at < length; at += ZEROS.length) {
        const count = Math.min(ZEROS.length, length - at);
        const startUs = run.atUs + at * usPerByte;
        this.#spi.exchange(ZEROS, miso?.subarray(at), count, { startUs, usPerByte });
      }
    }
  }

  #cutBytes(
    mosi: Uint8Array | undefined,
    miso: Uint8Array | undefined,
    length: number,
    run: ClockRun,
  ): void {
    for (let at = 0; at < length; at++) {
      const atUs = run.atUs + at * BYTE_BITS * run.usPerBit;
      const got = this.bits(mosi?.[at], BYTE_BITS, { atUs, usPerBit: run.usPerBit });
      if (miso !== undefined) miso[at] = got;
    }
  }

  #clockBit(mosi: number, run: ClockRun): number {
    if (this.#phase === 0) {
      this.#misoByte = this.#spi.peek(run.atUs);
      this.#mosiBits = 0;
    }
    const got = (this.#misoByte >> (BYTE_BITS - 1 - this.#phase)) & 1;
    this.#mosiBits = ((this.#mosiBits << 1) | mosi) & 0xff;
    this.#phase++;
    if (this.#phase === BYTE_BITS) this.#byteDone(run);
    return got;
  }

  #byteDone(run: ClockRun): void {
    this.#phase = 0;
    this.#one[0] = this.#mosiBits;
    const startUs = run.atUs - (BYTE_BITS - 1) * run.usPerBit;
    this.#spi.exchange(this.#one, undefined, 1, { startUs, usPerByte: BYTE_BITS * run.usPerBit });
  }
}
