import { CardError } from "../spi/errors.js";
import { viewOf } from "../util/bytes.js";
import { type Deadline, expired } from "../util/deadline.js";
import { errorCode } from "../util/errors.js";
import { type CardLine, refused } from "./card-line.js";
import {
  type CardFamily,
  type CommandName,
  HOST_CAPACITY_SUPPORT,
  INTERFACE_CONDITION,
} from "./commands.js";
import { HINT } from "./errors.js";
import { R1 } from "./r1.js";
import { decodeOcr, type Ocr, runsAt3V3 } from "./registers/ocr.js";
import { TIMING } from "./timing.js";
import { resetCard } from "./wake.js";

const INTERFACE_TRIES = 3;
const CRC_OPTION_TRIES = 3;
const MAX_POLL_US = 10_000;

/** What initialisation finds out before any register is read. */
export interface Initialised {
  readonly family: CardFamily;
  /** CMD8 was answered: SD 2.00 or later. */
  readonly version2: boolean;
  /** CMD59 was accepted. */
  readonly crc: boolean;
  readonly ocr: Ocr;
}

/**
 * From idle state to transfer state (SD Physical Layer 7.2.1 and figure 7-2): CMD8, CMD59, ACMD41 or CMD1, CMD58.
 * @throws CardError CARD_UNUSABLE (voltage, never ready), CARD_REFUSED, CARD_CRC, CARD_TIMEOUT (the caller's deadline)
 */
export async function initialiseCard(
  line: CardLine,
  options: { readonly crc: boolean },
  deadline: Deadline,
): Promise<Initialised> {
  const version2 = await askInterface(line, deadline);
  let crc = options.crc && (await switchCrcOn(line, deadline));
  let family: CardFamily = "SD";
  if (!(await powerUpSd(line, version2, deadline))) {
    family = "MMC";
    await resetCard(line, deadline);
    crc = options.crc && (await switchCrcOn(line, deadline));
    await powerUpMmc(line, deadline);
  }
  return { family, version2, crc, ocr: await readOcr(line, family, deadline) };
}

/**
 * CMD8: true for SD 2.00 and later, false for what does not know it.
 * @throws CardError CARD_NO_RESPONSE, CARD_CRC (another echo), CARD_UNUSABLE (voltage); what {@link resetCard} throws
 */
export async function askInterface(line: CardLine, deadline: Deadline): Promise<boolean> {
  let echoed: number | undefined;
  for (let tries = 0; tries < INTERFACE_TRIES; tries++) {
    const answer = await interfaceAnswer(line, deadline);
    if (answer === "unknown") return false;
    echoed = answer;
    if (echoed === INTERFACE_CONDITION) return true;
    // One CMD0 is not enough for some cards (Zephyr PR 77200).
    await resetCard(line, deadline);
  }
  throw badInterface(echoed);
}

/** The echo's 12 bits; undefined for silence or half an answer. */
async function interfaceAnswer(
  line: CardLine,
  deadline: Deadline,
): Promise<number | "unknown" | undefined> {
  try {
    const { r1, extra } = await line.command("CMD8_SEND_IF_COND", INTERFACE_CONDITION, deadline);
    if (r1 & R1.illegalCommand) return "unknown";
    const [, , voltage, pattern] = extra;
    if (voltage === undefined || pattern === undefined) return undefined;
    return ((voltage & 0x0f) << 8) | pattern;
  } catch (error) {
    if (errorCode(error) !== "CARD_NO_RESPONSE") throw error;
    return undefined;
  }
}

function badInterface(echoed: number | undefined): CardError {
  if (echoed === undefined) {
    return new CardError("CARD_NO_RESPONSE", "the card does not answer CMD8", {
      hint: HINT.wiring,
    });
  }
  const details = { sent: INTERFACE_CONDITION, echoed };
  if ((echoed & 0xff) === (INTERFACE_CONDITION & 0xff)) {
    return new CardError("CARD_UNUSABLE", "the card does not run at 2.7 to 3.6 V", {
      details,
      hint: "it needs another supply voltage: do not use it with this adapter",
    });
  }
  return new CardError("CARD_CRC", "the card does not echo the pattern of CMD8", {
    details,
    hint: HINT.wiring,
  });
}

/** CMD59. Some cards refuse it, some only the first time; without it the integrity class is B. */
async function switchCrcOn(line: CardLine, deadline: Deadline): Promise<boolean> {
  for (let tries = 0; tries < CRC_OPTION_TRIES; tries++) {
    const { r1 } = await line.command("CMD59_CRC_ON_OFF", 1, deadline);
    if ((r1 & ~(R1.idle | R1.eraseReset)) === 0) return true;
    line.log.debug({ r1 }, "CMD59 refused");
  }
  line.log.warn({}, "the card refuses CRC checking");
  return false;
}

/** ACMD41 until ready; false if the card is no SD card. Nothing but CMD55 may come between (SD Physical Layer 7.2.1). */
async function powerUpSd(line: CardLine, version2: boolean, deadline: Deadline): Promise<boolean> {
  const argument = version2 ? HOST_CAPACITY_SUPPORT : 0;
  const r1 = await powerUp(line, "ACMD41_SD_SEND_OP_COND", argument, deadline);
  if (!(r1 & R1.illegalCommand)) return true;
  if (!version2) return false;
  throw new CardError("CARD_REFUSED", "the card knows CMD8 but refuses ACMD41", {
    details: { r1 },
    hint: HINT.powerCycle,
  });
}

async function powerUpMmc(line: CardLine, deadline: Deadline): Promise<void> {
  const r1 = await powerUp(line, "CMD1_SEND_OP_COND", HOST_CAPACITY_SUPPORT, deadline);
  if (!(r1 & R1.illegalCommand)) return;
  throw new CardError(
    "CARD_UNUSABLE",
    "the card is neither SD nor MMC: it refuses ACMD41 and CMD1",
    {
      details: { r1 },
      hint: "eMMC has no SPI mode, and SDIO cards hold no blocks",
    },
  );
}

/** Repeats a command until R1 is 00, or "illegal command"; returns that R1. */
async function powerUp(
  line: CardLine,
  name: CommandName,
  argument: number,
  deadline: Deadline,
): Promise<number> {
  const phase = line.within(deadline, TIMING.powerUpMs);
  for (let tries = 1; ; tries++) {
    const { r1 } = await line.command(name, argument, deadline);
    if (r1 === 0 || r1 & R1.illegalCommand) return r1;
    if (expired(line.clock, phase)) throw neverReady(line, name, r1, deadline);
    await line.clock.sleep(Math.min(tries * 1000, MAX_POLL_US));
  }
}

function neverReady(line: CardLine, name: CommandName, r1: number, deadline: Deadline): CardError {
  const details = { command: name, r1 };
  if (expired(line.clock, deadline)) {
    return new CardError("CARD_TIMEOUT", "the deadline passed while the card initialised itself", {
      details,
      hint: "give it more time (--timeout)",
    });
  }
  return new CardError("CARD_UNUSABLE", "the card never ends its initialisation", {
    details,
    hint: HINT.powerCycle,
  });
}

/** CMD58. Its R1 may still say "idle" (QEMU); what counts is bit 31. */
async function readOcr(line: CardLine, family: CardFamily, deadline: Deadline): Promise<Ocr> {
  const phase = line.within(deadline, TIMING.ocrMs);
  for (;;) {
    const { r1, extra } = await line.command("CMD58_READ_OCR", 0, deadline);
    if (r1 & ~(R1.idle | R1.eraseReset) || extra.length < 4) throw refused("CMD58_READ_OCR", r1);
    const ocr = decodeOcr(viewOf(extra).getUint32(0), family);
    if (ocr.poweredUp) return checkVoltage(ocr);
    if (expired(line.clock, phase)) {
      throw new CardError("CARD_UNUSABLE", "the card's OCR says that it is not powered up", {
        details: { ocr: ocr.raw },
        hint: HINT.powerCycle,
      });
    }
    await line.clock.sleep(1000);
  }
}

function checkVoltage(ocr: Ocr): Ocr {
  if (runsAt3V3(ocr)) return ocr;
  throw new CardError("CARD_UNUSABLE", "the card does not run at 3.3 V", {
    details: { ocr: ocr.raw, supplyMv: ocr.supplyMv },
    hint: "it needs another supply voltage: do not use it with this adapter",
  });
}
