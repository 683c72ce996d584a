import { PIN } from "../../bridge/ch341/decoder.js";
import type { SpiDevice } from "../spi-device.js";
import type { Report } from "./violations.js";

const BYTE_BITS = 8;

/**
 * The pins D0 to D7 and the SPI device on four of them. The device takes whole bytes; edges of SCK are collected into
 * them, counted from the last move of CS. Of the byte on its way MISO is what the device showed when it began.
 */
export class Ch341Pins {
  readonly #spi: SpiDevice;
  readonly #report: Report;
  #value = 0;
  /** 1 = output; inputs are pulled up. */
  #direction = 0;
  /** Of the byte on its way: edges so far, and the bits of both wires. */
  #rises = 0;
  #falls = 0;
  #mosiBits = 0;
  #misoByte = 0xff;
  #firstRiseUs = 0;
  #lastRiseUs = 0;
  #shortestUs = Infinity;
  #clockedBytes = 0;
  readonly #one = new Uint8Array(1);

  constructor(spi: SpiDevice, report: Report) {
    this.#spi = spi;
    this.#report = report;
    spi.setCs("high");
  }

  get cs(): "high" | "low" {
    return this.#levelOf(PIN.cs0) ? "high" : "low";
  }

  /** Bytes clocked since power-on. */
  get clockedBytes(): number {
    return this.#clockedBytes;
  }

  setOut(value: number, atUs: number): void {
    this.#set(value, this.#direction, atUs);
  }

  setDirection(direction: number, atUs: number): void {
    this.#set(this.#value, direction, atUs);
  }

  /** Levels of all eight. */
  read(atUs: number): number {
    const outputs = this.#value & this.#direction;
    const inputs = (this.#miso(atUs) ? 0xff : 0xff & ~PIN.miso) & ~this.#direction;
    return (outputs | inputs) & 0xff;
  }

  /** The shifter clocks `mosi`; returns MISO. */
  stream(mosi: Uint8Array, atUs: number, usPerByte: number): Uint8Array {
    const miso = new Uint8Array(mosi.length).fill(0xff);
    if (mosi.length === 0) return miso;
    this.#checkIdle("the SPI stream", atUs);
    if ((this.#direction & (PIN.sck | PIN.mosi)) !== (PIN.sck | PIN.mosi)) {
      this.#report("pins", atUs, "the SPI stream on pins that are no outputs");
      return miso;
    }
    this.#spi.exchange(mosi, miso, mosi.length, { startUs: atUs, usPerByte });
    this.#clockedBytes += mosi.length;
    return miso;
  }

  #levelOf(pin: number): boolean {
    return (this.#direction & pin) === 0 || (this.#value & pin) !== 0;
  }

  #set(value: number, direction: number, atUs: number): void {
    const before = { cs: this.cs, sck: this.#clock, mosi: this.#levelOf(PIN.mosi) };
    this.#value = value;
    this.#direction = direction;
    if (this.cs !== before.cs) this.#moveCs(atUs);
    if (this.#clock === before.sck) return;
    if (this.#clock) this.#rise(before.mosi, atUs);
    else this.#fall();
  }

  /** A floating SCK clocks nothing. */
  get #clock(): boolean {
    return (this.#direction & this.#value & PIN.sck) !== 0;
  }

  #moveCs(atUs: number): void {
    this.#checkIdle(`CS going ${this.cs}`, atUs);
    this.#beginByte();
    this.#spi.setCs(this.cs);
  }

  /** A byte cut short is lost: the device counts anew. */
  #checkIdle(what: string, atUs: number): void {
    if (this.#clock) this.#report("not-idle", atUs, `${what} while SCK is high`);
    if (!this.#levelOf(PIN.mosi)) this.#report("not-idle", atUs, `${what} while MOSI is low`);
    if (this.#rises > 0)
      this.#report("partial-byte", atUs, `${what} after ${this.#rises} bits of a byte`);
    this.#beginByte();
  }

  #beginByte(): void {
    this.#rises = 0;
    this.#falls = 0;
    this.#shortestUs = Infinity;
  }

  /** The level that the device drives now: it changes with the falling edges. */
  #miso(atUs: number): boolean {
    const byte = this.#rises === 0 ? this.#spi.peek(atUs) : this.#misoByte;
    return ((byte << this.#falls) & 0x80) !== 0;
  }

  #rise(mosiBefore: boolean, atUs: number): void {
    const mosi = this.#levelOf(PIN.mosi);
    if (mosi !== mosiBefore) this.#report("setup-time", atUs, "MOSI changes as SCK rises");
    if ((this.#direction & PIN.mosi) === 0)
      this.#report("pins", atUs, "a clock while MOSI is no output");
    if (this.#rises === 0) this.#firstBit(atUs);
    else this.#shortestUs = Math.min(this.#shortestUs, atUs - this.#lastRiseUs);
    this.#lastRiseUs = atUs;
    this.#mosiBits = ((this.#mosiBits << 1) | (mosi ? 1 : 0)) & 0xff;
    this.#rises++;
    if (this.#rises === BYTE_BITS) this.#byteClocked();
  }

  #firstBit(atUs: number): void {
    this.#misoByte = this.#spi.peek(atUs);
    this.#mosiBits = 0;
    this.#firstRiseUs = atUs;
  }

  #fall(): void {
    this.#falls++;
    if (this.#falls === BYTE_BITS) this.#beginByte();
  }

  /** The clock that the device sees is that of the two edges that were closest. */
  #byteClocked(): void {
    this.#one[0] = this.#mosiBits;
    const timing = { startUs: this.#firstRiseUs, usPerByte: BYTE_BITS * this.#shortestUs };
    this.#spi.exchange(this.#one, undefined, 1, timing);
    this.#clockedBytes++;
  }
}
