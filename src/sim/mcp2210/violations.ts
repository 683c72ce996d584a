/** A rule of the chip (or of SPI mode 0) that the host broke. */
export type Mcp2210Rule =
  /** A report that is not 64 bytes long, or claims more data than it holds. */
  | "report"
  /** A command before the answer to the one before it has come; `status` and `cancel`, which find back into step, aside. */
  | "one-at-a-time"
  /** A command that the chip does not know. */
  | "unknown-command"
  /** What the next power-on does not forget: non-volatile settings, the EEPROM, passwords. */
  | "persistent-write"
  /** The byte that locks the chip's settings for ever. */
  | "permanent-lock"
  /** Settings or pins changed while a transfer is going on. */
  | "changed-in-transfer"
  /** More data than the transaction has bytes left, or a transaction of none. */
  | "transfer-length"
  /** A transaction in another mode than 0. */
  | "spi-mode"
  /** The bit rate changed while chip select is low. */
  | "clock-change-selected"
  /** A bit rate outside of 1500 Hz to 12 MHz. */
  | "bit-rate";

export interface Mcp2210Violation {
  readonly rule: Mcp2210Rule;
  readonly atUs: number;
  readonly message: string;
}

/** Where the parts of the model report. */
export type Report = (rule: Mcp2210Rule, atUs: number, message: string) => void;
