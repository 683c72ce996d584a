import { type CsChange, clockHz, type SpiSettings } from "../../bridge/ch347/decoder.js";
import type { SpiDevice } from "../spi-device.js";
import type { Report } from "./violations.js";

/** The settings before anybody has given any. */
const POWER_ON: SpiSettings = {
  master: false,
  dataBits: 8,
  cpol: 0,
  cpha: 0,
  softwareCs: true,
  clockIndex: 2,
  lsbFirst: false,
  intervalUs: 0,
  idleByte: 0,
  csPolarity: 0,
};

/** The SPI side of the chip: its settings, chip select and clocks, and the device behind them. */
export class SpiPort {
  readonly #spi: SpiDevice;
  readonly #report: Report;
  #settings: SpiSettings = POWER_ON;
  #configured = false;
  #cs: "high" | "low" = "high";
  #clockedBytes = 0;

  constructor(spi: SpiDevice, report: Report) {
    this.#spi = spi;
    this.#report = report;
    spi.setCs("high");
  }

  get cs(): "high" | "low" {
    return this.#cs;
  }

  get settings(): SpiSettings {
    return this.#settings;
  }

  /** Bytes clocked since power-on. */
  get clockedBytes(): number {
    return this.#clockedBytes;
  }

  configure(settings: SpiSettings, atUs: number): void {
    this.#checkMode(settings, atUs);
    const isSlower = settings.clockIndex !== this.#settings.clockIndex;
    if (this.#cs === "low" && isSlower)
      this.#report("clock-change-selected", atUs, `to ${clockHz(settings.clockIndex)} Hz`);
    this.#settings = settings;
    this.#configured = true;
  }

  release(): void {
    this.#cs = "high";
    this.#spi.setCs("high");
  }

  /** Returns how long it takes, in microseconds. */
  select({ level, autoRelease, activeUs, releaseUs }: CsChange, atUs: number): number {
    if (autoRelease) this.#report("auto-release", atUs, "after the next transfer");
    if (level === "keep") return 0;
    this.#cs = level;
    this.#spi.setCs(level);
    return level === "low" ? activeUs : releaseUs;
  }

  /** A command that clocks begins. */
  checkClocks(kind: "read" | "write" | "exchange", atUs: number): void {
    const { idleByte } = this.#settings;
    if (!this.#configured) this.#report("not-configured", atUs, `${kind} without settings`);
    if (kind === "read" && idleByte !== 0xff)
      this.#report("idle-byte", atUs, `0x${idleByte.toString(16)} on MOSI while reading`);
  }

  /** Clocks `length` bytes, of a read if `mosi` is undefined. Returns MISO, and how long it takes. */
  clock(
    mosi: Uint8Array | undefined,
    length: number,
    atUs: number,
  ): { readonly miso: Uint8Array; readonly us: number } {
    const { idleByte, clockIndex, intervalUs } = this.#settings;
    const miso = new Uint8Array(length).fill(0xff);
    const usPerByte = 8e6 / clockHz(clockIndex) + intervalUs;
    const sent = mosi ?? new Uint8Array(length).fill(idleByte);
    this.#spi.exchange(sent, miso, length, { startUs: atUs, usPerByte });
    this.#clockedBytes += length;
    return { miso, us: length * usPerByte };
  }

  #checkMode(settings: SpiSettings, atUs: number): void {
    const { master, dataBits, cpol, cpha, softwareCs, lsbFirst, csPolarity } = settings;
    const isMode0 = master && dataBits === 8 && cpol === 0 && cpha === 0;
    if (isMode0 && softwareCs && !lsbFirst && csPolarity === 0) return;
    this.#report("spi-mode", atUs, JSON.stringify(settings));
  }
}
