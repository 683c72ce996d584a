import { CardLine } from "../../card/card-line.js";
import { isNoise } from "../../card/errors.js";
import { identifyCard } from "../../card/identify.js";
import type { CardIdentity } from "../../card/identity.js";
import { askInterface, type Initialised, initialiseCard } from "../../card/initialise.js";
import { proveCrc } from "../../card/inspect.js";
import { CardSession } from "../../card/session.js";
import { createSpiModeBus } from "../../card/spi-mode/spi-mode-bus.js";
import { IDENTIFY_HZ, TIMING } from "../../card/timing.js";
import { wakeCard } from "../../card/wake.js";
import type { SpiBridge } from "../../spi/bridge.js";
import { CardError } from "../../spi/errors.js";
import { type Deadline, deadlineIn } from "../../util/deadline.js";
import type { StepOutcome } from "../adapters/outcome.js";
import { describeCard, describeClock } from "./card-text.js";
import { searchClock } from "./clock-search.js";
import type { Examination } from "./examination.js";
import { checkMiso } from "./miso.js";
import { highestOf } from "./tune.js";
import type { BenchTarget } from "./types.js";

/** Enough for a wrong bit to show at a clock that is too fast; quick on the slowest adapter. */
const SEARCH_BYTES = 16 * 1024;

export interface CardStepOptions {
  readonly crc: boolean;
  /** Highest clock that is looked for, Hz; absent: what the card allows, 25 MHz at most. */
  readonly speedHz?: number;
  /** For all that has to do with the card; absent: each step has its own. */
  readonly deadline?: Deadline;
}

export interface CardFindings {
  readonly card?: string;
  /** Highest clock that was seen to work, in Hz. */
  readonly frequencyHz?: number;
}

interface ReadyOutcome extends StepOutcome {
  readonly initialised: Initialised;
}

interface RegistersOutcome extends StepOutcome {
  readonly identity: CardIdentity;
}

/** The steps behind a running adapter. The bridge is closed at the end, whatever happened. */
export async function examineCard(
  examination: Examination,
  bridge: SpiBridge,
  { clock, log }: Pick<BenchTarget, "clock" | "log">,
  options: CardStepOptions,
): Promise<CardFindings> {
  const bus = createSpiModeBus({ bridge, clock, log });
  const steps = new CardSteps(new CardLine(bus, clock, log), options);
  try {
    await examination.take("miso", () => checkMiso(bridge, clock, steps.deadline));
    await examination.take("cmd0", () => steps.goIdle());
    await examination.take("cmd8", () => steps.askVersion());
    const ready = await examination.take("ready", () => steps.getReady());
    await examination.take("crc", () => steps.checkCrc(ready?.initialised.crc === true));
    const known = await examination.take("registers", () => steps.readRegisters());
    const identity = known?.identity;
    if (identity === undefined) return {};
    const best = await examination.take("clock", () => steps.searchClock(identity));
    const frequencyHz = best === undefined ? {} : { frequencyHz: best.frequencyHz };
    return { card: describeCard(identity), ...frequencyHz };
  } finally {
    await bus.close();
  }
}

/** What is asked of a card, as identification asks it, but one after the other. */
class CardSteps {
  readonly #line: CardLine;
  readonly #options: CardStepOptions;

  constructor(line: CardLine, options: CardStepOptions) {
    this.#line = line;
    this.#options = options;
  }

  get deadline(): Deadline {
    return this.#options.deadline ?? deadlineIn(this.#line.clock, TIMING.identifyMs);
  }

  /** At 400 kHz; where that gives noise, slower. */
  async goIdle(): Promise<StepOutcome> {
    const { deadline } = this;
    const { minFrequencyHz } = this.#line.bus.capabilities;
    const clocks = [...new Set(IDENTIFY_HZ.map((hz) => Math.max(hz, minFrequencyHz)))];
    for (const [attempt, hz] of clocks.entries()) {
      try {
        await this.#line.setFrequency(hz);
        if (attempt > 0)
          await this.#line.bus.recover(this.#line.within(deadline, TIMING.recoverMs));
        await wakeCard(this.#line, deadline);
        return this.#idleAt(attempt);
      } catch (error) {
        if (attempt === clocks.length - 1 || !isNoise(error)) throw error;
      }
    }
    throw new CardError("CARD_ABSENT", "no clock to ask a card at");
  }

  #idleAt(attempt: number): StepOutcome {
    const finding = `the card answers 01 at ${describeClock(this.#line.frequencyHz)}`;
    if (attempt === 0) return { finding };
    return { finding, fix: "it did not at 400 kHz: shorter wires, and a ground wire beside SCK" };
  }

  async askVersion(): Promise<StepOutcome> {
    return (await askInterface(this.#line, this.deadline))
      ? { finding: "the card echoes 1AA: SD 2.00 or later, 2.7 to 3.6 V" }
      : { finding: "the card does not know it: SD 1.x, or MMC" };
  }

  async getReady(): Promise<ReadyOutcome> {
    const { crc } = this.#options;
    const initialised = await initialiseCard(this.#line, { crc }, this.deadline);
    const { family, ocr } = initialised;
    const power = family === "SD" ? "ACMD41" : "CMD1";
    const addresses = ocr.highCapacity ? "block" : "byte";
    return { finding: `${family}, ready by ${power}; ${addresses} addresses`, initialised };
  }

  /** A refusal ends nothing: the card can be used without, with what that means. */
  async checkCrc(accepted: boolean): Promise<StepOutcome> {
    if (!this.#options.crc)
      return { finding: "not asked for (--crc off)", fix: `leave that out: ${TORN}` };
    if (!accepted) return crcRefused("the card refuses CMD59");
    const proof = await proveCrc(this.#line, true, this.deadline);
    if (proof === "A")
      return { finding: "on, and proved: a command with a wrong CRC7 is answered as such" };
    return crcRefused("the card accepts CMD59, but takes a command with a wrong CRC7");
  }

  /** From the start, as every other verb does it. */
  async readRegisters(): Promise<RegistersOutcome> {
    const identity = await identifyCard(this.#line, this.#how, this.deadline);
    const { writeProtected } = identity;
    const finding = `${describeCard(identity)}, specification ${identity.specVersion}`;
    if (writeProtected === "no") return { finding, identity };
    const fix = `it is write-protected (${writeProtected}, by its CSD): it can only be read`;
    return { finding, fix, identity };
  }

  async searchClock(
    identity: CardIdentity,
  ): Promise<StepOutcome & { readonly frequencyHz: number }> {
    const { speedHz, deadline } = this.#options;
    const { best, trials } = await searchClock({
      session: new CardSession(this.#line, this.#how, identity),
      maxHz: speedHz ?? highestOf(identity),
      bytes: SEARCH_BYTES,
      deadline,
    });
    const { frequencyHz } = best;
    const finding = `${SEARCH_BYTES / 1024} KiB come back without an error at ${describeClock(frequencyHz)}`;
    const tooFast = trials.filter(({ error }) => error !== undefined).at(-1);
    if (tooFast === undefined) return { finding, frequencyHz };
    const fix = `at ${describeClock(tooFast.frequencyHz)} there are errors: shorter wires, and a ground wire beside SCK; 'mmcpstore tune' looks closer`;
    return { finding, fix, frequencyHz };
  }

  get #how(): { readonly crc: boolean; readonly speedHz: number } {
    return { crc: this.#options.crc, speedHz: this.#line.frequencyHz };
  }
}

const TORN = "without CRC checking a torn block can be programmed unnoticed (integrity class B)";

function crcRefused(what: string): StepOutcome {
  return {
    finding: what,
    failure: new CardError("CARD_REFUSED", what, {
      hint: `it works all the same, but ${TORN}: use another card where that matters`,
    }),
  };
}
