/** When the clocks of an exchange happen, in model time. */
export interface ByteTiming {
  readonly startUs: number;
  readonly usPerByte: number;
}

/**
 * What hangs on the SPI pins of a chip model: SPI mode 0, MSB first, one CS line. What it drives on MISO during a byte
 * never depends on the MOSI bits of the same byte.
 */
export interface SpiDevice {
  setCs(level: "high" | "low"): void;
  /**
   * Clocks `length` bytes. `mosi` undefined: all ones; `miso` undefined: dropped. Both are read and
   * written from index 0.
   */
  exchange(
    mosi: Uint8Array | undefined,
    miso: Uint8Array | undefined,
    length: number,
    timing: ByteTiming,
  ): void;
  /** The byte that MISO would show during the next 8 clocks if they began at `atUs`; 0xff while nothing drives it (pull-up). */
  peek(atUs: number): number;
}
