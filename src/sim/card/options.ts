/** A latency: a number of clocked bytes, or model time in µs. */
export type Latency = { readonly bytes: number } | { readonly us: number };

export type CardModelKind = "sdsc" | "sdhc" | "sdxc" | "mmc";

/** Deviations of real cards (numbers: list of quirks of real cards in docs/SPEC.md), and cards that are unusable. */
export type Quirk =
  /** Nothing in the socket: MISO stays high. */
  | "absent"
  /** MISO is stuck low. */
  | "stuck-low"
  /** Left in 1.8 V signalling by another host: silent until power is cycled. */
  | "uhs-left-on"
  /** CRC7 and CRC16 are checked although CMD59 never asked for it. */
  | "crc-always"
  /** CMD59 is an illegal command. */
  | "cmd59-refused"
  /** The first CMD59 fails with a CRC error. */
  | "cmd59-first-fails"
  /** The first CMD0 to a card that was in use answers 00. */
  | "cmd0-answers-00"
  /** The byte behind a stop token is junk that looks like ready. */
  | "junk-after-stop"
  /** One 00 byte before the FFs in front of CSD and CID. */
  | "register-zero-first"
  /** C0 instead of FF while no response is there. */
  | "idle-c0"
  /** Every data block that it sends has a wrong CRC16. */
  | "crc-errors"
  /** No CMD18 and CMD25. */
  | "single-block-only"
  /** A command directly behind a response loses its first byte. */
  | "needs-nrc"
  /** Busy for a while after CMD55. */
  | "busy-after-cmd55"
  /** Addresses wrap at half the capacity that the CSD tells. */
  | "counterfeit";

export interface CardModelOptions {
  readonly kind: CardModelKind;
  readonly quirks: readonly Quirk[];
  /** Bytes between the end of a command and R1: 0..8. */
  readonly ncr: number;
  /** Between R1 and the token of a data block. */
  readonly nac: Latency;
  /** The same for registers. */
  readonly registerNac: Latency;
  /** FF bytes between the blocks of CMD18. */
  readonly gap: number;
  /** After an accepted block. */
  readonly busy: Latency;
  /** After the stop token, and after CMD12. */
  readonly stopBusy: Latency;
  /** Of one CMD38. */
  readonly eraseBusy: Latency;
  /** Bytes between the CRC of a block and its data response: 0..3. */
  readonly dataResponseDelay: number;
  /** Upper three bits of the data response. */
  readonly dataResponseUpperBits: 0x00 | 0xe0;
  /** Model time from the first ACMD41 or CMD1 until the card is ready, µs. */
  readonly initialisationUs: number;
  /** Rising CS in the middle of a frame or block: the specification does not say. */
  readonly csRise: "reset" | "freeze";
  /** While waiting for a data token, CMD12 is obeyed, or everything is ignored: the specification does not say. */
  readonly commandsInReceive: "ignore" | "stop";
  /** CSD bit 13 or 12. */
  readonly writeProtect: "none" | "permanent" | "temporary";
  readonly locked: boolean;
  /** The >= 74 clocks with CS high must have come before the first CMD0. */
  readonly requireStartUpClocks: boolean;
  /** Faster clocks are noted as violations. */
  readonly maxFrequencyHz: number;
  /** Faster clocks before the card is ready are noted as violations; 0: no such rule. */
  readonly maxIdentificationHz: number;
  /** What erased blocks read as. */
  readonly erasedByte: 0x00 | 0xff;
  /** log2 of the largest read block of an SDSC card: 9, or 10 as on 2 GB cards. */
  readonly readBlockLength: 9 | 10;
  /** SSR AU_SIZE code (SD Physical Layer table 4-44); 9 = 4 MiB. */
  readonly auSize: number;
}

/** An ordinary SDHC card, the bench card of all gates but for its clock. */
export const DEFAULT_CARD: CardModelOptions = {
  kind: "sdhc",
  quirks: [],
  ncr: 1,
  nac: { bytes: 8 },
  registerNac: { bytes: 2 },
  gap: 1,
  busy: { bytes: 12 },
  stopBusy: { bytes: 4 },
  eraseBusy: { us: 20_000 },
  dataResponseDelay: 0,
  dataResponseUpperBits: 0xe0,
  initialisationUs: 50_000,
  csRise: "reset",
  commandsInReceive: "ignore",
  writeProtect: "none",
  locked: false,
  requireStartUpClocks: true,
  maxFrequencyHz: 25_000_000,
  maxIdentificationHz: 400_000,
  erasedByte: 0x00,
  readBlockLength: 9,
  auSize: 9,
};
