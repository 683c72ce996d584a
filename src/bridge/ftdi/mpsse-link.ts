import { isFinal, isLate, outOfSync } from "../../spi/engine-errors.js";
import { BridgeError } from "../../spi/errors.js";
import type { UsbTransfer } from "../../transport/types.js";
import type { Deadline } from "../../util/deadline.js";
import type { MpsseScript } from "./codec.js";
import type { FtdiPort } from "./ftdi-port.js";
import { eachPayload } from "./in-stream.js";

/** An IN transfer is not made longer: whoever expects more gets it in several. Room for any planner step in one. */
const MAX_IN_PAYLOAD = 128 * 1024;

const NO_REPLY = new Uint8Array(0);

/** A script on its way. */
interface Flight {
  readonly reply: Uint8Array;
  readonly deadline: Deadline;
  readonly resolve: (reply: Uint8Array) => void;
  readonly reject: (error: unknown) => void;
  filled: number;
}

/**
 * Scripts out, replies in, in order, as many at once as the caller likes.
 *
 * IN transfers are posted before the OUT that they answer: a chip whose FIFO to the host is full stops taking OUT data, so
 * that both sides would wait for ever (bridges.md 1.7, rule B). Whatever fails, everything else in flight is cancelled and waited
 * for, and the link is out of step until {@link restart}.
 */
export class MpsseLink {
  readonly #port: FtdiPort;
  /** Scripts that are not over. */
  readonly #open: Set<Flight> = new Set();
  /** Those of them that wait for a reply, oldest first. */
  #waiting: Flight[] = [];
  /** In flight, each with its own deadline. */
  readonly #transfers: Map<UsbTransfer<unknown>, Deadline> = new Map();
  /** IN transfers in flight. */
  #reading = 0;
  #failure: { readonly error: unknown; readonly stopped: Promise<void> } | undefined;

  constructor(port: FtdiPort) {
    this.#port = port;
  }

  /** Something is on its way. */
  get busy(): boolean {
    return this.#open.size > 0 || this.#transfers.size > 0;
  }

  /** What brought the link out of step. */
  get failure(): unknown {
    return this.#failure?.error;
  }

  /**
   * Sends a script; resolves with its reply, or, where it has none, once the chip has taken it.
   * @throws TransportError as the transfers fail; BridgeError BRIDGE_PROTOCOL for a reply that is too long, BRIDGE_SYNC
   * while out of step
   */
  run(script: MpsseScript, deadline: Deadline): Promise<Uint8Array> {
    if (this.#failure !== undefined) return Promise.reject(outOfSync(this.#failure.error));
    return new Promise((resolve, reject) => {
      const reply = script.replyBytes > 0 ? new Uint8Array(script.replyBytes) : NO_REPLY;
      const flight: Flight = { reply, deadline, resolve, reject, filled: 0 };
      this.#open.add(flight);
      if (script.replyBytes > 0) {
        this.#waiting.push(flight);
        this.#keepReading();
      }
      this.#send(script.bytes, flight);
    });
  }

  /** Fails all scripts with `error`, cancels what is in flight, and resolves when nothing is any more. */
  stop(error: unknown): Promise<void> {
    return this.#stop(error, () => true);
  }

  #stop(error: unknown, isCancelled: (deadline: Deadline) => boolean): Promise<void> {
    if (this.#failure === undefined) {
      const transfers = [...this.#transfers];
      for (const [transfer, deadline] of transfers) if (isCancelled(deadline)) transfer.cancel();
      const settled = Promise.allSettled(transfers.map(([{ done }]) => done));
      const stopped = settled.then(() => this.#rejectAll(error));
      this.#failure = { error, stopped };
    }
    return this.#failure.stopped;
  }

  /** In step again: the chip has been reset and answers. Nothing may be in flight. */
  restart(): void {
    this.#failure = undefined;
  }

  #rejectAll(error: unknown): void {
    this.#waiting = [];
    for (const flight of this.#open) flight.reject(error);
    this.#open.clear();
  }

  #send(bytes: Uint8Array, flight: Flight): void {
    const transfer = this.#port.send(bytes, flight.deadline);
    this.#transfers.set(transfer, flight.deadline);
    transfer.done.then(
      () => {
        this.#transfers.delete(transfer);
        if (flight.reply.length === 0) this.#finish(flight);
      },
      (error: unknown) => this.#failed(transfer, error),
    );
  }

  /** As many IN transfers as replies are awaited; the newest one is going to carry the newest reply. */
  #keepReading(): void {
    while (this.#failure === undefined && this.#reading < this.#waiting.length) {
      const newest = this.#waiting.at(-1) as Flight;
      const missing = newest.reply.length - newest.filled;
      this.#read(Math.min(missing, MAX_IN_PAYLOAD), newest.deadline);
    }
  }

  #read(payload: number, deadline: Deadline): void {
    const transfer = this.#port.receive(payload, deadline);
    this.#transfers.set(transfer, deadline);
    this.#reading++;
    transfer.done.then(
      (data) => {
        this.#transfers.delete(transfer);
        this.#reading--;
        this.#received(data);
      },
      (error: unknown) => {
        this.#reading--;
        this.#failed(transfer, error);
      },
    );
  }

  #received(data: Uint8Array): void {
    if (this.#failure !== undefined) return;
    const complete: Flight[] = [];
    try {
      eachPayload(data, this.#port.packetSize, (bytes, from, to) =>
        this.#take(bytes, from, to, complete),
      );
    } catch (error) {
      // Whatever else came with it is not to be trusted either.
      void this.stop(error);
      return;
    }
    for (const flight of complete) this.#finish(flight);
    this.#keepReading();
  }

  #take(bytes: Uint8Array, from: number, to: number, complete: Flight[]): void {
    for (let at = from; at < to; ) {
      const head = this.#waiting[0];
      if (head === undefined) throw tooLong(bytes.subarray(at, to));
      const end = Math.min(to, at + head.reply.length - head.filled);
      head.reply.set(bytes.subarray(at, end), head.filled);
      head.filled += end - at;
      at = end;
      if (head.filled < head.reply.length) return;
      this.#waiting.shift();
      complete.push(head);
    }
  }

  #finish(flight: Flight): void {
    this.#open.delete(flight);
    flight.resolve(flight.reply);
  }

  /**
   * What ends by itself, now, is not cancelled: whether it did before we came to it would be chance, and a replay
   * repeats no chance.
   */
  #failed(transfer: UsbTransfer<unknown>, error: unknown): void {
    const passedUs = this.#transfers.get(transfer)?.atUs ?? 0;
    this.#transfers.delete(transfer);
    const later = (deadline: Deadline): boolean => deadline.atUs > passedUs;
    void this.#stop(error, isFinal(error) ? () => false : isLate(error) ? later : () => true);
  }
}

/** More came than was asked for: a command was misread, or bytes are left from before. */
function tooLong(rest: Uint8Array): BridgeError {
  return new BridgeError("BRIDGE_PROTOCOL", "the adapter answered more than it was asked for", {
    details: { bytes: rest.length, first: Buffer.from(rest.subarray(0, 8)).toString("hex") },
  });
}
