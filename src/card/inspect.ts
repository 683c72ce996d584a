import { BLOCK_SIZE } from "../block/device.js";
import { CardError } from "../spi/errors.js";
import { fromHex } from "../util/bytes.js";
import type { Deadline } from "../util/deadline.js";
import { errorCode } from "../util/errors.js";
import { type CardLine, refused } from "./card-line.js";
import { buildCommand, type CommandName } from "./commands.js";
import { HINT } from "./errors.js";
import type { IntegrityClass } from "./identity.js";
import type { Initialised } from "./initialise.js";
import { R1 } from "./r1.js";
import { type Cid, decodeCid } from "./registers/cid.js";
import { type Csd, decodeCsd } from "./registers/csd.js";
import { registerCrc } from "./registers/register-crc.js";
import { decodeScr, type Scr } from "./registers/scr.js";
import { decodeSsr, type Ssr } from "./registers/ssr.js";
import { R2 } from "./status.js";
import { TIMING } from "./timing.js";

const REGISTER_TRIES = 3;

/** The registers of a card in transfer state. */
export interface CardRegisters {
  readonly cid: Cid;
  readonly csd: Csd;
  readonly scr?: Scr;
  readonly ssr?: Ssr;
}

/** CMD59 accepted is no proof: a CMD13 with a wrong CRC7 must be answered with a CRC error. */
export async function proveCrc(
  line: CardLine,
  crc: boolean,
  deadline: Deadline,
): Promise<IntegrityClass> {
  if (!crc) return "B";
  const proved = await probeCrc(line, deadline);
  if (!line.bus.stateKnown) await line.bus.recover(line.within(deadline, TIMING.recoverMs));
  // QEMU's card shows the probe's error once more; real cards show it in R2.
  await line.status(deadline);
  if (!proved) line.log.warn({}, "the card accepts CMD59 but does not check CRCs");
  return proved ? "A" : "B";
}

async function probeCrc(line: CardLine, deadline: Deadline): Promise<boolean> {
  try {
    const command = buildCommand("CMD13_SEND_STATUS");
    const { r1 } = await line.bus.probeCrc(command, line.within(deadline, TIMING.responseMs));
    return (r1 & R1.crcError) !== 0;
  } catch (error) {
    if (errorCode(error) !== "CARD_NO_RESPONSE") throw error;
    return false;
  }
}

/**
 * A clean status and 512-byte blocks, before anything is read.
 * @throws CardError CARD_LOCKED; CARD_ERROR if the card does not take part
 */
export async function checkTransferState(
  line: CardLine,
  ocr: Initialised["ocr"],
  deadline: Deadline,
): Promise<void> {
  await line.status(deadline);
  const { r1, r2 } = await line.status(deadline);
  if (r2 & R2.locked) {
    throw new CardError("CARD_LOCKED", "the card is locked by a password", {
      details: { r1, r2 },
      hint: HINT.locked,
    });
  }
  if (r1 & ~R1.eraseReset) throw refused("CMD13_SEND_STATUS", r1);
  if (!ocr.highCapacity) await line.expect("CMD16_SET_BLOCKLEN", BLOCK_SIZE, deadline);
}

/** @throws CardError CARD_CRC if the CRC7 inside CID or CSD stays wrong; what the bus throws */
export async function readRegisters(
  line: CardLine,
  { family }: Initialised,
  deadline: Deadline,
): Promise<CardRegisters> {
  const csd = decodeCsd(await checkedRegister(line, "CMD9_SEND_CSD", deadline), family);
  const { mmcSpecVersion } = csd;
  const rawCid = await checkedRegister(line, "CMD10_SEND_CID", deadline);
  const mmc = mmcSpecVersion === undefined ? {} : { specVersion: mmcSpecVersion };
  const cid = decodeCid(rawCid, family, mmc);
  if (family === "MMC") return { cid, csd };
  const scr = await optionalRegister(line, "ACMD51_SEND_SCR", deadline);
  const ssr = await optionalRegister(line, "ACMD13_SD_STATUS", deadline);
  return {
    cid,
    csd,
    ...(scr !== undefined && { scr: decodeScr(scr) }),
    ...(ssr !== undefined && { ssr: decodeSsr(ssr) }),
  };
}

/** A register that carries its own CRC7, which a live card sends right. */
async function checkedRegister(
  line: CardLine,
  name: CommandName,
  deadline: Deadline,
): Promise<Uint8Array> {
  for (let tries = 1; ; tries++) {
    const register = await line.register(name, deadline);
    const crc = registerCrc(register);
    if (crc.state === "ok") return register;
    line.counters.crcErrors++;
    if (tries < REGISTER_TRIES) continue;
    throw new CardError("CARD_CRC", `the card's ${name.slice(-3)} has a wrong CRC7`, {
      details: { command: name, stored: crc.stored, computed: crc.computed },
      hint: `${HINT.wiring}; a card that always sends it is a fake`,
    });
  }
}

/** What the card may lack without harm. */
async function optionalRegister(
  line: CardLine,
  name: CommandName,
  deadline: Deadline,
): Promise<Uint8Array | undefined> {
  try {
    return await line.register(name, deadline);
  } catch (error) {
    if (errorCode(error) !== "CARD_ERROR") throw error;
    line.log.info({ command: name, error: String(error) }, "the card has no such register");
    await line.status(line.within(deadline, TIMING.responseMs));
    return undefined;
  }
}

/** The CID once more, to prove a clock; false if it did not come through. */
export async function rereadCid(line: CardLine, cid: Cid, deadline: Deadline): Promise<boolean> {
  const register = await line.register("CMD10_SEND_CID", deadline);
  const expected = fromHex(cid.raw);
  return Buffer.compare(register, expected) === 0;
}
