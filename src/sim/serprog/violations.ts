/** A rule of the protocol, of the board, or of SPI that the host broke. */
export type SerprogRule =
  /** An opcode that the command map does not have. */
  | "unknown-opcode"
  /** More bytes in one O_SPIOP than Q_WRNMAXLEN, or the board's buffer, allows. */
  | "write-length"
  | "read-length"
  /** More bytes ahead of the board than Q_SERBUF says; they are lost. */
  | "serial-overflow"
  /** Full duplex with as many bytes out as back: nothing else is sure to work everywhere. */
  | "unequal-lengths"
  /** O_SPIOP while the pins are not driven. */
  | "pins-off"
  /** S_SPI_FREQ 0. */
  | "zero-frequency"
  /** S_SPI_FREQ or S_SPI_MODE while CS is held low. */
  | "change-selected"
  /** A second read before the first has ended. */
  | "two-reads";

export interface SerprogViolation {
  readonly rule: SerprogRule;
  readonly atUs: number;
  readonly message: string;
}

/** Where the parts of the model report. */
export type Report = (rule: SerprogRule, atUs: number, message: string) => void;
