import {
  ALL_PINS,
  type ChipSettings,
  PIN_MODE,
  type SpiSettings,
} from "../../bridge/mcp2210/decoder.js";
import type { SpiDevice } from "../spi-device.js";

const CS_BIT = 0x001;

/** GP0 to GP8, of which GP0 is wired to the device's chip select. Inputs are pulled up. */
export class Pins {
  readonly #spi: SpiDevice;
  #modes: readonly number[];
  #outputs: number;
  #directions: number;
  /** Levels of pins in chip-select mode. */
  #chipSelects = ALL_PINS;
  #cs: "high" | "low" = "high";

  constructor(spi: SpiDevice, settings: ChipSettings) {
    this.#spi = spi;
    this.#modes = settings.pinModes;
    this.#outputs = settings.outputs;
    this.#directions = settings.directions;
    this.#cs = this.#levelOfGp0();
    spi.setCs(this.#cs);
  }

  get cs(): "high" | "low" {
    return this.#cs;
  }

  /** Bit n = level of GPn. */
  get levels(): number {
    return this.#modes.reduce((bits, _, pin) => bits | (this.#level(pin) << pin), 0);
  }

  get directions(): number {
    return this.#directions;
  }

  configure(settings: ChipSettings): void {
    this.#modes = settings.pinModes;
    this.#outputs = settings.outputs;
    this.#directions = settings.directions;
    this.#drive();
  }

  setLevels(levels: number): void {
    this.#outputs = levels & ALL_PINS;
    this.#drive();
  }

  setDirections(inputs: number): void {
    this.#directions = inputs & ALL_PINS;
    this.#drive();
  }

  /** A transaction begins or is over. */
  select(settings: SpiSettings, active: boolean): void {
    this.#chipSelects = active ? settings.activeCs : settings.idleCs;
    this.#drive();
  }

  #level(pin: number): 0 | 1 {
    const bit = 1 << pin;
    const mode = this.#modes[pin];
    if (mode === PIN_MODE.chipSelect) return this.#chipSelects & bit ? 1 : 0;
    if (mode !== PIN_MODE.gpio || this.#directions & bit) return 1;
    return this.#outputs & bit ? 1 : 0;
  }

  #levelOfGp0(): "high" | "low" {
    return this.#level(0) === CS_BIT ? "high" : "low";
  }

  #drive(): void {
    const level = this.#levelOfGp0();
    if (level === this.#cs) return;
    this.#cs = level;
    this.#spi.setCs(level);
  }
}
