import {
  applicationCommand,
  crcOnOff,
  goIdle,
  type Handler,
  initialise,
  interfaceCondition,
  readOcr,
  sendCid,
  sendCsd,
  sendScr,
  sendSdStatus,
  sendStatus,
  sendWellWritten,
  setBlockLength,
  switchFunction,
} from "./basic-commands.js";
import { R1 } from "./codes.js";
import type { Core } from "./core.js";
import {
  lockUnlock,
  programCsd,
  readMultiple,
  readSingle,
  setBlockCount,
  setPreErase,
  stopTransmission,
  write,
} from "./data-commands.js";
import { erase, eraseBound, protectGroup, sendProtection } from "./erase-commands.js";

/** When a command may be given, besides transfer state. */
interface Command {
  readonly run: Handler;
  /** Also while the card initialises itself. */
  readonly idle?: true;
  /** Also while the card is locked: classes 0 and 7, and what leads to ACMD41 (SD Physical Layer 4.3.7). */
  readonly locked?: true;
  readonly family?: "sd" | "mmc";
  /** Part of an erase sequence: does not end one. */
  readonly erase?: true;
  /** Only cards with write-protect groups. */
  readonly groups?: true;
}

/** The commands in SPI mode (SD Physical Layer table 7-3, JESD84 for MMC); what is not here is illegal. */
const COMMANDS: Readonly<Record<number, Command>> = {
  0: { run: goIdle, idle: true, locked: true },
  1: { run: initialise, idle: true, locked: true },
  6: { run: switchFunction, family: "sd" },
  8: { run: interfaceCondition, idle: true, locked: true, family: "sd" },
  9: { run: sendCsd, locked: true },
  10: { run: sendCid, locked: true },
  12: { run: stopTransmission, locked: true },
  13: { run: sendStatus, idle: true, locked: true, erase: true },
  16: { run: setBlockLength, locked: true },
  17: { run: readSingle },
  18: { run: readMultiple },
  23: { run: setBlockCount, family: "mmc" },
  24: { run: write("single") },
  25: { run: write("multi") },
  27: { run: programCsd },
  28: { run: protectGroup(true), groups: true },
  29: { run: protectGroup(false), groups: true },
  30: { run: sendProtection, groups: true },
  32: { run: eraseBound("eraseStart"), family: "sd", erase: true },
  33: { run: eraseBound("eraseEnd"), family: "sd", erase: true },
  35: { run: eraseBound("eraseStart"), family: "mmc", erase: true },
  36: { run: eraseBound("eraseEnd"), family: "mmc", erase: true },
  38: { run: erase, erase: true },
  42: { run: lockUnlock, locked: true },
  55: { run: applicationCommand, idle: true, locked: true, family: "sd" },
  58: { run: readOcr, idle: true, locked: true },
  59: { run: crcOnOff, idle: true, locked: true },
};

/** Application commands (table 7-4). */
const APPLICATION_COMMANDS: Readonly<Record<number, Command>> = {
  13: { run: sendSdStatus },
  22: { run: sendWellWritten },
  23: { run: setPreErase },
  41: { run: initialise, idle: true, locked: true },
  /** The pull-up of CS: nothing that can be seen here. */
  42: { run: (core) => core.respond(0), locked: true },
  51: { run: sendScr },
};
const RESET = 0;
const INITIALISE_MMC = 1;
const APPLICATION = 55;
const INITIALISE_SD = 41;
const MULTIPLE = new Set([18, 25]);

/** Runs a command that came whole, in a state in which the card hears it. */
export function runCommand(core: Core, index: number, argument: number): void {
  const { state } = core;
  const application = state.app && index !== APPLICATION && APPLICATION_COMMANDS[index];
  core.counters.command(Boolean(application), index);
  const command = application || COMMANDS[index];
  const initialises = state.app ? INITIALISE_SD : INITIALISE_MMC;
  state.app = false;
  if (command === undefined || !isLegal(core, command, index)) {
    core.respond(R1.illegal);
    return;
  }
  checkInitialisation(core, index, initialises);
  cancelErase(core, command);
  const { blockCount } = state;
  command.run(core, argument);
  // CMD23 is for the next command only.
  if (blockCount !== undefined && core.state.blockCount === blockCount && index !== 23)
    core.state.blockCount = undefined;
}

function isLegal(core: Core, command: Command, index: number): boolean {
  const { state } = core;
  const family = core.isMmc ? "mmc" : "sd";
  if (command.family !== undefined && command.family !== family) return false;
  if (!state.ready && command.idle !== true) return false;
  if (state.locked && command.locked !== true) return false;
  if (command.groups === true && core.facts.protectSectors === 0) return false;
  return !(MULTIPLE.has(index) && core.has("single-block-only"));
}

/** Between ACMD41s only CMD55 and CMD0 are allowed, between CMD1s only CMD0 (SD Physical Layer 7.2.1). */
function checkInitialisation(core: Core, index: number, initialises: number): void {
  const { initStartUs, ready } = core.state;
  if (initStartUs === undefined || ready) return;
  if (index === RESET || index === APPLICATION || index === initialises) return;
  core.violation("initialisation", `CMD${index}`);
}

/** Any other command ends an erase sequence that was begun, and says so. */
function cancelErase({ state }: Core, command: Command): void {
  if (state.eraseStart === undefined || command.erase === true) return;
  state.eraseStart = undefined;
  state.eraseEnd = undefined;
  state.r1Once = R1.eraseReset;
}
