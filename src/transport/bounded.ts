import type { Clock } from "../util/clock.js";
import { type Deadline, remainingUs } from "../util/deadline.js";
import { TransportError } from "./types.js";

/**
 * Work of a package that may never answer (a write to a port that was unplugged), ended by our own deadline or by `over`.
 * @param what for the message: `writing to /dev/ttyACM0`
 * @throws TransportError TRANSPORT_TIMEOUT; what `over` gives
 */
export async function bounded<T>(
  clock: Clock,
  deadline: Deadline,
  what: string,
  work: Promise<T>,
  over: Promise<TransportError>,
): Promise<T> {
  let late: (error: TransportError) => void = () => undefined;
  const ended = new Promise<never>((_, reject) => {
    late = reject;
  });
  const timer = clock.timer(remainingUs(clock, deadline), () =>
    late(new TransportError("TRANSPORT_TIMEOUT", `${what} was not done in time`)),
  );
  over.then(late, () => undefined);
  work.catch(() => undefined);
  try {
    return await Promise.race([work, ended]);
  } finally {
    timer.cancel();
  }
}
