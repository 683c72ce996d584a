import { R1, R2 } from "./codes.js";
import type { Core } from "./core.js";
import { SECTOR } from "./flash.js";

/** Runs one command that was received whole and right. */
export type Handler = (core: Core, argument: number) => void;

const HIGH_CAPACITY = 0x40000000;
const POWERED_UP = 0x80000000;
/** OCR windows 3.2 to 3.4 V. */
const RUNS_AT_3V3 = 0x00300000;
const BUSY_AFTER_CMD55 = { bytes: 6 };
/** CMD6: 100 mA; functions 0 and 1 of group 1, function 0 of the others (SD Physical Layer table 4-13). */
const SWITCH_STATUS = [
  0, 100, 0x80, 0x01, 0x80, 0x01, 0x80, 0x01, 0x80, 0x01, 0x80, 0x01, 0x80, 0x03,
];
const HIGH_SPEED = 1;
const NO_CHANGE = 0xf;
const GROUP_1_BYTE = 16;

/** CMD0: everything but the cells, the lock and the protection is as after power-up, in SPI mode. */
export function goIdle(core: Core): void {
  const { startUpBytes, resets, cmd59Failed, locked, spi, ready } = core.state;
  core.dropTransfer();
  core.cells.announce(undefined);
  core.state = { ...core.poweredUp(), startUpBytes, cmd59Failed, locked };
  core.state.spi = true;
  core.state.resets = resets + 1;
  if (spi && ready && core.has("cmd0-answers-00")) {
    core.out.fill(0xff, core.options.ncr);
    core.out.bytes(Uint8Array.of(0));
  } else core.respond(0);
}

/** ACMD41, and CMD1: ready once the time has passed since it was first asked for. */
export function initialise(core: Core, argument: number): void {
  const { state, options } = core;
  if ((argument & ~HIGH_CAPACITY) !== 0) {
    core.violation("argument", `initialisation with ${(argument >>> 0).toString(16)}`);
    if (core.has("ocr-bits-stall")) state.stalled = true;
  }
  if (state.initStartUs === undefined) {
    state.initStartUs = core.nowUs;
    // HCS counts only the first time, and only from a host that knows CMD8.
    state.hostSupportsHc = state.cmd8Passed && (argument & HIGH_CAPACITY) !== 0;
  }
  const supported = core.byteAddressed || state.hostSupportsHc;
  const over = core.nowUs - state.initStartUs >= options.initialisationUs;
  if (over && supported && !state.stalled) state.ready = true;
  core.respond(0);
}

/** CMD8. */
export function interfaceCondition(core: Core, argument: number): void {
  if (!core.version2 || core.state.ready) {
    core.respond(R1.illegal);
    return;
  }
  const offered = (argument >> 8) & 0xf;
  const runs = offered === 1 && (core.registers.ocr & RUNS_AT_3V3) !== 0;
  core.state.cmd8Passed = runs;
  core.respond(0, [0, 0, runs ? 1 : 0, argument & 0xff]);
}

export function sendCsd(core: Core): void {
  core.respond(0);
  if (core.has("register-zero-first")) core.out.fill(0, 1);
  core.sendRegister(core.state.csd);
}

export function sendCid(core: Core): void {
  core.respond(0);
  if (core.has("register-zero-first")) core.out.fill(0, 1);
  core.sendRegister(core.registers.cid);
}

export function sendScr(core: Core): void {
  core.respond(0);
  core.sendRegister(core.registers.scr);
}

/** CMD13 and the R2 of ACMD13: error bits clear when they have been read. */
function respondStatus(core: Core): void {
  core.respond(0, [core.state.status | (core.state.locked ? R2.locked : 0)]);
  core.state.status = 0;
}

export function sendStatus(core: Core): void {
  respondStatus(core);
}

export function sendSdStatus(core: Core): void {
  respondStatus(core);
  core.sendRegister(core.registers.ssr);
}

/** ACMD22, big endian. */
export function sendWellWritten(core: Core): void {
  const count = core.state.wellWritten;
  core.respond(0);
  core.sendRegister(
    Uint8Array.of(count >>> 24, (count >> 16) & 0xff, (count >> 8) & 0xff, count & 0xff),
  );
}

/** CMD16. High-capacity cards take it for CMD42 only: their blocks stay 512 bytes. */
export function setBlockLength(core: Core, argument: number): void {
  const largest = core.byteAddressed ? 1 << core.facts.readBlockLength : SECTOR;
  const legal = argument >= 1 && argument <= largest;
  if (legal) core.state.blockLength = argument;
  core.respond(legal ? 0 : R1.parameter);
}

/** CMD6 of SD cards from 1.10. Group 1 can be default or high speed; what it cannot is answered with F. */
export function switchFunction(core: Core, argument: number): void {
  const asked = argument & 0xf;
  const possible = asked <= HIGH_SPEED || asked === NO_CHANGE;
  const wanted = asked === NO_CHANGE ? Number(core.state.highSpeed) : asked;
  const set = argument >>> 31 === 1 && possible;
  if (set) core.state.highSpeed = wanted === HIGH_SPEED;
  const status = new Uint8Array(64);
  status.set(SWITCH_STATUS);
  status[GROUP_1_BYTE] = possible ? wanted : NO_CHANGE;
  core.respond(0);
  core.sendRegister(status);
  if (core.state.highSpeed && core.has("cmd6-silences")) core.state.dead = true;
}

export function applicationCommand(core: Core): void {
  core.state.app = true;
  core.respond(0);
  if (core.has("busy-after-cmd55")) core.startBusy(BUSY_AFTER_CMD55);
}

export function readOcr(core: Core): void {
  const ready = core.state.ready;
  const status = ready ? POWERED_UP | (core.byteAddressed ? 0 : HIGH_CAPACITY) : 0;
  const ocr = core.registers.ocr | status;
  core.respond(0, [ocr >>> 24, (ocr >> 16) & 0xff, (ocr >> 8) & 0xff, ocr & 0xff]);
}

export function crcOnOff(core: Core, argument: number): void {
  const { state } = core;
  if (core.has("cmd59-refused")) core.respond(R1.illegal);
  else if (core.has("cmd59-first-fails") && !state.cmd59Failed) {
    state.cmd59Failed = true;
    core.respond(R1.crc);
  } else {
    state.crcOn = (argument & 1) === 1 || core.has("crc-always");
    core.respond(0);
  }
}
