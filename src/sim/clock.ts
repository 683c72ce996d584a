import { EventClock } from "../util/event-clock.js";

/**
 * A discrete-event clock: jumps to the next timer when nothing in the process can run, so simulated
 * seconds cost no seconds. Several simulators in one process share one.
 */
export class SimClock extends EventClock {
  readonly #wallBaseMs: number;

  /** @param wallBaseMs what {@link wallTime} says at time 0, in ms since 1970; fixed, so that runs repeat */
  constructor(wallBaseMs: number = Date.UTC(2026, 0, 2, 3, 4, 5)) {
    super();
    this.#wallBaseMs = wallBaseMs;
  }

  wallTime(): number {
    return this.#wallBaseMs + Math.floor(this.nowUs() / 1000);
  }

  protected step(): boolean {
    return this.fireNext();
  }
}
