import type { BridgeCapabilities, CsLevel } from "../../spi/bridge.js";
import { type CsPin, CsTrail } from "../../spi/cs-trail.js";
import type { SpiEngine } from "../../spi/engine.js";
import type { PlannerStep } from "../../spi/plan.js";
import type { Deadline } from "../../util/deadline.js";
import { errorCode, UsageError } from "../../util/errors.js";
import { type Log, silentLog } from "../../util/log.js";
import { CS_MODE, encodeCommand, SPI_MODE } from "./codec.js";
import type { SerprogLink } from "./link.js";
import {
  ASSUMED_FREQUENCY_HZ,
  capabilitiesOf,
  exchangeBytes,
  type SerprogOpenOptions,
} from "./options.js";
import type { Programmer } from "./programmer.js";
import { askFirstFrequency, askFrequency, logFrequency, runAll, setUp } from "./set-up.js";
import type { StartedProgrammer } from "./start-up.js";
import {
  collectReply,
  encodeCsMode,
  encodeFullDuplex,
  encodeHalfDuplex,
  type StepCommand,
} from "./steps.js";
import { type SyncParts, synchronise } from "./sync.js";

/** One step of an SpiDriver on a serprog programmer. */
export class SerprogEngine implements SpiEngine {
  readonly capabilities: BridgeCapabilities;
  readonly programmer: Programmer;
  readonly stepsAhead = 4;
  readonly #parts: SyncParts;
  readonly #link: SerprogLink;
  readonly #cs = new CsTrail();
  readonly #log: Log;
  #frequencyHz: number;

  /** Pins driven, CS high, 400 kHz where it can be set. */
  static async start(
    open: SerprogOpenOptions,
    { parts, link, said }: StartedProgrammer,
    deadline: Deadline,
  ): Promise<SerprogEngine> {
    await setUp(link, said, "high", deadline);
    const setHz = said.setsFrequency ? await askFirstFrequency(link, deadline) : undefined;
    const programmer = { ...said, setsFrequency: setHz !== undefined };
    logFrequency(open.log ?? silentLog, setHz);
    return new SerprogEngine(open, parts, link, programmer, setHz ?? ASSUMED_FREQUENCY_HZ);
  }

  private constructor(
    open: SerprogOpenOptions,
    parts: SyncParts,
    link: SerprogLink,
    programmer: Programmer,
    frequencyHz: number,
  ) {
    this.#parts = parts;
    this.#link = link;
    this.#log = open.log ?? silentLog;
    this.programmer = programmer;
    this.#frequencyHz = frequencyHz;
    this.capabilities = capabilitiesOf(programmer, open.options ?? {}, frequencyHz);
  }

  get frequencyHz(): number {
    return this.#frequencyHz;
  }

  get cs(): CsPin {
    return this.#cs.last;
  }

  get busy(): boolean {
    return this.#link.busy;
  }

  get failure(): unknown {
    return this.#link.failure;
  }

  async run(step: PlannerStep, deadline: Deadline): Promise<Uint8Array> {
    const commands = this.#encode(step);
    const replies = await Promise.all(commands.map((command) => this.#send(command, deadline)));
    return collectReply(step, commands, replies);
  }

  async setFrequency(frequencyHz: number, deadline: Deadline): Promise<void> {
    const { minFrequencyHz } = this.capabilities;
    if (frequencyHz < minFrequencyHz) {
      throw new UsageError(`this programmer's clock does not go below ${minFrequencyHz} Hz`, {
        details: { frequencyHz, minFrequencyHz },
        hint: `choose ${minFrequencyHz} Hz or more`,
      });
    }
    if (!this.programmer.setsFrequency) return;
    this.#frequencyHz = await askFrequency(this.#link, frequencyHz, deadline);
  }

  stop(error: unknown): Promise<void> {
    this.#link.stop(error);
    return Promise.resolve();
  }

  /** A half-duplex programmer raises CS behind each operation, also behind one that was cut off and then filled up. */
  async restart(deadline: Deadline): Promise<CsLevel> {
    const level = this.programmer.full ? (this.#cs.certain ?? "unknown") : "high";
    await this.#resume(level === "unknown" ? "low" : level, deadline);
    return level;
  }

  /** As other programs expect it: CS high, half duplex, CS by itself, pins let go. */
  async leave(deadline: Deadline): Promise<void> {
    if (this.#link.failure !== undefined) await this.#resume("high", deadline);
    const { full, setsPins } = this.programmer;
    const commands = [
      ...(full
        ? [
            encodeCsMode("high"),
            encodeCommand("setCsMode", CS_MODE.auto),
            encodeCommand("setSpiMode", SPI_MODE.halfDuplex),
          ]
        : []),
      ...(setsPins ? [encodeCommand("setPinState", 0)] : []),
    ];
    await runAll(this.#link, commands, deadline);
  }

  close(): Promise<void> {
    return this.#parts.transport.close();
  }

  #encode(step: PlannerStep): readonly StepCommand[] {
    const { operation } = this.capabilities;
    return operation === undefined
      ? encodeFullDuplex(step.ops, exchangeBytes(this.programmer), this.#cs.last)
      : encodeHalfDuplex(step.ops, operation);
  }

  #send({ command, level }: StepCommand, deadline: Deadline): Promise<Uint8Array> {
    const reply = this.#link.run(command, deadline);
    // A link out of step sends nothing.
    if (level === undefined || this.#link.failure !== undefined) return reply;
    const mark = this.#cs.sent([level]);
    reply.then(() => this.#cs.reached(mark)).catch(() => undefined);
    return reply;
  }

  /**
   * After lost or damaged bytes the programmer may have taken data for commands, or have been reset, so it is told everything again. After
   * a mere abort it is not: that may make the clock twitch.
   */
  async #resume(cs: CsPin, deadline: Deadline): Promise<void> {
    const isSound = errorCode(this.#link.failure) === "BRIDGE_CANCELLED";
    await synchronise(this.#parts, { isProgrammer: true }, deadline);
    this.#link.restart();
    try {
      if (!isSound) await this.#setUpAgain(cs, deadline);
      else if (this.programmer.full) await this.#link.run(encodeCsMode(cs), deadline);
      this.#cs.set(cs);
    } catch (error) {
      this.#link.stop(error);
      throw error;
    }
  }

  async #setUpAgain(cs: CsPin, deadline: Deadline): Promise<void> {
    this.#log.debug({ cs }, "the programmer is set up again");
    await setUp(this.#link, this.programmer, cs, deadline);
    if (!this.programmer.setsFrequency) return;
    this.#frequencyHz = await askFrequency(this.#link, this.#frequencyHz, deadline);
  }
}
