import { UsageError } from "../../util/errors.js";
import type { CardRegisters } from "./registers.js";

/** A latency: a number of clocked bytes, or model time in µs. */
export type Latency = { readonly bytes: number } | { readonly us: number };

export type CardModelKind = "sdsc" | "sdhc" | "sdxc" | "mmc";

/** Deviations of real cards, and cards that are unusable. */
export const QUIRKS = [
  /** Nothing in the socket: MISO stays high. */
  "absent",
  /** MISO is stuck low. */
  "stuck-low",
  /** Left in 1.8 V signalling by another host: silent until power is cycled. */
  "uhs-left-on",
  /** CRC7 and CRC16 are checked although CMD59 never asked for it (Samsung EVO). */
  "crc-always",
  /** CMD59 is an illegal command. */
  "cmd59-refused",
  /** The first CMD59 fails with a CRC error. */
  "cmd59-first-fails",
  /** The first CMD0 to a card that was in use answers 00 (Intenso). */
  "cmd0-answers-00",
  /** CMD0 directly behind the falling CS is not heard. */
  "cmd0-needs-ff",
  /** CMD0 is heard only directly behind the falling CS. */
  "cmd0-hates-ff",
  /** One CMD0 per power-up: those after it are not heard. */
  "cmd0-once",
  /** MISO is low until the first CMD0. */
  "low-before-cmd0",
  /** CMD8 is not heard before a second CMD0. */
  "cmd8-needs-two-cmd0",
  /** Never ready when ACMD41 carries more than the HCS bit (SanDisk Ultra). */
  "ocr-bits-stall",
  /** Silent once CMD6 has set high speed. */
  "cmd6-silences",
  /** CMD23 ends all communication (MMC). */
  "cmd23-hangs",
  /** The byte behind a stop token is junk that looks like ready. */
  "junk-after-stop",
  /** One 00 byte before the FFs in front of CSD and CID. */
  "register-zero-first",
  /** C0 instead of FF while no response is there. */
  "idle-c0",
  /** Every data block that it sends has a wrong CRC16. */
  "crc-errors",
  /** No CMD18 and CMD25. */
  "single-block-only",
  /** A command directly behind a response loses its first byte (SanDisk Ultra). */
  "needs-nrc",
  /** Busy for a while after CMD55. */
  "busy-after-cmd55",
  /** Addresses wrap at half the capacity that the CSD tells. */
  "counterfeit",
] as const;

export type Quirk = (typeof QUIRKS)[number];

export interface CardModelOptions {
  readonly kind: CardModelKind;
  readonly quirks: readonly Quirk[];
  /** Of an SDSC card: 2 answers CMD8. The others follow from their kind. */
  readonly specVersion: 1 | 2;
  /** In place of the generated ones; the CSD's capacity must be that of the cells. */
  readonly registers: Partial<CardRegisters>;
  /** Bytes between the end of a command and R1: 0..8. */
  readonly ncr: number;
  /** Between R1 and the token of a data block. */
  readonly nac: Latency;
  /** The same for registers. */
  readonly registerNac: Latency;
  /** FF bytes between the blocks of CMD18. */
  readonly gap: number;
  /** Between the gap and the next block of CMD18. */
  readonly blockNac: Latency;
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
  /** All answers come this many clocks late, 0..7: the card lost count of the clock. */
  readonly bitShift: number;
  /** Model time from the first ACMD41 or CMD1 until the card is ready, µs; Infinity: never. */
  readonly initialisationUs: number;
  /** Rising CS in the middle of a frame or block: the specification does not say. */
  readonly csRise: "reset" | "freeze";
  /** While waiting for a data token, CMD12 is obeyed, or everything is ignored: the specification does not say. */
  readonly commandsInReceive: "ignore" | "stop";
  /** CMD12 while a register or a single block goes out: the sources differ. */
  readonly stopWhileSending: "ignore" | "stop";
  /** CMD0 while it programs is rejected, or ends programming and leaves the sector torn: the specification says both. */
  readonly resetWhileBusy: "reject" | "abort";
  /** CSD bit 13 or 12. */
  readonly writeProtect: "none" | "permanent" | "temporary";
  readonly locked: boolean;
  /** The >= 74 clocks with CS high must have come before the first CMD0. */
  readonly requireStartUpClocks: boolean;
  /** Faster clocks are noted as violations. Default: the CSD's TRAN_SPEED. */
  readonly maxFrequencyHz: number;
  /** Faster clocks before the card is ready are noted as violations; 0: no such rule. */
  readonly maxIdentificationHz: number;
  /** What erased blocks read as. */
  readonly erasedByte: 0x00 | 0xff;
  /** log2 of the largest block of an SDSC or MMC card: 9, or 10 as on 2 GB cards. */
  readonly readBlockLength: 9 | 10;
  /** SSR AU_SIZE code (SD Physical Layer table 4-44); 9 = 4 MiB. */
  readonly auSize: number;
}

/** An ordinary SDHC card, the bench card of all gates but for its clock. */
export const DEFAULT_CARD: CardModelOptions = {
  kind: "sdhc",
  quirks: [],
  specVersion: 1,
  registers: {},
  ncr: 1,
  nac: { bytes: 8 },
  registerNac: { bytes: 2 },
  gap: 1,
  blockNac: { bytes: 0 },
  busy: { bytes: 12 },
  stopBusy: { bytes: 4 },
  eraseBusy: { us: 20_000 },
  dataResponseDelay: 0,
  dataResponseUpperBits: 0xe0,
  bitShift: 0,
  initialisationUs: 50_000,
  csRise: "reset",
  commandsInReceive: "ignore",
  stopWhileSending: "ignore",
  resetWhileBusy: "reject",
  writeProtect: "none",
  locked: false,
  requireStartUpClocks: true,
  maxFrequencyHz: 25_000_000,
  maxIdentificationHz: 400_000,
  erasedByte: 0x00,
  readBlockLength: 9,
  auSize: 9,
};

type Range = readonly [least: number, most: number];

/** Whole numbers that the specification, or the register that tells them, bounds. */
const RANGES: Readonly<Partial<Record<keyof CardModelOptions, Range>>> = {
  ncr: [0, 8],
  gap: [0, 1 << 20],
  dataResponseDelay: [0, 3],
  bitShift: [0, 7],
  auSize: [0, 15],
  readBlockLength: [9, 10],
};
const LATENCIES = ["nac", "registerNac", "blockNac", "busy", "stopBusy", "eraseBusy"] as const;

/**
 * Fills in {@link DEFAULT_CARD}.
 * @throws UsageError for a timing that no card may have, or an unknown quirk
 */
export function completeOptions(given: Partial<CardModelOptions>): CardModelOptions {
  const options = { ...DEFAULT_CARD, ...given };
  for (const [name, range] of Object.entries(RANGES)) {
    const value = options[name as keyof CardModelOptions] as number;
    if (!Number.isInteger(value) || value < range[0] || value > range[1])
      throw refused(name, value, `a whole number from ${range[0]} to ${range[1]}`);
  }
  for (const name of LATENCIES) {
    const latency = options[name];
    const value = "us" in latency ? latency.us : latency.bytes;
    if (!(value >= 0)) throw refused(name, value, "0 or more");
  }
  for (const quirk of options.quirks)
    if (!QUIRKS.includes(quirk)) throw refused("quirks", quirk, `one of ${QUIRKS.join(", ")}`);
  return options;
}

function refused(name: string, value: unknown, fits: string): UsageError {
  return new UsageError(`a card model cannot have ${name} = ${String(value)}`, {
    details: { option: name, value },
    hint: `it is ${fits}`,
  });
}
