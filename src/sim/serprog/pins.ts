import { CS_MODE } from "../../bridge/serprog/decoder.js";
import type { SpiDevice } from "../spi-device.js";
import type { SerprogCounters } from "./counters.js";
import type { SerprogBoardOptions } from "./options.js";
import type { Report } from "./violations.js";

const PULLED_UP = 0xff;

/** The SPI side of a board: clock, CS, and who drives them. */
export class Pins {
  readonly #spi: SpiDevice;
  readonly #firmware: SerprogBoardOptions;
  readonly #counters: SerprogCounters;
  readonly #report: Report;
  #driven: boolean;
  #fullDuplex = false;
  #csMode: number = CS_MODE.auto;
  #frequencyHz: number;
  #selected = false;

  constructor(
    spi: SpiDevice,
    firmware: SerprogBoardOptions,
    counters: SerprogCounters,
    report: Report,
  ) {
    this.#spi = spi;
    this.#firmware = firmware;
    this.#counters = counters;
    this.#report = report;
    this.#driven = firmware.pinsDriven;
    this.#frequencyHz = firmware.firstFrequencyHz;
    spi.setCs("high");
  }

  get frequencyHz(): number {
    return this.#frequencyHz;
  }

  get driven(): boolean {
    return this.#driven;
  }

  get fullDuplex(): boolean {
    return this.#fullDuplex;
  }

  get cs(): "high" | "low" {
    return this.#selected ? "low" : "high";
  }

  drive(on: boolean): void {
    this.#driven = on;
    // A pull-up has it when nobody drives it.
    this.#setCs(on && this.#csMode === CS_MODE.selected);
  }

  /** False for a mode that is not there. */
  setSpiMode(mode: number, atUs: number): boolean {
    if (mode > 1) return false;
    this.#notSelected("S_SPI_MODE", atUs);
    this.#fullDuplex = mode === 1;
    return true;
  }

  setCsMode(mode: number): boolean {
    if (mode > CS_MODE.deselected) return false;
    this.#csMode = mode;
    this.#setCs(this.#driven && mode === CS_MODE.selected);
    return true;
  }

  /** The next lower clock, or the lowest; 0 if `wantedHz` is. */
  setFrequency(wantedHz: number, atUs: number): number {
    this.#notSelected("S_SPI_FREQ", atUs);
    if (wantedHz === 0) return 0;
    const { frequenciesHz } = this.#firmware;
    const fitting = frequenciesHz.filter((hz) => hz <= wantedHz);
    this.#frequencyHz = fitting.length > 0 ? Math.max(...fitting) : Math.min(...frequenciesHz);
    return this.#frequencyHz;
  }

  /** How long an operation keeps the clock running. */
  durationUs(writeLength: number, readLength: number): number {
    const bytes = this.#fullDuplex ? Math.max(writeLength, readLength) : writeLength + readLength;
    return (bytes * 8e6) / this.#frequencyHz;
  }

  operate(data: Uint8Array, readLength: number, startUs: number): Uint8Array {
    if (!this.#driven) {
      this.#report("pins-off", startUs, `${data.length} bytes out, ${readLength} back`);
      return new Uint8Array(readLength).fill(PULLED_UP);
    }
    const isAuto = this.#csMode === CS_MODE.auto;
    if (isAuto) this.#setCs(true);
    const reply = this.#fullDuplex
      ? this.#exchange(data, readLength, startUs)
      : this.#writeThenRead(data, readLength, startUs);
    if (isAuto) this.#setCs(false);
    return reply;
  }

  #exchange(data: Uint8Array, readLength: number, startUs: number): Uint8Array {
    if (data.length !== readLength)
      this.#report("unequal-lengths", startUs, `${data.length} out, ${readLength} back`);
    const length = Math.max(data.length, readLength);
    const mosi = new Uint8Array(length).fill(this.#firmware.filler);
    mosi.set(data);
    const miso = new Uint8Array(length);
    this.#clock(mosi, miso, startUs);
    return miso.subarray(0, readLength);
  }

  #writeThenRead(data: Uint8Array, readLength: number, startUs: number): Uint8Array {
    this.#clock(data, new Uint8Array(data.length), startUs);
    const reply = new Uint8Array(readLength);
    const filler = new Uint8Array(readLength).fill(this.#firmware.filler);
    this.#clock(filler, reply, startUs + this.#usPerByte * data.length);
    return reply;
  }

  #clock(mosi: Uint8Array, miso: Uint8Array, startUs: number): void {
    this.#counters.clocked(mosi.length);
    if (mosi.length === 0) return;
    this.#spi.exchange(mosi, miso, mosi.length, { startUs, usPerByte: this.#usPerByte });
  }

  get #usPerByte(): number {
    return 8e6 / this.#frequencyHz;
  }

  #setCs(selected: boolean): void {
    if (selected === this.#selected) return;
    this.#selected = selected;
    this.#spi.setCs(selected ? "low" : "high");
  }

  #notSelected(what: string, atUs: number): void {
    if (this.#selected) this.#report("change-selected", atUs, `${what} while CS is low`);
  }
}
