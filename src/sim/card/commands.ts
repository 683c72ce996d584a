import { Core, R1, R2 } from "./core.js";
import { SECTOR } from "./flash.js";

/** Runs one command that was received whole and right. */
type Handler = (core: Core, argument: number) => void;

const STUFF_BYTE = 0x2a;
const HIGH_CAPACITY = 0x40000000;
const POWERED_UP = 0x80000000;
const BUSY_AFTER_CMD55 = { bytes: 6 };
const SWITCH_SUPPORT = [
  0, 100, 0x80, 0x01, 0x80, 0x01, 0x80, 0x01, 0x80, 0x01, 0x80, 0x01, 0x80, 0x03,
];

function goIdle(core: Core): void {
  const { power, password, locked, protectedGroups, cmd59Failed, startUpBytes, spi, ready } =
    core.state;
  core.dropTransfer();
  const inUse = spi && ready;
  core.state = {
    ...core.poweredUp(),
    power,
    password,
    locked,
    protectedGroups,
    cmd59Failed,
    startUpBytes,
    spi: true,
    usedBefore: true,
  };
  if (inUse && core.has("cmd0-answers-00")) {
    core.out.fill(0xff, core.options.ncr);
    core.out.bytes(Uint8Array.of(0));
  } else core.respond(0);
}

/** ACMD41, and CMD1: ready once the time has passed since it was first asked for. */
function initialise(core: Core, argument: number): void {
  const { state } = core;
  if (state.initStartUs === undefined) {
    state.initStartUs = core.nowUs;
    state.hostSupportsHc = (argument & HIGH_CAPACITY) !== 0;
  }
  const highCapacity = !core.byteAddressed;
  if (
    core.nowUs - state.initStartUs >= core.options.initialisationUs &&
    (!highCapacity || state.hostSupportsHc)
  )
    state.ready = true;
  core.respond(0);
}

function interfaceCondition(core: Core, argument: number): void {
  const version1 = core.isMmc || core.options.kind === "sdsc";
  if (version1 || core.state.ready) {
    core.respond(R1.illegal);
    return;
  }
  const voltage = (argument >> 8) & 0xf;
  core.respond(0, [0, 0, voltage === 1 ? 1 : 0, argument & 0xff]);
}

function sendRegister(register: (core: Core) => Uint8Array, zeroFirst = false): Handler {
  return (core) => {
    core.respond(0);
    if (zeroFirst && core.has("register-zero-first")) core.out.fill(0, 1);
    core.state.sending = true;
    core.sendBlock(register(core), core.options.registerNac);
  };
}

function stopTransmission(core: Core): void {
  if (core.state.reading === undefined) {
    core.respond(R1.illegal);
    return;
  }
  core.dropTransfer();
  core.out.bytes(Uint8Array.of(STUFF_BYTE));
  core.respond(0);
  core.startBusy(core.options.stopBusy);
}

/** Error bits clear when they have been read. */
function sendStatus(core: Core): void {
  core.respond(0, [core.state.status | (core.state.locked ? R2.locked : 0)]);
  core.state.status = 0;
}

function setBlockLength(core: Core, argument: number): void {
  const largest = core.byteAddressed ? 1 << core.options.readBlockLength : SECTOR;
  const legal = core.byteAddressed ? argument >= 1 && argument <= largest : argument === SECTOR;
  if (legal) core.state.blockLength = argument;
  core.respond(legal ? 0 : R1.parameter);
}

function readSingle(core: Core, argument: number): void {
  const address = core.addressOf(argument);
  const errors = core.accessErrors(address, core.state.blockLength);
  core.respond(errors);
  if (errors !== 0) return;
  core.state.sending = true;
  core.sendBlock(core.readBytes(address, core.state.blockLength), core.options.nac);
}

function readMultiple(core: Core, argument: number): void {
  if (core.has("single-block-only")) {
    core.respond(R1.illegal);
    return;
  }
  const address = core.addressOf(argument);
  const errors = core.accessErrors(address, core.state.blockLength);
  core.respond(errors);
  if (errors !== 0) return;
  core.out.wait(core.options.nac, core.nowUs);
  core.state.reading = address;
}

function write(what: "single" | "multi"): Handler {
  return (core, argument) => {
    if (what === "multi" && core.has("single-block-only")) {
      core.respond(R1.illegal);
      return;
    }
    const { blockLength } = core.state;
    const address = core.addressOf(argument);
    const misfit =
      blockLength % SECTOR !== 0 ? R1.parameter : address % SECTOR !== 0 ? R1.address : 0;
    const errors = misfit | core.accessErrors(address, blockLength);
    core.respond(errors);
    if (errors !== 0) return;
    if (what === "multi") core.state.wellWritten = 0;
    core.state.receiving = { what, address, length: blockLength, collecting: false, at: 0 };
  };
}

function writeOther(what: "csd" | "lock"): Handler {
  return (core) => {
    core.respond(0);
    core.state.receiving = {
      what,
      address: 0,
      length: what === "csd" ? 16 : core.state.blockLength,
      collecting: false,
      at: 0,
    };
  };
}

function eraseBound(which: "eraseStart" | "eraseEnd"): Handler {
  return (core, argument) => {
    const address = core.addressOf(argument);
    if (which === "eraseEnd" && core.state.eraseStart === undefined) {
      core.respond(R1.eraseSequence);
      return;
    }
    const errors = core.accessErrors(address, 1);
    if (errors === 0) core.state[which] = Math.floor(address / SECTOR);
    core.respond(errors);
  };
}

function erase(core: Core): void {
  const { eraseStart, eraseEnd } = core.state;
  core.state.eraseStart = undefined;
  core.state.eraseEnd = undefined;
  if (eraseStart === undefined || eraseEnd === undefined) {
    core.respond(R1.eraseSequence);
    return;
  }
  core.respond(0);
  if (core.options.writeProtect !== "none") core.state.status |= R2.protected;
  else if (eraseEnd < eraseStart) core.state.status |= R2.eraseParameter;
  else core.state.erasing = [eraseStart, eraseEnd];
  core.startBusy(core.options.eraseBusy);
}

function protectGroup(on: boolean): Handler {
  return (core, argument) => {
    if (!core.byteAddressed) {
      core.respond(R1.illegal);
      return;
    }
    const group = Math.floor(argument / SECTOR / Core.PROTECT_GROUP);
    const others = core.state.protectedGroups.filter((one) => one !== group);
    core.state.protectedGroups = on ? [...others, group] : others;
    core.respond(0);
    core.startBusy(core.options.stopBusy);
  };
}

function sendProtection(core: Core, argument: number): void {
  if (!core.byteAddressed) {
    core.respond(R1.illegal);
    return;
  }
  const first = Math.floor(argument / SECTOR / Core.PROTECT_GROUP);
  const bytes = [3, 2, 1, 0].map((byte) => {
    let bits = 0;
    for (let bit = 0; bit < 8; bit++)
      if (core.state.protectedGroups.includes(first + byte * 8 + bit)) bits |= 1 << bit;
    return bits;
  });
  core.respond(0);
  core.state.sending = true;
  core.sendBlock(Uint8Array.from(bytes), core.options.registerNac);
}

function switchFunction(core: Core, argument: number): void {
  const highSpeed = (argument & 0xf) === 1;
  if (argument >>> 31 === 1 && highSpeed) core.state.highSpeed = true;
  const status = new Uint8Array(64);
  status.set(SWITCH_SUPPORT);
  status[16] = highSpeed ? 1 : 0;
  sendRegister(() => status)(core, argument);
}

function applicationCommand(core: Core): void {
  core.state.app = true;
  core.respond(0);
  if (core.has("busy-after-cmd55")) core.startBusy(BUSY_AFTER_CMD55);
}

function readOcr(core: Core): void {
  const ready = core.state.ready;
  const ocr =
    (core.registers.ocr |
      (ready ? POWERED_UP : 0) |
      (ready && !core.byteAddressed ? HIGH_CAPACITY : 0)) >>>
    0;
  core.respond(0, [ocr >>> 24, (ocr >> 16) & 0xff, (ocr >> 8) & 0xff, ocr & 0xff]);
}

function crcOnOff(core: Core, argument: number): void {
  if (core.has("cmd59-refused")) {
    core.respond(R1.illegal);
  } else if (core.has("cmd59-first-fails") && !core.state.cmd59Failed) {
    core.state.cmd59Failed = true;
    core.respond(R1.crc);
  } else {
    core.state.crcOn = (argument & 1) === 1 || core.has("crc-always");
    core.respond(0);
  }
}

function setBlockCount(core: Core, argument: number): void {
  if (core.isMmc) core.state.blockCount = argument & 0xffff;
  core.respond(core.isMmc ? 0 : R1.illegal);
}

/** The commands in SPI mode (SD Physical Layer table 7-3); what is not here is illegal. */
export const COMMANDS: Readonly<Record<number, Handler>> = {
  0: goIdle,
  1: initialise,
  6: switchFunction,
  8: interfaceCondition,
  9: sendRegister((core) => core.registers.csd, true),
  10: sendRegister((core) => core.registers.cid, true),
  12: stopTransmission,
  13: sendStatus,
  16: setBlockLength,
  17: readSingle,
  18: readMultiple,
  23: setBlockCount,
  24: write("single"),
  25: write("multi"),
  27: writeOther("csd"),
  28: protectGroup(true),
  29: protectGroup(false),
  30: sendProtection,
  32: eraseBound("eraseStart"),
  33: eraseBound("eraseEnd"),
  35: eraseBound("eraseStart"),
  36: eraseBound("eraseEnd"),
  38: erase,
  42: writeOther("lock"),
  55: applicationCommand,
  58: readOcr,
  59: crcOnOff,
};

/** Commands that only one family has. */
const SD_ONLY = new Set([6, 8, 32, 33, 55]);
const MMC_ONLY = new Set([23, 35, 36]);
const IDLE_LEGAL = new Set([0, 1, 8, 13, 55, 58, 59]);

/** @returns the handler, or undefined where the command is illegal now */
export function commandHandler(core: Core, index: number): Handler | undefined {
  if (core.isMmc ? SD_ONLY.has(index) : MMC_ONLY.has(index)) return undefined;
  if (!core.state.ready && !IDLE_LEGAL.has(index)) return undefined;
  return COMMANDS[index];
}

/** Application commands (table 7-4). */
export const APPLICATION_COMMANDS: Readonly<Record<number, Handler>> = {
  13: (core) => {
    core.respond(0, [core.state.status]);
    core.state.status = 0;
    core.state.sending = true;
    core.sendBlock(core.registers.ssr, core.options.registerNac);
  },
  22: (core) => {
    const count = core.state.wellWritten;
    sendRegister(() =>
      Uint8Array.of(count >>> 24, (count >> 16) & 0xff, (count >> 8) & 0xff, count & 0xff),
    )(core, 0);
  },
  23: (core, argument) => {
    core.state.preErased = argument & 0x7fffff;
    core.respond(0);
  },
  41: initialise,
  42: (core) => core.respond(0),
  51: sendRegister((core) => core.registers.scr),
};
