import type { Clock, Timer } from "../util/clock.js";

interface Pending extends Timer {
  readonly atUs: number;
  readonly fire: () => void;
}

/**
 * A discrete-event clock: jumps to the next timer when nothing in the process can run, so simulated
 * seconds cost no seconds. It jumps only when no {@link outside} work is open and a full turn of the event loop
 * brought nothing. Several simulators in one process share one.
 */
export class SimClock implements Clock {
  readonly #wallBaseMs: number;
  /** Sorted, the next one last; equal times keep their order of creation. */
  readonly #pending: Pending[] = [];
  #nowUs = 0;
  #outside = 0;
  #turning = false;

  /** @param wallBaseMs what {@link wallTime} says at time 0, in ms since 1970; fixed, so that runs repeat */
  constructor(wallBaseMs: number = Date.UTC(2026, 0, 2, 3, 4, 5)) {
    this.#wallBaseMs = wallBaseMs;
  }

  nowUs(): number {
    return this.#nowUs;
  }

  wallTime(): number {
    return this.#wallBaseMs + Math.floor(this.#nowUs / 1000);
  }

  sleep(us: number): Promise<void> {
    return new Promise((resolve) => {
      this.timer(us, resolve);
    });
  }

  timer(us: number, fire: () => void): Timer {
    const pending: Pending = {
      atUs: this.#nowUs + Math.max(0, us),
      fire,
      cancel: () => {
        const at = this.#pending.indexOf(pending);
        if (at >= 0) this.#pending.splice(at, 1);
      },
    };
    const behind = this.#pending.findLastIndex((other) => other.atUs > pending.atUs);
    this.#pending.splice(behind + 1, 0, pending);
    this.#turn();
    return pending;
  }

  outside<T>(work: Promise<T>): Promise<T> {
    this.#outside++;
    const over = (): void => {
      this.#outside--;
      this.#turn();
    };
    work.then(over, over);
    return work;
  }

  /** Two immediates: all microtasks and one poll for I/O lie between them. */
  #turn(): void {
    if (this.#turning || this.#outside > 0 || this.#pending.length === 0) return;
    this.#turning = true;
    setImmediate(() => setImmediate(() => this.#jump()));
  }

  #jump(): void {
    this.#turning = false;
    if (this.#outside > 0) return;
    const next = this.#pending.pop();
    if (next === undefined) return;
    this.#nowUs = Math.max(this.#nowUs, next.atUs);
    next.fire();
    this.#turn();
  }
}
