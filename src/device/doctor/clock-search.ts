import { BLOCK_SIZE } from "../../block/device.js";
import type { CardSession } from "../../card/session.js";
import { BlockTransfer } from "../../card/transfer.js";
import { BridgeError, CardError } from "../../spi/errors.js";
import { type Deadline, deadlineIn, expired } from "../../util/deadline.js";
import { isMmcpstoreError, type MmcpstoreError } from "../../util/errors.js";

/** One request to the card: the whole of what is asked for, if that is not larger. */
const CHUNK_BYTES = 1 << 20;
/** The first CRC error is the verdict. */
const NO_RETRY = 1;
/** Bringing the card back after a clock that was too fast. */
const RECOVER_MS = 5000;
/** A clock that is lower, but by less than any bridge's clocks are apart. */
const JUST_BELOW = 1 - 1e-6;
/** A clock that a bridge has set is no whole number: asked for as it is, the next lower one might be nearer. */
const SURELY = 1 + 1e-9;

/** What reading at one clock came to. */
export interface ClockTrial {
  /** As the bridge really set it. */
  readonly frequencyHz: number;
  /** Bytes that came back before the first error; all of them, if there was none. */
  readonly bytes: number;
  /** Of this clock, in bytes a second of the card's own clock; absent if it failed. */
  readonly bytesPerSecond?: number;
  readonly error?: MmcpstoreError;
}

export interface ClockSearch {
  /** In transfer state, at a clock that works. */
  readonly session: CardSession;
  /** Clocks above this are not tried, Hz. */
  readonly maxHz: number;
  /** To be read at each clock: whole blocks. */
  readonly bytes: number;
  readonly deadline?: Deadline | undefined;
  readonly onTrial?: ((trial: ClockTrial) => void) | undefined;
}

export interface FoundClock {
  readonly best: ClockTrial & { readonly bytesPerSecond: number };
  /** In the order in which they were made. */
  readonly trials: readonly ClockTrial[];
}

/**
 * The highest clock of those that the bridge really has at which all bytes come back without an error; the card is left at it. The next
 * one up was tried and failed, or is above `maxHz`. Takes for granted that what works at a clock works at all below, so that each trial halves
 * what is left. If it fails, the card is left at the clock that it was found at.
 * @throws CardError CARD_CRC, or what else the card said, if not even that one works; BridgeError, TransportError
 */
export async function searchClock(search: ClockSearch): Promise<FoundClock> {
  const run = new SearchRun(search);
  try {
    return await run.search();
  } catch (error) {
    await run.goSafe().catch(() => undefined);
    throw error;
  }
}

class SearchRun {
  readonly #search: ClockSearch;
  readonly #safeHz: number;
  readonly #into: Uint8Array;
  readonly #trials: ClockTrial[] = [];

  constructor(search: ClockSearch) {
    this.#search = search;
    this.#safeHz = search.session.line.frequencyHz;
    this.#into = new Uint8Array(Math.min(search.bytes, CHUNK_BYTES));
  }

  async search(): Promise<FoundClock> {
    let goodHz = this.#safeHz;
    let badHz = Number.POSITIVE_INFINITY;
    let nextHz = await this.#clockAtMost(this.#search.maxHz);
    while (nextHz > goodHz) {
      const { frequencyHz, error } = await this.#try(nextHz);
      if (error === undefined && frequencyHz > goodHz) goodHz = frequencyHz;
      else badHz = nextHz;
      nextHz = await this.#between(goodHz, badHz);
    }
    const best = this.#trials.find(({ frequencyHz }) => frequencyHz === goodHz);
    return this.#leaveAt(best ?? (await this.#try(goodHz)));
  }

  /** To the clock that the card was found at. */
  async goSafe(): Promise<void> {
    const { line } = this.#search.session;
    try {
      await this.#set(this.#safeHz);
    } catch (error) {
      if (!(error instanceof BridgeError)) throw error;
      // A bridge out of step takes nothing before it was brought back.
      await line.bus.recover(this.#soon);
      await this.#set(this.#safeHz);
    }
  }

  /** Some clock above the one and below the other, about halfway; the lower one if there is none. */
  async #between(goodHz: number, badHz: number): Promise<number> {
    if (badHz === Number.POSITIVE_INFINITY) return goodHz;
    const highest = await this.#clockAtMost(badHz * JUST_BELOW);
    if (highest <= goodHz) return goodHz;
    const middle = await this.#clockAtMost(Math.sqrt(goodHz * badHz));
    return middle > goodHz ? middle : highest;
  }

  /** Bridges round down. */
  async #clockAtMost(hz: number): Promise<number> {
    const { line } = this.#search.session;
    await line.setFrequency(hz);
    return line.frequencyHz;
  }

  #set(hz: number): Promise<number> {
    return this.#clockAtMost(hz * SURELY);
  }

  /** After a failure the card is brought back where it is known to answer. */
  async #try(hz: number): Promise<ClockTrial> {
    const { session, onTrial } = this.#search;
    const trial = await this.#read(await this.#set(hz));
    this.#trials.push(trial);
    onTrial?.(trial);
    if (trial.error === undefined) return trial;
    await this.goSafe();
    await session.ensureReady(this.#soon);
    return trial;
  }

  async #leaveAt({ frequencyHz, bytesPerSecond, ...best }: ClockTrial): Promise<FoundClock> {
    if (bytesPerSecond === undefined) throw this.#nothingWorks();
    await this.#set(frequencyHz);
    return { best: { ...best, frequencyHz, bytesPerSecond }, trials: this.#trials };
  }

  async #read(frequencyHz: number): Promise<ClockTrial> {
    const { session, bytes } = this.#search;
    const { clock } = session.line;
    const startUs = clock.nowUs();
    let done = 0;
    try {
      while (done < bytes) done += await this.#readChunk(done);
    } catch (error) {
      if (!this.#isVerdict(error)) throw error;
      return { frequencyHz, bytes: done + goodBytes(error), error };
    }
    const us = Math.max(1, clock.nowUs() - startUs);
    return { frequencyHz, bytes, bytesPerSecond: (bytes * 1e6) / us };
  }

  /** From the card's first block on, and again from there if it has fewer. */
  async #readChunk(done: number): Promise<number> {
    const { session, bytes, deadline } = this.#search;
    const at = (done / BLOCK_SIZE) % session.identity.blockCount;
    const blocks = Math.min(
      session.identity.blockCount - at,
      Math.min(bytes - done, CHUNK_BYTES) / BLOCK_SIZE,
    );
    const into = this.#into.subarray(0, blocks * BLOCK_SIZE);
    await new BlockTransfer(session, NO_RETRY).read(at, into, deadline);
    return into.length;
  }

  /** What comes from the card is the clock's fault, unless the time of the caller is over. */
  #isVerdict(error: unknown): error is MmcpstoreError {
    const { deadline, session } = this.#search;
    if (deadline !== undefined && expired(session.line.clock, deadline)) return false;
    return isMmcpstoreError(error) && error.code.startsWith("CARD_");
  }

  get #soon(): Deadline {
    return deadlineIn(this.#search.session.line.clock, RECOVER_MS);
  }

  #nothingWorks(): CardError {
    const last = this.#trials.at(-1)?.error;
    const hz = Math.round(this.#safeHz);
    return new CardError(
      last?.code ?? "CARD_CRC",
      `the card cannot be read at any clock, not even at ${hz} Hz`,
      {
        cause: last,
        details: { frequencyHz: hz },
        hint: last?.hint ?? "check the wiring and the supply of the card",
      },
    );
  }
}

function goodBytes({ details }: MmcpstoreError): number {
  const { blocksDone } = details;
  return typeof blocksDone === "number" ? blocksDone * BLOCK_SIZE : 0;
}
