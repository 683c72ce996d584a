import { crc16 } from "../../util/crc.js";
import { R2, RESPONSE, TOKEN } from "./codes.js";
import type { Core } from "./core.js";
import { announceRest } from "./data-commands.js";
import { SECTOR } from "./flash.js";
import { lockCard } from "./lock.js";
import { sealRegister } from "./registers.js";
import type { Receiving } from "./state.js";

const CRC_BYTES = 2;
const JUNK_AFTER_STOP = 0x3c;
const IDLE = 0xff;
/** Byte of the CSD with the bits that CMD27 may change; those before are read-only (SD Physical Layer 5.3). */
const CSD_WRITABLE = 14;
const TEMPORARY_PROTECTION = 0x10;
/** Reserved, or the ECC field of MMC: free. */
const CSD_FREE = 0x03;

/** Takes one byte while a token is awaited. */
export function awaitToken(core: Core, receiving: Receiving, byte: number, quiet: number): void {
  const multi = receiving.what === "multi";
  const isStop = multi && byte === TOKEN.stop;
  const isStart = byte === (multi ? TOKEN.multiBlock : TOKEN.block);
  if (!isStart && !isStop) {
    if (byte !== IDLE) core.violation("junk", `${byte.toString(16)} where a token is awaited`);
    return;
  }
  if (quiet === 0) core.violation("nwr", `token ${byte.toString(16)}`);
  if (isStop) stop(core);
  else start(core, receiving);
}

function start(core: Core, receiving: Receiving): void {
  if (receiving.refused !== undefined) core.violation("block-after-error", "a data token");
  receiving.collecting = true;
  receiving.at = 0;
}

function stop(core: Core): void {
  core.endReceiving();
  core.out.fill(core.has("junk-after-stop") ? JUNK_AFTER_STOP : IDLE, 1);
  core.startBusy(core.options.stopBusy);
}

/** Bytes of the current block that are still to come, its CRC included. */
export function blockBytesLeft(receiving: Receiving): number {
  return receiving.length + CRC_BYTES - receiving.at;
}

/** The block in the inbox is complete: answers it, and programs it if it is right. */
export function finishBlock(core: Core, receiving: Receiving): void {
  receiving.collecting = false;
  const { length } = receiving;
  const data = core.inbox.subarray(0, length);
  const response = receiving.refused ?? judge(core, receiving, data);
  core.out.fill(IDLE, core.options.dataResponseDelay);
  core.out.bytes(Uint8Array.of(core.options.dataResponseUpperBits | response));
  if (response === RESPONSE.accepted) accept(core, receiving, data);
  else if (receiving.what === "multi") receiving.refused = response;
  else core.state.receiving = undefined;
}

function judge(core: Core, receiving: Receiving, data: Uint8Array): number {
  if (!crcFits(core, data)) return RESPONSE.crcError;
  if (receiving.what === "lock") return RESPONSE.accepted;
  if (receiving.what === "csd") return judgeCsd(core, data);
  const sector = receiving.address / SECTOR;
  if (core.faults.take("write-crc", sector) !== undefined) return RESPONSE.crcError;
  const reason = refusal(core, receiving, sector);
  core.state.status |= reason;
  return reason === 0 ? RESPONSE.accepted : RESPONSE.writeError;
}

function crcFits(core: Core, data: Uint8Array): boolean {
  const { inbox, state } = core;
  const { length } = data;
  const crc = ((inbox[length] as number) << 8) | (inbox[length + 1] as number);
  if (crc === crc16(data)) return true;
  if (state.crcOn) core.counters.crcErrors++;
  else core.violation("unchecked-crc", "a data block");
  return !state.crcOn;
}

/** R2 bits for a block that cannot be written; 0 for one that can. */
function refusal(core: Core, receiving: Receiving, sector: number): number {
  if (receiving.address + receiving.length > core.sectorCount * SECTOR) return R2.outOfRange;
  if (core.isProtected(sector)) return R2.protected;
  return core.faults.take("write-error", sector) === undefined ? 0 : R2.error;
}

/** Only TMP_WRITE_PROTECT may be cleared; the other writable bits may be set once. */
function judgeCsd(core: Core, data: Uint8Array): number {
  const { csd } = core.state;
  const readOnly = csd.subarray(0, CSD_WRITABLE).every((byte, at) => byte === data[at]);
  const [old, now] = [csd[CSD_WRITABLE] as number, data[CSD_WRITABLE] as number];
  const cleared = old & ~now & ~(TEMPORARY_PROTECTION | CSD_FREE);
  if (readOnly && cleared === 0) return RESPONSE.accepted;
  core.state.status |= R2.outOfRange;
  return RESPONSE.writeError;
}

function accept(core: Core, receiving: Receiving, data: Uint8Array): void {
  if (receiving.what === "csd") core.state.csd = sealRegister(data.slice());
  else if (receiving.what === "lock") lockCard(core, data);
  else program(core, receiving, data);
  if (receiving.what !== "multi" || receiving.blocksLeft === 0) core.state.receiving = undefined;
  core.startBusy(core.options.busy);
}

function program(core: Core, receiving: Receiving, data: Uint8Array): void {
  const sector = receiving.address / SECTOR;
  if (core.faults.take("program-error", sector) !== undefined) core.state.status |= R2.error;
  else core.cells.accept(sector, data, core.clockedBytes);
  core.counters.blocksWritten++;
  receiving.address += receiving.length;
  core.state.wellWritten++;
  if (receiving.blocksLeft !== undefined) receiving.blocksLeft--;
  announceRest(core);
}
