import { isMmcpstoreError, type MmcpstoreError } from "../../util/errors.js";
import type { StepOutcome } from "../adapters/outcome.js";
import { DOCTOR_STEPS, type DoctorStep, type DoctorStepName } from "./types.js";

const TITLES: Readonly<Record<DoctorStepName, string>> = {
  package: "package loads",
  device: "device present",
  permission: "permission",
  "kernel-driver": "kernel driver",
  open: "open",
  sync: "chip in step",
  loopback: "loopback self-test",
  miso: "card power and MISO",
  cmd0: "CMD0, card resets",
  cmd8: "CMD8, card's version",
  ready: "card gets ready",
  crc: "CRC checking on",
  registers: "registers",
  clock: "clock search",
};

const REPLUG = "unplug the adapter and plug it in again, at another port and without a hub";
const POWER = "take the card's power away for a second, and look at its wires";

/** Where an error says nothing of its own. */
const FIXES: Readonly<Record<DoctorStepName, string>> = {
  package: "run npm ci again",
  device: REPLUG,
  permission: "sudo mmcpstore udev install, and plug it in again",
  "kernel-driver": REPLUG,
  open: REPLUG,
  sync: REPLUG,
  loopback: REPLUG,
  miso: POWER,
  cmd0: POWER,
  cmd8: POWER,
  ready: POWER,
  crc: POWER,
  registers: POWER,
  clock: POWER,
};

export type OnStep = (step: DoctorStep) => Promise<void> | void;

/** The steps of one visit, told as each is over. */
export class Examination {
  readonly #steps: DoctorStep[] = [];
  readonly #onStep: OnStep;
  #isOver = false;

  constructor(onStep: OnStep = () => undefined) {
    this.#onStep = onStep;
  }

  /** A step failed in a way that leaves nothing to those behind it. */
  get isOver(): boolean {
    return this.#isOver;
  }

  get steps(): readonly DoctorStep[] {
    return this.#steps;
  }

  /**
   * Takes a step, unless an earlier one ended the visit.
   * @returns what `look` returned; undefined if the step was not reached, or failed
   * @throws what is no finding: a usage error, a fault of this program
   */
  async take<T extends StepOutcome>(
    name: DoctorStepName,
    look: () => Promise<T>,
  ): Promise<T | undefined> {
    if (this.#isOver) return undefined;
    try {
      const outcome = await look();
      await this.found(name, outcome);
      return outcome;
    } catch (error) {
      await this.fail(name, error);
      return undefined;
    }
  }

  /** A step that is over, by what was found. */
  async found(name: DoctorStepName, { finding, fix, failure }: StepOutcome): Promise<void> {
    if (failure !== undefined) {
      await this.#add({ ...failed(name, failure), finding });
      return;
    }
    const base = { name, title: TITLES[name], state: "ok", finding } as const;
    await this.#add(fix === undefined ? base : { ...base, fix });
  }

  /** A step that failed, and with it the visit. */
  async fail(name: DoctorStepName, error: unknown): Promise<void> {
    if (!isMmcpstoreError(error) || error.code === "USAGE" || error.code === "INTERNAL")
      throw error;
    this.#isOver = true;
    await this.#add(failed(name, error));
  }

  /** All steps, those that were not reached too. */
  async end(): Promise<readonly DoctorStep[]> {
    for (const name of DOCTOR_STEPS.slice(this.#steps.length))
      await this.#add({ name, title: TITLES[name], state: "not reached" });
    return this.#steps;
  }

  async #add(step: DoctorStep): Promise<void> {
    this.#steps.push(step);
    await this.#onStep(step);
  }
}

function failed(name: DoctorStepName, { message, hint, code }: MmcpstoreError): DoctorStep {
  return {
    name,
    title: TITLES[name],
    state: "failed",
    finding: message,
    fix: hint ?? FIXES[name],
    code,
  };
}
