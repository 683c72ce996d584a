import type { Handler } from "./basic-commands.js";
import { R1, STUFF_BYTE, TOKEN } from "./codes.js";
import type { Core } from "./core.js";
import { SECTOR } from "./flash.js";
import type { Receiving } from "./state.js";

const CSD_BYTES = 16;

/** Blocks of 512 on high-capacity cards, whatever CMD16 said. */
function blockLengthOf(core: Core): number {
  return core.byteAddressed ? core.state.blockLength : SECTOR;
}

export function readSingle(core: Core, argument: number): void {
  const address = core.addressOf(argument);
  const length = blockLengthOf(core);
  const errors = core.accessErrors(address, length);
  core.respond(errors);
  if (errors !== 0) return;
  core.state.sending = true;
  core.out.wait(core.options.nac, core.nowUs);
  core.sendBlock(address, length, 0);
}

export function readMultiple(core: Core, argument: number): void {
  const address = core.addressOf(argument);
  const errors = core.accessErrors(address, blockLengthOf(core));
  core.respond(errors);
  if (errors !== 0) return;
  core.out.wait(core.options.nac, core.nowUs);
  core.state.reading = { address, blocksLeft: core.state.blockCount, over: false };
}

/** The next block of a stream; behind the last one an error token, and nothing more until CMD12. */
export function nextBlock(core: Core): void {
  const { reading } = core.state;
  if (reading === undefined || reading.over) return;
  if (reading.blocksLeft === 0) {
    core.state.reading = undefined;
    return;
  }
  const length = blockLengthOf(core);
  const { address } = reading;
  const first = reading.address;
  if (first + length > core.sectorCount * SECTOR) {
    reading.over = true;
    core.sendErrorToken(TOKEN.outOfRange);
    return;
  }
  reading.address = address + length;
  if (reading.blocksLeft !== undefined) reading.blocksLeft--;
  if (core.sendBlock(address, length, core.options.gap))
    core.out.wait(core.options.blockNac, core.nowUs);
  else reading.over = true;
}

/** CMD12: a stuff byte, then R1 and busy. */
export function stopTransmission(core: Core): void {
  const { reading, sending, receiving } = core.state;
  if (reading === undefined && !sending && receiving === undefined) {
    core.respond(R1.illegal);
    return;
  }
  if (receiving !== undefined) core.endReceiving();
  core.dropTransfer();
  core.out.bytes(Uint8Array.of(STUFF_BYTE));
  core.respond(0);
  core.startBusy(core.options.stopBusy);
}

export function write(what: "single" | "multi"): Handler {
  return (core, argument) => {
    const length = blockLengthOf(core);
    const address = core.addressOf(argument);
    const misfit = length % SECTOR !== 0 ? R1.parameter : address % SECTOR !== 0 ? R1.address : 0;
    const errors = misfit | core.accessErrors(address, length);
    core.respond(errors);
    if (errors !== 0) return;
    if (what === "single") core.state.preErased = 0;
    else core.state.wellWritten = 0;
    core.state.receiving = receive(what, address, length, core.state.blockCount);
    announceRest(core);
  };
}

/** What ACMD23 announced is undefined from the first block on. */
export function announceRest(core: Core): void {
  const { receiving, preErased, wellWritten } = core.state;
  if (receiving?.what !== "multi") return;
  const sector = receiving.address / SECTOR;
  const count = Math.min(core.sectorCount - sector, preErased - wellWritten);
  core.cells.announce(count > 0 ? { sector, count } : undefined);
}

export function programCsd(core: Core): void {
  core.respond(0);
  core.state.receiving = receive("csd", 0, CSD_BYTES, undefined);
}

export function lockUnlock(core: Core): void {
  core.respond(0);
  core.state.receiving = receive("lock", 0, core.state.blockLength, undefined);
}

function receive(
  what: Receiving["what"],
  address: number,
  length: number,
  blocksLeft: number | undefined,
): Receiving {
  return { what, address, length, collecting: false, at: 0, blocksLeft, refused: undefined };
}

/** CMD23 of an MMC: how many blocks the next CMD18 or CMD25 moves. */
export function setBlockCount(core: Core, argument: number): void {
  if (core.has("cmd23-hangs")) {
    core.state.dead = true;
    return;
  }
  const count = argument & 0xffff;
  core.state.blockCount = count === 0 ? undefined : count;
  core.respond(0);
}

/** ACMD23. */
export function setPreErase(core: Core, argument: number): void {
  core.state.preErased = argument & 0x7fffff;
  core.respond(0);
}
