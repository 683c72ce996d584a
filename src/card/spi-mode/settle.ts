import type { Segment } from "../../spi/bridge.js";
import { stillBusy } from "../../spi/card-errors.js";
import type { Deadline } from "../../util/deadline.js";
import { errorCode, toError } from "../../util/errors.js";
import { R1 } from "../r1.js";
import { type CardLink, isDeadline } from "./card-link.js";
import type { Commander } from "./commands.js";
import { TOKEN } from "./frame.js";

/** FF, stop token, and the one byte behind it that says nothing yet (NBR). */
const STOP_TRAN = Uint8Array.of(0xff, TOKEN.stopTran, 0xff);
/** A receiver out of step takes FD and FFs for a command: clock out its answer. */
const AFTER_STRAY_TOKEN = 16;
/** The rest of a block that the card may still be sending, or waiting for. */
const BLOCK_REST_BYTES = 544;
const STOP_TRIES = 2;
/** CMD12's R1 may report that the card was read up to its end, or that no transfer was open. */
const STOP_HARMLESS = R1.eraseReset | R1.addressError | R1.parameterError;
const STATUS = { index: 13, argument: 0, response: "R2" } as const;

/** Ends transfers: as they should end, and after failures. */
export class Settler {
  readonly #link: CardLink;
  readonly #commander: Commander;
  /** The first status since it was last forgotten. */
  #told: readonly [number, number] | undefined;

  constructor(link: CardLink, commander: Commander) {
    this.#link = link;
    this.#commander = commander;
  }

  /** CMD12 after all blocks have come. They are good whatever its R1 says; only a lost bridge or busy throws. */
  async endRead(deadline: Deadline): Promise<void> {
    const r1 = await this.#commander.stop(deadline);
    if (r1 !== undefined && (r1 & ~STOP_HARMLESS) === 0) return;
    await this.afterRead(true, deadline);
  }

  /** Stop token and busy. */
  async endWrite(deadline: Deadline): Promise<void> {
    try {
      await this.#stopToken(deadline);
    } catch (error) {
      throw isDeadline(error) ? stillBusy("the end of the write", error) : error;
    }
  }

  /** Ends whatever a failed read left, and proves it by the card's status; else its state is unknown. */
  async afterRead(openEnded: boolean, deadline: Deadline): Promise<void> {
    await this.#attempt(async () => {
      if (openEnded) await this.#stopReading(deadline);
      else await this.#clock(BLOCK_REST_BYTES, deadline);
      return this.#inTransferState(deadline);
    });
  }

  /**
   * The same for a write; gives R1 and R2 of the first status, which tells why a block was refused, and is cleared by having been
   * read: CMD12 (SD Physical Layer 7.3.3.1 wants it after a data response error), else the stop token.
   */
  async afterWrite(
    openEnded: boolean,
    deadline: Deadline,
  ): Promise<readonly [number, number] | undefined> {
    this.#told = undefined;
    await this.#attempt(async () => {
      await this.#ready(deadline);
      if (!openEnded) return this.#inTransferState(deadline);
      await this.#commander.stop(deadline);
      if (await this.#inTransferState(deadline)) return true;
      await this.#stopToken(deadline);
      await this.#clock(AFTER_STRAY_TOKEN, deadline);
      await this.#ready(deadline);
      return this.#inTransferState(deadline);
    });
    return this.#told;
  }

  async #attempt(settle: () => Promise<boolean>): Promise<void> {
    // After a failure of the bridge nothing can be sent before recover() has brought it back.
    const reachable = this.#link.reachable;
    this.#link.stateKnown = false;
    if (!reachable) return;
    try {
      this.#link.stateKnown = await settle();
    } catch (error) {
      this.#link.stateKnown = false;
      this.#link.log.debug({ err: toError(error) }, "the transfer could not be ended");
    }
  }

  async #stopReading(deadline: Deadline): Promise<void> {
    for (let tries = 0; tries < STOP_TRIES; tries++) {
      const r1 = await this.#commander.stop(deadline);
      if (r1 !== undefined && (r1 & R1.crcError) === 0) return;
    }
  }

  /** Two statuses, because the first one after trouble shows the old trouble; the second must be clean. */
  async #inTransferState(deadline: Deadline): Promise<boolean> {
    await this.#statusClean(deadline);
    return this.#statusClean(deadline);
  }

  async #statusClean(deadline: Deadline): Promise<boolean> {
    try {
      const { r1, extra } = await this.#commander.command(STATUS, deadline);
      this.#told ??= [r1, extra[0] ?? 0];
      return r1 === 0 && extra[0] === 0;
    } catch (error) {
      if (errorCode(error) === "CARD_NO_RESPONSE") return false;
      throw error;
    }
  }

  async #stopToken(deadline: Deadline): Promise<void> {
    const ready = this.#link.awaitReady(this.#link.busyHint());
    await this.#run("stop token", [{ kind: "write", data: STOP_TRAN }, ready], deadline);
  }

  async #ready(deadline: Deadline): Promise<void> {
    await this.#run("wait ready", [this.#link.awaitReady(this.#link.busyHint())], deadline);
  }

  async #clock(bytes: number, deadline: Deadline): Promise<void> {
    await this.#run("drain", [{ kind: "idle", bytes }], deadline);
  }

  async #run(label: string, segments: readonly Segment[], deadline: Deadline): Promise<void> {
    await this.#link.run({ label, segments }, deadline);
  }
}
