/** A rule of the chip (or of SPI mode 0) that the host broke. */
export type FtdiRule =
  /** Bulk OUT data while the bit mode is not MPSSE. */
  | "not-mpsse"
  /** A bad opcode other than AA and AB, which a host may send to find the answer. */
  | "bad-opcode"
  /** The engine stood still on a full FIFO for longer than the grace while no IN transfer was under way. */
  | "fifo-stall"
  /** SCK's divisor or base changed while CS is low. */
  | "clock-change-selected"
  /** Clocks with DO low where no data is given, and CS low: the card takes that for data. */
  | "mosi-low"
  /** More than 8 bits in a bit-wise shift. */
  | "shift-length"
  /** Not SPI mode 0, MSB first, on DO: wrong edge, bit order, or a shift to TMS. */
  | "shift-kind"
  /** SCK, or DO of a writing shift, is no output, or SCK idles high. */
  | "pins"
  /** Adaptive clocking or three-phase data during a shift. */
  | "clock-mode"
  /** A loopback shift while CS is low: the card sees it too. */
  | "loopback-selected"
  /** A bulk IN length that is no multiple of the packet size. */
  | "in-length"
  /** wIndex of a control request is not the channel of the claimed interface. */
  | "control-index"
  /** A control request that the chip does not know, or one that writes its EEPROM. */
  | "control-request"
  /** MPSSE asked of a channel that has none, or a latency of 0. */
  | "control-value";

export interface FtdiViolation {
  readonly rule: FtdiRule;
  readonly atUs: number;
  readonly message: string;
}

/** Where the parts of the model report. */
export type Report = (rule: FtdiRule, atUs: number, message: string) => void;
