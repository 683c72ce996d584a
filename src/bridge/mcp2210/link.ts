import { isFinal, late, outOfSync } from "../../spi/engine-errors.js";
import type { HidTransport } from "../../transport/types.js";
import type { Clock } from "../../util/clock.js";
import { type Deadline, deadlineIn, earlier, expired, remainingUs } from "../../util/deadline.js";
import { decodeAnswer, type Mcp2210Answer } from "./decoder.js";
import { refusal, staysBusy, strangeAnswer } from "./link-errors.js";
import { describeCommand, STATUS } from "./reports.js";

/** An answer takes 2 ms; what is not there after so long is lost. */
const ANSWER_MS = 500;
/** Between two tries of what the chip is too busy for (mcp2210-linux waits no shorter). */
const SHORTEST_PAUSE_US = 750;
/** An abort waits for the end of a pause. */
const LONGEST_PAUSE_US = 10_000;

/** Answers that carry something, by their kind. */
export type AnswerOf<K extends Mcp2210Answer["kind"]> = Extract<Mcp2210Answer, { kind: K }>;

/**
 * One report out, one report in, never more: the chip has room for no second command.
 *
 * Whatever fails, the link is out of step until {@link restart}: an answer may still be on its way.
 */
export class Mcp2210Link {
  readonly #transport: HidTransport;
  readonly #clock: Clock;
  #current: Promise<unknown> | undefined;
  #failure: { readonly error: unknown } | undefined;
  #pauseUs = SHORTEST_PAUSE_US;

  constructor(transport: HidTransport, clock: Clock) {
    this.#transport = transport;
    this.#clock = clock;
  }

  /** Something is on its way. */
  get busy(): boolean {
    return this.#current !== undefined;
  }

  /** What brought the link out of step. */
  get failure(): unknown {
    return this.#failure?.error;
  }

  /** What the chip needs for the longest chunk: how long to wait when it is busy. */
  set chunkUs(us: number) {
    this.#pauseUs = Math.min(LONGEST_PAUSE_US, Math.max(SHORTEST_PAUSE_US, us));
  }

  /**
   * Runs work that {@link ask}s; one at a time.
   * @throws BridgeError BRIDGE_SYNC while out of step; whatever the work throws, or {@link stop} gave
   */
  run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#failure !== undefined) return Promise.reject(outOfSync(this.#failure.error));
    const running = this.#guard(work);
    const over = (): void => {
      this.#current = undefined;
    };
    this.#current = running.then(over, over);
    return running;
  }

  /** Fails the work that runs with `error`; resolves when the report in flight is answered or given up. */
  async stop(error: unknown): Promise<void> {
    this.#failure ??= { error };
    await this.#current;
  }

  /** In step again, or about to be brought there. Nothing may be on its way. */
  restart(): void {
    this.#failure = undefined;
  }

  /**
   * Sends a command as often as the chip is busy, until the deadline, and gives its answer.
   * @throws BridgeError BRIDGE_TIMEOUT while the chip stays busy, BRIDGE_PROTOCOL for any other refusal or a strange answer;
   * TransportError
   */
  async ask<K extends Mcp2210Answer["kind"]>(
    report: Uint8Array,
    kind: K,
    deadline: Deadline,
  ): Promise<AnswerOf<K>> {
    const [command = 0] = report;
    for (let tries = 0; ; tries++) {
      const answer = await this.#try(report, deadline, tries);
      if (answer.kind === kind) return answer as AnswerOf<K>;
      if (answer.kind !== "refused" || answer.status !== STATUS.busy)
        throw refusal(command, answer.kind === "refused" ? answer.status : STATUS.ok);
      await this.pause(deadline);
    }
  }

  /** Lets the chip get on with a chunk. */
  async pause(deadline: Deadline): Promise<void> {
    await this.#clock.sleep(Math.min(this.#pauseUs, remainingUs(this.#clock, deadline)));
  }

  /** Sends a report without waiting for its answer: for finding back into step. */
  send(report: Uint8Array, deadline: Deadline): Promise<void> {
    this.#check();
    return this.#transport.writeReport(report, this.#bounded(deadline));
  }

  /** The next report, whatever it answers. */
  async receive(deadline: Deadline): Promise<Uint8Array> {
    this.#check();
    return this.#transport.readReport(this.#bounded(deadline));
  }

  /** `tries`: how often the chip was busy before; then that is what the deadline ends. */
  async #try(report: Uint8Array, deadline: Deadline, tries: number): Promise<Mcp2210Answer> {
    const [command = 0] = report;
    try {
      if (expired(this.#clock, deadline)) throw late(describeCommand(command));
      return await this.#exchange(report, deadline);
    } catch (error) {
      const isOver = tries > 0 && expired(this.#clock, deadline) && this.#failure === undefined;
      throw isOver && !isFinal(error) ? staysBusy(command, error) : error;
    }
  }

  async #exchange(report: Uint8Array, deadline: Deadline): Promise<Mcp2210Answer> {
    await this.send(report, deadline);
    const bytes = await this.receive(deadline);
    this.#check();
    const [command = 0] = report;
    const answer = decodeAnswer(bytes);
    if (answer.kind === "malformed")
      throw strangeAnswer(command, bytes, `answers with ${answer.why}`);
    if (answer.command === command) return answer;
    throw strangeAnswer(command, bytes, `answers ${describeCommand(answer.command)} instead`);
  }

  async #guard<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      this.#failure ??= { error };
      throw this.#failure.error;
    }
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #bounded(deadline: Deadline): Deadline {
    return earlier(deadline, deadlineIn(this.#clock, ANSWER_MS));
  }
}
