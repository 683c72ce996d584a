import type { Clock } from "../util/clock.js";
import { type Deadline, remainingUs } from "../util/deadline.js";
import { TransportError } from "./types.js";

/** The one time at which a device is over: gone, or closed. What waits is told, and what no longer waits is forgotten. */
export class Ending {
  readonly #waiting: Set<(error: TransportError) => void> = new Set();
  #error: TransportError | undefined;

  /** Why it is over, if it is. */
  get error(): TransportError | undefined {
    return this.#error;
  }

  /** The first call counts. */
  end(error: TransportError): void {
    if (this.#error !== undefined) return;
    this.#error = error;
    for (const tell of this.#waiting) tell(error);
    this.#waiting.clear();
  }

  /** Calls `tell` at the end, at once if that was before; the function that is returned takes it back. */
  tell(tell: (error: TransportError) => void): () => void {
    if (this.#error !== undefined) tell(this.#error);
    else this.#waiting.add(tell);
    return () => void this.#waiting.delete(tell);
  }
}

/**
 * Work of a package that may never answer (a write to a port that was unplugged), ended by our own deadline or by the end of the device.
 * @param what for the message: `writing to /dev/ttyACM0`
 * @throws TransportError TRANSPORT_TIMEOUT; that of the end
 */
export async function bounded<T>(
  clock: Clock,
  deadline: Deadline,
  what: string,
  work: Promise<T>,
  ending: Ending = new Ending(),
): Promise<T> {
  let late: (error: TransportError) => void = () => undefined;
  const ended = new Promise<never>((_, reject) => {
    late = reject;
  });
  ended.catch(() => undefined);
  const timer = clock.timer(remainingUs(clock, deadline), () =>
    late(new TransportError("TRANSPORT_TIMEOUT", `${what} was not done in time`)),
  );
  const forget = ending.tell(late);
  work.catch(() => undefined);
  try {
    return await Promise.race([work, ended]);
  } finally {
    timer.cancel();
    forget();
  }
}
