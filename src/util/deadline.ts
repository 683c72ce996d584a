import type { Clock } from "./clock.js";

/** An absolute point on a {@link Clock}, in microseconds. Every wait in this project has one. */
export interface Deadline {
  readonly atUs: number;
}

/** The deadline `ms` milliseconds from now. */
export function deadlineIn(clock: Clock, ms: number): Deadline {
  return { atUs: clock.nowUs() + ms * 1000 };
}

/** Microseconds left, never negative. */
export function remainingUs(clock: Clock, deadline: Deadline): number {
  return Math.max(0, deadline.atUs - clock.nowUs());
}

/** True once nothing is left. */
export function expired(clock: Clock, deadline: Deadline): boolean {
  return clock.nowUs() >= deadline.atUs;
}

/** The earlier of the two. */
export function earlier(a: Deadline, b: Deadline): Deadline {
  return a.atUs <= b.atUs ? a : b;
}
