import { BLOCK_SIZE } from "../block/device.js";
import { CardError } from "../spi/errors.js";
import { type Deadline, deadlineIn } from "../util/deadline.js";
import type { ErrorDetails } from "../util/errors.js";
import { shortName } from "./card-line.js";
import { buildCommand, type CommandName } from "./commands.js";
import { inContext, isReset } from "./errors.js";
import type { CardIdentity } from "./identity.js";
import { describeR1, R1 } from "./r1.js";
import { type CardSession, isCrcError, RetryBudget } from "./session.js";
import { TIMING } from "./timing.js";
import type { BlockTransfer } from "./transfer.js";

/** CCC bit of the erase commands. */
const CLASS_ERASE = 5;
/** Zeros written where the card can only erase more than was asked for. */
const FILL_BLOCKS = 128;
/** 4 MiB: the allocation unit of most cards that tell theirs. */
const USUAL_UNIT_BLOCKS = 8192;

/** True if the card has erase commands. */
export function canErase({ csd }: CardIdentity): boolean {
  return csd.classes.includes(CLASS_ERASE);
}

/** Milliseconds that erasing `blocks` may take (SD Physical Layer 4.14; Linux mmc core for MMC), before any cap. */
export function eraseBudgetMs(identity: CardIdentity, blocks: number): number {
  return Math.max(TIMING.eraseMinMs, unboundedEraseMs(identity, blocks));
}

function unboundedEraseMs({ kind, csd, ssr }: CardIdentity, blocks: number): number {
  if (kind === "MMC") {
    const group = Math.max(1, (csd.accessTimeNs / 1e6) * 10 * csd.writeFactor);
    return group * Math.ceil(blocks / csd.eraseUnitBlocks);
  }
  const units = Math.ceil(blocks / (ssr?.allocationUnitBlocks ?? USUAL_UNIT_BLOCKS));
  if (ssr?.erase !== undefined) {
    const { units: timedUnits, timeoutS, offsetS } = ssr.erase;
    // A unit that is touched only in part, at either end, takes 250 ms more.
    return ((timeoutS * units) / timedUnits + offsetS) * 1000 + 2 * TIMING.erasePartMs;
  }
  return TIMING.erasePartMs * (kind === "SDSC" ? blocks : units);
}

/** The most blocks whose erase stays within the cap of 60 s; a whole number of allocation units or erase groups. */
export function eraseChunkBlocks(identity: CardIdentity): number {
  const unit = Math.max(1, identity.ssr?.allocationUnitBlocks ?? identity.csd.eraseUnitBlocks);
  if (eraseBudgetMs(identity, unit) > TIMING.eraseCapMs) return chunkBelow(identity);
  let units = 1;
  while (units < 2 ** 20 && eraseBudgetMs(identity, units * 2 * unit) <= TIMING.eraseCapMs)
    units *= 2;
  return units * unit;
}

/** A single unit that may take more than the cap: smaller steps, but never less than the card can erase. */
function chunkBelow({ csd }: CardIdentity): number {
  const blocks = Math.floor(TIMING.eraseCapMs / TIMING.erasePartMs);
  return Math.max(csd.eraseUnitBlocks, blocks - (blocks % csd.eraseUnitBlocks));
}

/**
 * Erases by CMD32/33/38 (MMC: 35/36/38), in chunks. What the card can only erase together with blocks outside the range is
 * overwritten with zeros instead. Contents afterwards are 00 or FF, as the card likes.
 *
 * @throws CardError CARD_WRITE_PROTECTED if protected blocks were left out, CARD_BUSY past the deadline (an erase
 * cannot be stopped: the card goes on), CARD_ERROR, CARD_CRC
 */
export async function eraseBlocks(
  session: CardSession,
  transfer: BlockTransfer,
  range: { readonly lba: number; readonly count: number },
  deadline?: Deadline,
): Promise<void> {
  const { identity } = session;
  const unit = identity.csd.eraseUnitBlocks;
  const end = range.lba + range.count;
  const first = Math.min(end, Math.ceil(range.lba / unit) * unit);
  const last = Math.max(first, Math.floor(end / unit) * unit);
  await fill(transfer, range.lba, first, deadline);
  await eraseAligned(session, first, last, deadline);
  await fill(transfer, last, end, deadline);
}

async function eraseAligned(
  session: CardSession,
  from: number,
  to: number,
  deadline: Deadline | undefined,
): Promise<void> {
  const chunk = eraseChunkBlocks(session.identity);
  for (let lba = from; lba < to; ) {
    // Up to the next border, so that only the first and the last unit are touched in part.
    const end = Math.min(to, lba - (lba % chunk) + chunk);
    await eraseChunk(session, lba, end - lba, deadline);
    lba = end;
  }
}

async function fill(
  transfer: BlockTransfer,
  from: number,
  to: number,
  deadline: Deadline | undefined,
): Promise<void> {
  const zeros = new Uint8Array(Math.min(FILL_BLOCKS, to - from) * BLOCK_SIZE);
  for (let lba = from; lba < to; lba += FILL_BLOCKS) {
    const count = Math.min(FILL_BLOCKS, to - lba);
    await transfer.write(lba, zeros.subarray(0, count * BLOCK_SIZE), deadline);
  }
}

async function eraseChunk(
  session: CardSession,
  lba: number,
  count: number,
  asked: Deadline | undefined,
): Promise<void> {
  const doing = `erasing blocks ${lba}+${count}`;
  const retries = new RetryBudget();
  for (;;) {
    await ready(session, doing, asked);
    try {
      await sendErase(session, lba, count, asked);
      const deadline = asked ?? deadlineIn(session.line.clock, TIMING.responseMs);
      session.checkStatus(await session.line.status(deadline), doing);
      return;
    } catch (error) {
      const again = isCrcError(error) && session.stateKnown && retries.allow(0);
      if (!again) throw eraseFailure(session, doing, { lba, blocks: count }, error);
      await session.slowDown(error);
    }
  }
}

async function ready(
  session: CardSession,
  doing: string,
  asked: Deadline | undefined,
): Promise<void> {
  try {
    await session.ensureReady(asked);
  } catch (error) {
    throw inContext(error, doing, { stateKnown: session.stateKnown });
  }
}

function eraseFailure(
  session: CardSession,
  doing: string,
  details: ErrorDetails,
  error: unknown,
): unknown {
  const failure = isReset(error) ? session.resetSeen(doing) : error;
  return inContext(failure, doing, { ...details, stateKnown: session.stateKnown });
}

async function sendErase(
  session: CardSession,
  lba: number,
  count: number,
  asked: Deadline | undefined,
): Promise<void> {
  const longest = Math.min(TIMING.eraseCapMs, eraseBudgetMs(session.identity, count));
  const budget = deadlineIn(session.line.clock, longest + TIMING.responseMs);
  const deadline = asked ?? budget;
  const mmc = session.identity.kind === "MMC";
  const start = mmc ? "CMD35_ERASE_GROUP_START" : "CMD32_ERASE_WR_BLK_START";
  const end = mmc ? "CMD36_ERASE_GROUP_END" : "CMD33_ERASE_WR_BLK_END";
  await step(session, start, session.address(lba), deadline);
  await step(session, end, session.address(lba + count - 1), deadline);
  session.eraseMayRunUntil(budget);
  const command = buildCommand("CMD38_ERASE");
  const { r1 } = await session.line.bus.command(command, deadline);
  session.eraseMayRunUntil(undefined);
  checkErase("CMD38_ERASE", r1);
}

async function step(
  session: CardSession,
  name: CommandName,
  address: number,
  deadline: Deadline,
): Promise<void> {
  const { r1 } = await session.line.command(name, address, deadline);
  checkErase(name, r1);
}

function checkErase(name: CommandName, r1: number): void {
  if ((r1 & ~R1.eraseReset) === 0) return;
  const crc = (r1 & R1.crcError) !== 0;
  throw new CardError(
    crc ? "CARD_CRC" : "CARD_ERROR",
    `the card answers ${shortName(name)} with ${describeR1(r1)}`,
    { details: { command: name, r1 } },
  );
}
