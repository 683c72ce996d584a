import { TransportError } from "../../transport/types.js";
import type { Clock, Timer } from "../../util/clock.js";
import type { Deadline } from "../../util/deadline.js";

/** Something that the host waits for, until a deadline. Settles once; what comes later is ignored. */
export class Waiter<T> {
  readonly done: Promise<T>;
  #over = false;
  #timer: Timer | undefined;
  #resolve: (value: T) => void = () => undefined;
  #reject: (error: Error) => void = () => undefined;

  constructor(clock: Clock, deadline: Deadline) {
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    if (deadline.atUs === Infinity) return;
    this.#timer = clock.timer(deadline.atUs - clock.nowUs(), () =>
      this.reject(new TransportError("TRANSPORT_TIMEOUT", "the deadline has passed")),
    );
  }

  get over(): boolean {
    return this.#over;
  }

  resolve(value: T): void {
    if (this.#end()) this.#resolve(value);
  }

  reject(error: Error): void {
    if (this.#end()) this.#reject(error);
  }

  #end(): boolean {
    if (this.#over) return false;
    this.#over = true;
    this.#timer?.cancel();
    return true;
  }
}
