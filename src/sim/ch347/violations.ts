/** A rule of the chip (or of SPI mode 0 with a card) that the host broke. */
export type Ch347Rule =
  /** A transfer that begins with no command of the chip. */
  | "unknown-command"
  /** A command whose length it cannot have, or whose payload did not come. */
  | "malformed"
  /** More than 510 bytes in a command: nobody sends that (bridges.md 3.2). */
  | "too-long"
  /** Several commands in one transfer: nobody has shown that the chip takes them. */
  | "several-commands"
  /** A command while an answer to the one before was still to be fetched: nobody has shown that the chip takes it. */
  | "overlapped"
  /** Clocks before any settings. */
  | "not-configured"
  /** No SPI master with CS by command, mode 0, 8 bits, highest first, CS active low. */
  | "spi-mode"
  /** A read that puts something else than ones on MOSI: a card takes that for a command. */
  | "idle-byte"
  /** Another clock while CS is low. */
  | "clock-change-selected"
  /** Chip select that the chip is to release by itself: a card must keep it. */
  | "auto-release"
  /** A command that was never seen on a wire. */
  | "unproved"
  /** A bulk IN length that is no multiple of wMaxPacketSize. */
  | "in-length"
  /** A control request that the chip does not know. */
  | "control-request";

export interface Ch347Violation {
  readonly rule: Ch347Rule;
  readonly atUs: number;
  readonly message: string;
}

/** Where the parts of the model report. */
export type Report = (rule: Ch347Rule, atUs: number, message: string) => void;
