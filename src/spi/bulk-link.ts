import type { Deadline } from "../util/deadline.js";
import { isFinal, isLate, outOfSync } from "./engine-errors.js";

/** A script on its way: what is sent, and what is answered. */
export interface Flight {
  readonly reply: Uint8Array;
  readonly deadline: Deadline;
  readonly resolve: (reply: Uint8Array) => void;
  readonly reject: (error: unknown) => void;
  /** Parts, sent or answered, that it still waits for. */
  left: number;
}

/** A transfer of whichever transport. */
interface Transfer<T> {
  readonly done: Promise<T>;
  cancel(): void;
}

/** In flight, each with its own deadline. */
type Transfers = Map<Transfer<unknown>, Deadline>;

/**
 * Scripts out, answers in, in order, as many scripts at once as the caller likes, over two bulk endpoints. Whatever fails, OUT transfers are
 * cancelled first (what is not taken has no answer), then the rest, and the link is out of step until {@link restart}.
 */
export abstract class BulkLink {
  readonly #flights: Set<Flight> = new Set();
  readonly #outs: Transfers = new Map();
  readonly #ins: Transfers = new Map();
  #failure: { readonly error: unknown; readonly stopped: Promise<void> } | undefined;

  /** Nothing that waits is sent any more. */
  protected abstract forgetQueue(): void;

  /** Something is on its way. */
  get busy(): boolean {
    return this.#flights.size > 0 || this.#outs.size > 0 || this.#ins.size > 0;
  }

  /** What brought the link out of step. */
  get failure(): unknown {
    return this.#failure?.error;
  }

  /** Fails all scripts with `error`, cancels what is in flight, and resolves when nothing is any more. */
  stop(error: unknown): Promise<void> {
    return this.#stop(error, () => true);
  }

  /** In step again. Nothing may be in flight. */
  restart(): void {
    this.#failure = undefined;
  }

  protected get stopped(): boolean {
    return this.#failure !== undefined;
  }

  /** OUT transfers in flight. */
  protected get sending(): number {
    return this.#outs.size;
  }

  /** IN transfers in flight. */
  protected get posted(): number {
    return this.#ins.size;
  }

  /**
   * A script of so many parts, which `start` puts into the queue.
   * @throws BridgeError BRIDGE_SYNC while out of step
   */
  protected begin(
    replyBytes: number,
    parts: number,
    deadline: Deadline,
    start: (flight: Flight) => void,
  ): Promise<Uint8Array> {
    if (this.#failure !== undefined) return Promise.reject(outOfSync(this.#failure.error));
    const reply = new Uint8Array(replyBytes);
    if (parts === 0) return Promise.resolve(reply);
    return new Promise((resolve, reject) => {
      const flight: Flight = { reply, deadline, resolve, reject, left: parts };
      this.#flights.add(flight);
      start(flight);
    });
  }

  /** One of its parts is sent, or answered. */
  protected settled(flight: Flight): void {
    flight.left--;
    if (flight.left > 0) return;
    this.#flights.delete(flight);
    flight.resolve(flight.reply);
  }

  protected watchOut(transfer: Transfer<void>, deadline: Deadline, done: () => void): void {
    this.#watch(this.#outs, transfer, deadline, done);
  }

  protected watchIn(
    transfer: Transfer<Uint8Array>,
    deadline: Deadline,
    done: (data: Uint8Array) => void,
  ): void {
    this.#watch(this.#ins, transfer, deadline, done);
  }

  #watch<T>(
    transfers: Transfers,
    transfer: Transfer<T>,
    deadline: Deadline,
    done: (value: T) => void,
  ): void {
    transfers.set(transfer, deadline);
    transfer.done.then(
      (value) => {
        transfers.delete(transfer);
        if (this.#failure === undefined) done(value);
      },
      (error: unknown) => {
        transfers.delete(transfer);
        this.#failed(error, deadline);
      },
    );
  }

  /**
   * What ends by itself, now, is not cancelled: whether it did before we came to it would be chance, and a replay
   * repeats no chance.
   */
  #failed(error: unknown, { atUs }: Deadline): void {
    const later = (deadline: Deadline): boolean => deadline.atUs > atUs;
    void this.#stop(error, isFinal(error) ? () => false : isLate(error) ? later : () => true);
  }

  #stop(error: unknown, isCancelled: (deadline: Deadline) => boolean): Promise<void> {
    if (this.#failure === undefined) {
      this.forgetQueue();
      const stopped = settle(this.#outs, isCancelled)
        .then(() => settle(this.#ins, isCancelled))
        .then(() => this.#rejectAll(error));
      this.#failure = { error, stopped };
    }
    return this.#failure.stopped;
  }

  #rejectAll(error: unknown): void {
    for (const flight of this.#flights) flight.reject(error);
    this.#flights.clear();
  }
}

/** Cancels transfers and resolves when all have ended. */
async function settle(
  transfers: Transfers,
  isCancelled: (deadline: Deadline) => boolean,
): Promise<void> {
  const open = [...transfers];
  for (const [transfer, deadline] of open) if (isCancelled(deadline)) transfer.cancel();
  await Promise.allSettled(open.map(([{ done }]) => done));
}
