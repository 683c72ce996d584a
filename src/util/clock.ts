/** A one-shot timer handed out by {@link Clock.timer}. */
export interface Timer {
  /** Idempotent; a timer that has fired ignores it. */
  cancel(): void;
}

/**
 * The only source of time and timers below the command line.
 *
 * Real in production, discrete-event in `sim`, driven by the recording in replay. Nothing in `src/`
 * may call `Date.now`, `performance.now` or `setTimeout` but the real clock.
 */
export interface Clock {
  /** Monotonic time in microseconds; the origin is arbitrary. */
  nowUs(): number;
  /** Wall time in milliseconds since 1970-01-01T00:00:00Z. */
  wallTime(): number;
  /** Resolves after `us` microseconds of this clock. */
  sleep(us: number): Promise<void>;
  /** Calls `fire` once after `us` microseconds of this clock. */
  timer(us: number, fire: () => void): Timer;
  /**
   * Announces work that this clock does not drive (a file, stdin, a socket, a child process). A simulated
   * clock does not jump while any is open. Returns the same promise.
   */
  outside<T>(work: Promise<T>): Promise<T>;
}

const US_PER_MS = 1000;

/** The machine's own clock. */
export class RealClock implements Clock {
  nowUs(): number {
    return Number(process.hrtime.bigint() / 1000n);
  }

  wallTime(): number {
    return Date.now();
  }

  sleep(us: number): Promise<void> {
    return new Promise((resolve) => {
      this.timer(us, resolve);
    });
  }

  timer(us: number, fire: () => void): Timer {
    const handle = setTimeout(fire, Math.ceil(us / US_PER_MS));
    return { cancel: () => clearTimeout(handle) };
  }

  outside<T>(work: Promise<T>): Promise<T> {
    return work;
  }
}
