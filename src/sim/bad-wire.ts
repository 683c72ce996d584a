import type { ByteTiming, SpiDevice } from "./spi-device.js";

/**
 * What is wrong with MISO: shorted to ground; cut, with a pull-up at the adapter; cut, with nothing there; or whole, but without a
 * pull-up, so that it is low while no card drives it.
 */
export const MISO_FAULTS = ["low", "high", "floating", "unpulled"] as const;
export type MisoFault = (typeof MISO_FAULTS)[number];

export interface BadWireOptions {
  readonly miso?: MisoFault | undefined;
  /** Above this clock, in Hz, bits of MISO are lost. */
  readonly cleanHz?: number | undefined;
}

/** One bit of so many bytes is lost: prime, so that it does not keep step with blocks; no block of 512 with its CRC is without. */
const LOST_EVERY = 499;
const LOST_BIT = 0x10;
/** Rounding of a clock's period is not faster. */
const CLOCK_SLACK = 1.001;
const NOISE_SEED = 0x2545_f491;

/** The wires between an adapter and a device, with what people have wrong on a bench. */
export class BadWire implements SpiDevice {
  readonly #device: SpiDevice;
  readonly #miso: MisoFault | undefined;
  readonly #cleanHz: number;
  #cs: "high" | "low" = "high";
  #noise = NOISE_SEED;
  #fastBytes = 0;

  constructor(device: SpiDevice, { miso, cleanHz = Number.POSITIVE_INFINITY }: BadWireOptions) {
    this.#device = device;
    this.#miso = miso;
    this.#cleanHz = cleanHz;
  }

  setCs(level: "high" | "low"): void {
    this.#cs = level;
    this.#device.setCs(level);
  }

  exchange(
    mosi: Uint8Array | undefined,
    miso: Uint8Array | undefined,
    length: number,
    timing: ByteTiming,
  ): void {
    const tooFast = 8e6 / timing.usPerByte > this.#cleanHz * CLOCK_SLACK;
    this.#device.exchange(mosi, miso, length, timing);
    for (let at = 0; at < length; at++) {
      const seen = this.#through(miso?.[at] ?? 0);
      const lost = tooFast && ++this.#fastBytes % LOST_EVERY === 0;
      if (miso !== undefined) miso[at] = lost ? seen ^ LOST_BIT : seen;
      this.#advance();
    }
  }

  peek(atUs: number): number {
    return this.#through(this.#device.peek(atUs));
  }

  /** What the adapter sees of a byte that the device shows. */
  #through(byte: number): number {
    switch (this.#miso) {
      case "low":
        return 0x00;
      case "high":
        return 0xff;
      case "floating":
        return this.#noise >>> 24;
      case "unpulled":
        return this.#cs === "high" ? 0x00 : byte;
      case undefined:
        return byte;
    }
  }

  /** Xorshift (Marsaglia): repeatable noise. */
  #advance(): void {
    let next = this.#noise;
    next ^= next << 13;
    next ^= next >>> 17;
    next ^= next << 5;
    this.#noise = next;
  }
}
