import type { Clock } from "../util/clock.js";
import { type Deadline, deadlineIn, expired } from "../util/deadline.js";
import { assert, toError } from "../util/errors.js";
import { type Log, silentLog } from "../util/log.js";
import type {
  BridgeCapabilities,
  CsLevel,
  SpiBridge,
  Transaction,
  TransactionResult,
} from "./bridge.js";
import type { SpiEngine } from "./engine.js";
import { cancelled, describeFailure, isFinal, late, outOfSync } from "./engine-errors.js";
import type { Planner } from "./plan.js";
import { createPlanner } from "./planner.js";

const CONFIGURE_MS = 1000;
const CLOSE_MS = 1000;

export interface SpiDriverParts {
  readonly engine: SpiEngine;
  readonly clock: Clock;
  readonly log?: Log;
}

/** An {@link SpiBridge} over any chip's engine: one thing at a time, in order, unless something before it fails. */
export class SpiDriver implements SpiBridge {
  readonly #engine: SpiEngine;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #planner: Planner;
  /** Whatever was asked for before the last failure, abort or close does not run any more. */
  #generation = 0;
  #tail: Promise<unknown> = Promise.resolve();
  #closing: Promise<void> | undefined;

  constructor({ engine, clock, log }: SpiDriverParts) {
    this.#engine = engine;
    this.#clock = clock;
    this.#log = log ?? silentLog;
    this.#planner = createPlanner(engine.capabilities, () => engine);
  }

  get capabilities(): BridgeCapabilities {
    return this.#engine.capabilities;
  }

  configure(settings: { readonly frequencyHz: number }): Promise<{ readonly frequencyHz: number }> {
    return this.#enqueue("configure", async () => {
      const { failure, cs } = this.#engine;
      if (failure !== undefined) throw outOfSync(failure);
      assert(cs === "high", "the clock may change only while CS is high");
      const deadline = deadlineIn(this.#clock, CONFIGURE_MS);
      await this.#engine.setFrequency(settings.frequencyHz, deadline).catch((error: unknown) => {
        throw describeFailure(error, "configure");
      });
      const { frequencyHz } = this.#engine;
      this.#log.debug({ asked: settings.frequencyHz, set: frequencyHz }, "clock");
      return { frequencyHz };
    });
  }

  submit(transaction: Transaction, deadline: Deadline): Promise<TransactionResult> {
    return this.#enqueue(transaction.label, () => this.#run(transaction, deadline));
  }

  abort(deadline: Deadline): Promise<CsLevel> {
    if (this.#closing !== undefined)
      return Promise.reject(cancelled("abort", "the bridge is closed"));
    this.#generation++;
    const stopped = this.#engine.stop(cancelled("transaction", "aborted"));
    const turn = Promise.all([stopped, this.#tail]).then(() => this.#restart(deadline));
    this.#tail = turn.catch(() => undefined);
    return turn;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  #enqueue<T>(label: string, work: () => Promise<T>): Promise<T> {
    if (this.#closing !== undefined)
      return Promise.reject(cancelled(label, "the bridge is closed"));
    const generation = this.#generation;
    const turn = this.#tail.then(() => {
      if (generation === this.#generation) return work();
      const { failure } = this.#engine;
      throw isFinal(failure)
        ? failure
        : cancelled(label, "overtaken by a failure or an abort", failure);
    });
    this.#tail = turn.catch(() => undefined);
    return turn;
  }

  async #run(transaction: Transaction, deadline: Deadline): Promise<TransactionResult> {
    const { label } = transaction;
    const startUs = this.#clock.nowUs();
    const generation = this.#generation;
    try {
      if (expired(this.#clock, deadline)) throw late(label);
      this.#planner.begin(transaction);
      const result = await this.#drive(deadline);
      this.#log.debug({ label, us: this.#clock.nowUs() - startUs, ...result }, "transaction");
      return result;
    } catch (error) {
      // What came after an abort has nothing to do with what the abort ended.
      if (generation === this.#generation) this.#generation++;
      if (this.#engine.busy) await this.#engine.stop(error);
      this.#planner.reset();
      throw describeFailure(error, label);
    }
  }

  /** Steps go out as far ahead as the planner can say them; replies come back in order. */
  async #drive(deadline: Deadline): Promise<TransactionResult> {
    const flights: Promise<Uint8Array>[] = [];
    for (;;) {
      const step = flights.length < this.#engine.stepsAhead ? this.#planner.next() : "await";
      if (step === "done") return this.#planner.result;
      if (step === "await") this.#planner.feed(await (flights.shift() ?? stuck()));
      else {
        const reply = this.#engine.run(step, deadline);
        reply.catch(() => undefined);
        flights.push(reply);
      }
    }
  }

  async #restart(deadline: Deadline): Promise<CsLevel> {
    this.#planner.reset();
    try {
      const level = await this.#engine.restart(deadline);
      this.#log.debug({ cs: level }, "adapter restarted");
      return level;
    } catch (error) {
      await this.#engine.stop(error);
      throw describeFailure(error, "abort");
    }
  }

  async #close(): Promise<void> {
    this.#generation++;
    const engine = this.#engine;
    if (engine.busy) await engine.stop(cancelled("transaction", "the bridge was closed"));
    await this.#tail;
    try {
      if (!isFinal(engine.failure)) await engine.leave(deadlineIn(this.#clock, CLOSE_MS));
    } catch (error) {
      this.#log.debug({ error: toError(error).message }, "the chip could not be left in order");
    } finally {
      await engine.close();
    }
  }
}

function stuck(): never {
  assert(false, "the planner waits for a reply that nothing was sent for");
}
