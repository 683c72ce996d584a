import type { Clock, Timer } from "./clock.js";

interface Pending extends Timer {
  readonly atUs: number;
  readonly fire: () => void;
}

/**
 * Base of the clocks that move by events instead of by themselves. {@link step} is called when nothing in the process can run: no
 * work is announced as {@link outside}, and a full turn of the event loop brought nothing.
 */
export abstract class EventClock implements Clock {
  /** Sorted, the next one last; equal times keep their order of creation. */
  readonly #pending: Pending[] = [];
  #nowUs = 0;
  #outside = 0;
  #turning = false;

  abstract wallTime(): number;

  /** Lets one thing happen; false if there is nothing to do until the process does something. */
  protected abstract step(): boolean;

  nowUs(): number {
    return this.#nowUs;
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
    this.wake();
    return pending;
  }

  outside<T>(work: Promise<T>): Promise<T> {
    this.#outside++;
    const over = (): void => {
      this.#outside--;
      this.wake();
    };
    work.then(over, over);
    return work;
  }

  /** When the next timer is due, if there is one. */
  protected get nextTimerUs(): number | undefined {
    return this.#pending.at(-1)?.atUs;
  }

  /** Moves to the next timer and fires it; false if there is none. */
  protected fireNext(): boolean {
    const next = this.#pending.pop();
    if (next === undefined) return false;
    this.passTo(next.atUs);
    next.fire();
    return true;
  }

  /** Never backwards. */
  protected passTo(atUs: number): void {
    this.#nowUs = Math.max(this.#nowUs, atUs);
  }

  /** Asks for a {@link step} once nothing can run. Two immediates: all microtasks and one poll for I/O lie between them. */
  protected wake(): void {
    if (this.#turning || this.#outside > 0) return;
    this.#turning = true;
    setImmediate(() => setImmediate(() => this.#turn()));
  }

  #turn(): void {
    this.#turning = false;
    if (this.#outside === 0 && this.step()) this.wake();
  }
}
