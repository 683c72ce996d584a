import { BLOCK_SIZE } from "../block/device.js";
import type { CardError } from "../spi/errors.js";
import { type Deadline, deadlineIn, earlier } from "../util/deadline.js";
import { isMmcpstoreError } from "../util/errors.js";
import type { CardLine } from "./card-line.js";
import { buildCommand } from "./commands.js";
import { detailOf, inContext, isIllegal, isReset } from "./errors.js";
import { R1 } from "./r1.js";
import { type CardSession, isCrcError, RetryBudget } from "./session.js";
import type { CardStatus } from "./status.js";
import { TIMING, transferBudgetMs } from "./timing.js";
import { wellWrittenBlocks } from "./well-written.js";

/** Blocks of one request to the bus: bounds what one deadline covers. */
const MAX_CHUNK_BLOCKS = 8192;

/** One read or write as it goes on. */
interface Job {
  readonly verb: "reading" | "writing";
  readonly lba: number;
  readonly bytes: Uint8Array;
  readonly total: number;
  /** The caller's; without one each command gets its own for its amount of work, and retries are bounded in number. */
  readonly asked: Deadline | undefined;
  readonly retries: RetryBudget;
  done: number;
}

/**
 * Blocks from and to an identified card, in as few commands as the bus takes. After a CRC error it goes on from the first bad
 * block at half the clock; any other failure ends the operation, with `details.blocksDone` blocks good.
 */
export class BlockTransfer {
  readonly #session: CardSession;
  readonly #line: CardLine;
  readonly #failuresInARow: number | undefined;
  /** False once the card has refused CMD18 or CMD25: old MMC have single blocks only. */
  #multipleRead: boolean;
  #multipleWrite: boolean;

  /** @param failuresInARow CRC errors without a block going through that end an operation */
  constructor(session: CardSession, failuresInARow?: number) {
    this.#failuresInARow = failuresInARow;
    this.#session = session;
    this.#line = session.line;
    const { classes } = session.identity.csd;
    this.#multipleRead = classes.includes(2);
    this.#multipleWrite = classes.includes(4);
  }

  /** Reads `into.length / 512` blocks. @throws CardError as the bus; CARD_CRC when retries did not help */
  async read(lba: number, into: Uint8Array, deadline?: Deadline): Promise<void> {
    const job = this.#job("reading", lba, into, deadline);
    while (job.done < job.total) job.done += await this.#readSome(job);
  }

  /**
   * Writes `data.length / 512` blocks; done when the card has accepted each, is no longer busy, and its status is clean.
   * @throws CardError as the bus; CARD_WRITE_PROTECTED, CARD_LOCKED by its status; CARD_CRC when retries did not help
   */
  async write(lba: number, data: Uint8Array, deadline?: Deadline): Promise<void> {
    const job = this.#job("writing", lba, data, deadline);
    while (job.done < job.total) job.done += await this.#writeSome(job);
  }

  #job(verb: Job["verb"], lba: number, bytes: Uint8Array, asked: Deadline | undefined): Job {
    const total = bytes.length / BLOCK_SIZE;
    return {
      verb,
      lba,
      bytes,
      total,
      asked,
      retries: new RetryBudget(this.#failuresInARow),
      done: 0,
    };
  }

  #budgetMs(verb: Job["verb"], blocks: number): number {
    return transferBudgetMs(verb === "reading" ? "read" : "write", blocks, {
      bytesPerSecond: this.#line.bytesPerSecond,
      mmc: this.#session.identity.kind === "MMC",
    });
  }

  async #readSome(job: Job): Promise<number> {
    const count = this.#chunk(job, this.#multipleRead);
    const multiple = count > 1;
    const name = multiple ? "CMD18_READ_MULTIPLE_BLOCK" : "CMD17_READ_SINGLE_BLOCK";
    const lba = job.lba + job.done;
    await this.#ready(job);
    try {
      await this.#line.bus.receive(
        {
          command: buildCommand(name, this.#session.address(lba)),
          blockLength: BLOCK_SIZE,
          blockCount: count,
          into: slice(job, count),
          openEnded: multiple,
        },
        this.#bound(job, this.#budgetMs(job.verb, count)),
      );
    } catch (error) {
      return await this.#afterFailedRead(job, count, error);
    }
    if (multiple) await this.#forgetEnd(job, lba + count);
    return count;
  }

  async #afterFailedRead(job: Job, count: number, error: unknown): Promise<number> {
    const good = Math.min(blocksDone(error), count);
    if (count > 1 && isIllegal(error)) {
      this.#multipleRead = false;
      this.#line.log.info({}, "the card has no multiple block read");
      return 0;
    }
    if (isCrcError(error) && job.retries.allow(good)) {
      await this.#slowDown(error);
      return good;
    }
    throw this.#failure(job, good, error);
  }

  async #writeSome(job: Job): Promise<number> {
    const count = this.#chunk(job, this.#multipleWrite);
    const multiple = count > 1;
    const name = multiple ? "CMD25_WRITE_MULTIPLE_BLOCK" : "CMD24_WRITE_BLOCK";
    await this.#ready(job);
    try {
      await this.#line.bus.send(
        {
          command: buildCommand(name, this.#session.address(job.lba + job.done)),
          blockLength: BLOCK_SIZE,
          data: slice(job, count),
          openEnded: multiple,
        },
        this.#bound(job, this.#budgetMs(job.verb, count)),
      );
    } catch (error) {
      return await this.#afterFailedWrite(job, count, error);
    }
    await this.#confirm(job, count);
    return count;
  }

  /** The blocks are accepted and busy is over; the status says whether they were programmed. */
  async #confirm(job: Job, count: number): Promise<void> {
    let status: CardStatus;
    try {
      status = await this.#status(job);
    } catch (error) {
      throw this.#failure(job, 0, error);
    }
    const problem = this.#session.statusError(status, doing(job));
    if (problem === undefined) return;
    const written = problem.code === "CARD_ABSENT" ? 0 : await this.#written(job, count, count);
    throw this.#failure(job, written, problem);
  }

  async #afterFailedWrite(job: Job, count: number, error: unknown): Promise<number> {
    const accepted = Math.min(blocksDone(error), count);
    if (count > 1 && isIllegal(error)) {
      this.#multipleWrite = false;
      this.#line.log.info({}, "the card has no multiple block write");
      return 0;
    }
    if (isCrcError(error) && job.retries.allow(accepted)) {
      await this.#slowDown(error);
      return (await this.#ready(job)) ? 0 : this.#written(job, count, accepted);
    }
    // A card that must be recovered first is not asked: that is for the next operation.
    if (isReset(error) || !this.#session.stateKnown) throw this.#failure(job, accepted, error);
    const reason = await this.#reason(job, error);
    throw this.#failure(job, await this.#written(job, count, accepted), reason ?? error);
  }

  #status(job: Job): Promise<CardStatus> {
    return this.#line.status(this.#bound(job, TIMING.responseMs));
  }

  /** What the card's status says about a refused block: write protection, a lock. */
  async #reason(job: Job, error: unknown): Promise<CardError | undefined> {
    const told = statusIn(error);
    try {
      const status = told ?? (await this.#status(job));
      const reason = this.#session.statusError(status, doing(job));
      return reason === undefined || reason.code === "CARD_ERROR" ? undefined : reason;
    } catch (cause) {
      this.#line.log.debug({ error: String(cause) }, "no status behind a failed write");
      return undefined;
    }
  }

  /** Blocks of a failed write that are on the card for certain: by ACMD22, else none. Writing the others again does no harm. */
  async #written(job: Job, count: number, accepted: number): Promise<number> {
    if (count === 1 || this.#session.identity.kind === "MMC") return 0;
    const told = await wellWrittenBlocks(this.#line, accepted, this.#bound(job, TIMING.registerMs));
    return Math.min(told ?? 0, accepted);
  }

  /** After a CRC error: slower. */
  async #slowDown(error: unknown): Promise<void> {
    this.#line.log.warn({ error: String(error) }, "CRC error, trying again");
    await this.#session.slowDown(error);
  }

  /** True if the card was identified again on the way. */
  async #ready(job: Job): Promise<boolean> {
    try {
      return await this.#session.ensureReady(job.asked);
    } catch (error) {
      throw this.#inContext(job, 0, error);
    }
  }

  #chunk(job: Job, multiple: boolean): number {
    const { maxBlocks } = this.#line.bus.capabilities;
    return multiple ? Math.min(job.total - job.done, maxBlocks, MAX_CHUNK_BLOCKS) : 1;
  }

  /** The caller's deadline, or `ms` from now if that is earlier. */
  #bound({ asked }: Job, ms: number): Deadline {
    const own = deadlineIn(this.#line.clock, ms);
    return asked === undefined ? own : earlier(asked, own);
  }

  /** Reading up to the end makes the card remember "out of range"; the next status must not show it. The data is good anyway. */
  async #forgetEnd(job: Job, end: number): Promise<void> {
    if (end < this.#session.identity.blockCount) return;
    try {
      const { r1 } = await this.#status(job);
      if (r1 & R1.idle) this.#session.resetSeen(doing(job));
    } catch (error) {
      this.#line.log.debug({ error: String(error) }, "no status behind the last block");
    }
  }

  /** What a transfer's failure means for the operation; `good` blocks of the running chunk are done. */
  #failure(job: Job, good: number, error: unknown): unknown {
    if (!isReset(error)) return this.#inContext(job, good, error);
    return this.#inContext(job, 0, this.#session.resetSeen(doing(job)));
  }

  #inContext(job: Job, good: number, error: unknown): unknown {
    return inContext(error, doing(job), {
      lba: job.lba,
      blocks: job.total,
      blocksDone: job.done + good,
      stateKnown: this.#session.stateKnown,
    });
  }
}

function doing({ verb, lba, total }: Job): string {
  return `${verb} ${total === 1 ? `block ${lba}` : `blocks ${lba}+${total}`}`;
}

function slice(job: Job, count: number): Uint8Array {
  return job.bytes.subarray(job.done * BLOCK_SIZE, (job.done + count) * BLOCK_SIZE);
}

function blocksDone(error: unknown): number {
  return detailOf(error, "blocksDone") ?? 0;
}

/** R1 and R2 that the bus has already read (and so cleared) on its way out of a failed transfer. */
function statusIn(error: unknown): CardStatus | undefined {
  if (!isMmcpstoreError(error)) return undefined;
  const status = error.details["status"];
  if (!Array.isArray(status)) return undefined;
  const [r1, r2] = status as unknown[];
  return typeof r1 === "number" && typeof r2 === "number" ? { r1, r2 } : undefined;
}
