/** A rule of the chip (or of SPI mode 0) that the host broke. */
export type Ch341Rule =
  /** More answers than the chip can hold, and no IN transfer to take them: it hangs until it is unplugged (bridges.md 2.4). */
  | "wedge"
  /** A packet that begins with no command of the chip, or a step that is none. */
  | "unknown-command"
  /** A command of the chip that has nothing to do with SPI. */
  | "not-spi"
  /** A stream of pins or of I2C without its end: what follows in the buffer would be taken for more. */
  | "unterminated"
  /** SPI over two data lines each way. */
  | "dual-spi"
  /** Clocks, or a chip select, on pins that are no outputs. */
  | "pins"
  /** CS moved, or the SPI stream began, while SCK was high or MOSI low. */
  | "not-idle"
  /** MOSI changed together with the rising edge of SCK. */
  | "setup-time"
  /** CS moved, or the SPI stream began, in the middle of a byte that was clocked pin by pin. */
  | "partial-byte"
  /** A bulk IN length that is no multiple of 32: a real chip's short packet fits, a babbling one's does not. */
  | "in-length"
  /** A control request that the chip does not know. */
  | "control-request";

export interface Ch341Violation {
  readonly rule: Ch341Rule;
  readonly atUs: number;
  readonly message: string;
}

/** Where the parts of the model report. */
export type Report = (rule: Ch341Rule, atUs: number, message: string) => void;
