import { MpsseDecoder, type MpsseEvent } from "../../bridge/ftdi/decoder.js";
import {
  type ClockJob,
  type Job,
  jobOfClocks,
  jobOfShift,
  jobOfWait,
  type WaitJob,
} from "./clock-job.js";
import { runClockJob, untilVisible } from "./clock-runner.js";
import { checkEvent } from "./engine-rules.js";
import type { Blocked, EngineModesState, EngineParts, EngineState } from "./engine-types.js";
import { runWaitJob, waitLookUs } from "./wait-runner.js";

const BASE_HZ = 60e6;
const BASE_HZ_DIVIDED = 12e6;
const US = 1e6;
/** First byte of the answer to an opcode that the chip does not know. */
const BAD_OPCODE = 0xfa;

/** After the bit mode is set (AN_108: the H chips start compatible, at 12 MHz). */
const INITIAL_MODES: EngineModesState = {
  divisor: 0,
  divideBy5: true,
  loopback: false,
  adaptive: false,
  threePhase: false,
};

/**
 * The MPSSE: executes the OUT stream in model time. It is run lazily: {@link run} catches up to a
 * point in time, so a 64 KiB shift is a few calls, and yet whatever happens in between finds it where it would be.
 */
export class MpsseEngine {
  readonly #parts: EngineParts;
  readonly #decoder: MpsseDecoder;
  #modes: EngineModesState = INITIAL_MODES;
  #job: Job | undefined;
  /** Everything before this point is done. */
  #atUs = 0;
  #blocked: Blocked = "input";
  #blockedSinceUs = 0;
  #clockedBytes = 0;

  constructor(parts: EngineParts) {
    this.#parts = parts;
    this.#decoder = new MpsseDecoder(parts.settings.chip);
  }

  get blocked(): Blocked {
    return this.#blocked;
  }

  get blockedSinceUs(): number {
    return this.#blockedSinceUs;
  }

  /** Bytes clocked on the SPI pins so far. */
  get clockedBytes(): number {
    return this.#clockedBytes;
  }

  /** In the middle of a command: what comes next is taken for its rest. */
  get midCommand(): boolean {
    return this.#job !== undefined || !this.#decoder.betweenCommands;
  }

  /** An unbounded wait goes on: nothing but a reset is sure to end it. */
  get stuck(): boolean {
    return this.#job?.kind === "wait" && this.#job.bitsLeft === Infinity;
  }

  get frequencyHz(): number {
    const base = this.#modes.divideBy5 ? BASE_HZ_DIVIDED : BASE_HZ;
    return base / (2 * (1 + this.#modes.divisor));
  }

  get usPerBit(): number {
    return US / this.frequencyHz;
  }

  /** Executes everything up to `untilUs`. */
  run(untilUs: number): void {
    const before = { blocked: this.#blocked, sinceUs: this.#blockedSinceUs, atUs: this.#atUs };
    this.#blocked = undefined;
    while (this.#blocked === undefined && this.#step(untilUs));
    if (this.#blocked === undefined) return;
    const stillStanding = this.#blocked === before.blocked && this.#atUs === before.atUs;
    this.#blockedSinceUs = stillStanding ? before.sinceUs : this.#atUs;
    this.#atUs = Math.max(this.#atUs, untilUs);
  }

  /** When {@link run} may have something to show next; Infinity while it stands still. */
  get nextUs(): number {
    if (this.#blocked !== undefined || this.#job === undefined) return Infinity;
    if (this.#job.kind === "reply") return this.#atUs;
    if (this.#job.kind === "wait")
      return this.#atUs + waitLookUs(this.#job, this.#parts.settings, this.usPerBit);
    return this.#atUs + untilVisible(this.#job, this.#parts) * this.usPerBit;
  }

  /** What a change of the bit mode does: the command under way is forgotten. */
  reset(atUs: number): void {
    this.#decoder.reset();
    this.#modes = INITIAL_MODES;
    this.#job = undefined;
    this.#atUs = atUs;
    this.#blocked = "input";
    this.#blockedSinceUs = atUs;
  }

  save(nowUs: number): EngineState {
    return {
      decoder: this.#decoder.save(),
      modes: this.#modes,
      job: this.#job && { ...this.#job },
      aheadUs: this.#atUs - nowUs,
    };
  }

  restore(state: EngineState, nowUs: number): void {
    this.#decoder.restore(state.decoder);
    this.#modes = state.modes;
    this.#job = state.job && { ...state.job };
    this.#atUs = nowUs + state.aheadUs;
    this.#blocked = undefined;
  }

  /** One command head, or one piece of a job; false if there is nothing more to do before `untilUs`. */
  #step(untilUs: number): boolean {
    const job = this.#job;
    if (job === undefined) return this.#fetch();
    if (job.kind === "clock") return this.#clock(job, untilUs);
    return job.kind === "wait" ? this.#wait(job, untilUs) : this.#reply(job.bytes);
  }

  #fetch(): boolean {
    const { out } = this.#parts;
    if (out.empty) {
      this.#blocked = "input";
      return false;
    }
    const front = out.front();
    const event = this.#decoder.read(front, 0, front.length);
    out.consume(this.#decoder.used, this.#atUs);
    if (event !== undefined) this.#execute(event);
    return true;
  }

  #clock(job: ClockJob, untilUs: number): boolean {
    const run = runClockJob(job, this.#parts, {
      atUs: this.#atUs,
      untilUs,
      usPerBit: this.usPerBit,
      loopback: this.#modes.loopback,
      decoder: this.#decoder,
    });
    this.#clockedBytes += run.clockedBytes;
    this.#atUs = run.atUs;
    this.#blocked = run.blocked;
    if (job.bytesLeft === 0 && job.bitsLeft === 0) this.#job = undefined;
    return run.moved;
  }

  #wait(job: WaitJob, untilUs: number): boolean {
    const { wire, settings } = this.#parts;
    const run = runWaitJob(job, wire, {
      atUs: this.#atUs,
      untilUs,
      usPerBit: this.usPerBit,
      byClock: settings.waitGranularity === "clock",
    });
    this.#clockedBytes += run.clockedBytes;
    this.#atUs = run.atUs;
    if (run.over) this.#job = undefined;
    return run.over;
  }

  #reply(bytes: readonly number[]): boolean {
    const { in: input } = this.#parts;
    if (input.room === 0) {
      this.#blocked = "output";
      return false;
    }
    this.#job = undefined;
    input.put(bytes, this.#atUs);
    return true;
  }

  #execute(event: MpsseEvent): void {
    const { wire, report, in: input } = this.#parts;
    const atUs = this.#atUs;
    checkEvent(event, wire, this.#modes, atUs, report);
    if (event.kind === "shift") this.#job = jobOfShift(event);
    else if (event.kind === "clocks") this.#job = jobOfClocks(event.bits);
    else if (event.kind === "wait") this.#job = jobOfWait(event);
    else if (event.kind === "flush") input.flush(atUs);
    else if (event.kind === "setPins" || event.kind === "readPins") this.#pins(event);
    else if (event.kind === "badOpcode")
      this.#job = { kind: "reply", bytes: [BAD_OPCODE, event.opcode] };
    else this.#setMode(event);
  }

  #pins(event: MpsseEvent & { kind: "setPins" | "readPins" }): void {
    const { wire } = this.#parts;
    const atUs = this.#atUs;
    if (event.kind === "readPins") {
      const pins = event.bank === "low" ? wire.readLow(atUs) : wire.readHigh();
      this.#job = { kind: "reply", bytes: [pins] };
    } else if (event.bank === "low") wire.setLow(event.value, event.direction, atUs);
    else wire.setHigh(event.value, event.direction);
  }

  #setMode(event: MpsseEvent): void {
    if (event.kind === "divisor") this.#modes = { ...this.#modes, divisor: event.divisor };
    else if (
      event.kind === "divideBy5" ||
      event.kind === "loopback" ||
      event.kind === "adaptive" ||
      event.kind === "threePhase"
    ) {
      this.#modes = { ...this.#modes, [event.kind]: event.on };
    }
  }
}
