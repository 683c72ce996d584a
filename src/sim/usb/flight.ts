import type { UsbTransfer } from "../../transport/types.js";

/** One transfer that the host has submitted and that has not settled. */
export class Flight<T> implements UsbTransfer<T> {
  readonly done: Promise<T>;
  readonly deadlineUs: number;
  readonly #abandon: (flight: Flight<T>, reason: AbandonReason) => void;
  #resolve: (value: T) => void = () => undefined;
  #reject: (error: Error) => void = () => undefined;
  #returning = false;

  constructor(deadlineUs: number, abandon: (flight: Flight<T>, reason: AbandonReason) => void) {
    this.deadlineUs = deadlineUs;
    this.#abandon = abandon;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** The device is done with it; only the way back is left, and it cannot be cancelled any more. */
  get returning(): boolean {
    return this.#returning;
  }

  markReturning(): void {
    this.#returning = true;
  }

  cancel(): void {
    this.abandon("cancelled");
  }

  abandon(reason: AbandonReason): void {
    if (this.#returning) return;
    this.#abandon(this, reason);
  }

  resolve(value: T): void {
    this.#resolve(value);
  }

  reject(error: Error): void {
    this.#reject(error);
  }
}

export type AbandonReason = "cancelled" | "timeout";
