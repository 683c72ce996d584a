import { crc16 } from "../../util/crc.js";
import { type Core, R2, type Receiving, TOKEN } from "./core.js";
import { SECTOR } from "./flash.js";

const ACCEPTED = 0x05;
const CRC_ERROR = 0x0b;
const WRITE_ERROR = 0x0d;
const CRC_BYTES = 2;
const JUNK_AFTER_STOP = 0x3c;
const LOCK = { setPassword: 0x01, clearPassword: 0x02, lock: 0x04, forceErase: 0x08 } as const;

/** Takes one byte while a token is awaited. */
export function awaitToken(core: Core, receiving: Receiving, byte: number): void {
  const multi = receiving.what === "multi";
  if (byte === (multi ? TOKEN.multiBlock : TOKEN.block)) {
    receiving.collecting = true;
    receiving.at = 0;
  } else if (multi && byte === TOKEN.stop) {
    core.finishPreErase();
    core.state.receiving = undefined;
    core.out.fill(core.has("junk-after-stop") ? JUNK_AFTER_STOP : 0xff, 1);
    core.startBusy(core.options.stopBusy);
  }
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
  const crc = ((core.inbox[length] as number) << 8) | (core.inbox[length + 1] as number);
  const wrong = core.state.crcOn && crc !== crc16(data);
  const response = wrong ? CRC_ERROR : judge(core, receiving, data);
  core.out.fill(0xff, core.options.dataResponseDelay);
  core.out.bytes(Uint8Array.of(core.options.dataResponseUpperBits | response));
  if (response === ACCEPTED) accept(core, receiving, data);
  else if (receiving.what !== "multi") core.state.receiving = undefined;
}

function judge(core: Core, receiving: Receiving, data: Uint8Array): number {
  if (receiving.what === "lock") return lockUnlock(core, data) ? ACCEPTED : WRITE_ERROR;
  if (receiving.what === "csd") return ACCEPTED;
  if (receiving.address + receiving.length > core.sectorCount * SECTOR) {
    core.state.status |= R2.outOfRange;
    return WRITE_ERROR;
  }
  if (!core.isProtected(receiving.address / SECTOR)) return ACCEPTED;
  core.state.status |= R2.protected;
  return WRITE_ERROR;
}

function accept(core: Core, receiving: Receiving, data: Uint8Array): void {
  if (receiving.what === "csd") core.registers.csd.set(data);
  if (receiving.what === "single" || receiving.what === "multi") {
    core.cells.accept(receiving.address / SECTOR, data, core.clockedBytes);
    receiving.address += receiving.length;
    core.state.wellWritten++;
  }
  if (receiving.what !== "multi") core.state.receiving = undefined;
  core.startBusy(core.options.busy);
}

/** CMD42 (SD Physical Layer 4.3.7): byte 0 flags, byte 1 length, then the password. */
function lockUnlock(core: Core, data: Uint8Array): boolean {
  const { state } = core;
  const flags = data[0] as number;
  const given = [...data.subarray(2, 2 + (data[1] as number))];
  if ((flags & LOCK.forceErase) !== 0) {
    core.eraseSectors(0, core.sectorCount - 1);
    Object.assign(state, { password: [], locked: false });
    return true;
  }
  const right =
    state.password.length === 0 || state.password.every((byte, at) => byte === given[at]);
  if (!right) {
    state.status |= R2.lockFailed;
    return true;
  }
  if ((flags & LOCK.setPassword) !== 0) state.password = given.slice(state.password.length);
  if ((flags & LOCK.clearPassword) !== 0) state.password = [];
  state.locked = (flags & LOCK.lock) !== 0;
  return true;
}
