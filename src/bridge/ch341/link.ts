import { isFinal, isLate, outOfSync } from "../../spi/engine-errors.js";
import { BridgeError } from "../../spi/errors.js";
import type { UsbTransfer, UsbTransport } from "../../transport/types.js";
import type { Clock } from "../../util/clock.js";
import { type Deadline, remainingUs } from "../../util/deadline.js";
import { CH341_IN, CH341_OUT } from "./chips.js";
import {
  type Answer,
  type Ch341Script,
  type OutTransfer,
  toTransfers,
  unpackAnswer,
} from "./codec.js";
import { PACKET_BYTES } from "./wire.js";

/** Packets of one OUT transfer: as many as flashrom keeps IN transfers posted. */
const PACKETS_PER_TRANSFER = 32;
/** IN transfers posted at most: the next OUT transfer goes while the packets of two are still to be answered. */
const MAX_POSTED: number = 3 * PACKETS_PER_TRANSFER;
/** OUT transfers without answers are no reason to go further ahead. */
const MAX_SENDING = 4;
/** OUT transfers are given up earlier than the IN transfers that wait for their answers. */
const OUT_LEAD_US = 2000;

/** A script on its way. */
interface Flight {
  readonly reply: Uint8Array;
  readonly deadline: Deadline;
  readonly resolve: (reply: Uint8Array) => void;
  readonly reject: (error: unknown) => void;
  /** Transfers, queued or in flight, that it waits for. */
  left: number;
}

interface Queued extends OutTransfer {
  readonly flight: Flight;
}

/** In flight, each with its own deadline. */
type Transfers = Map<UsbTransfer<unknown>, Deadline>;

/**
 * Scripts out, answers in, in order, as many scripts at once as the caller likes.
 *
 * Every packet with data is answered by a short packet of its own, and a chip with more than four answers that nobody fetches
 * hangs until it is unplugged (bridges.md 2.4). So an OUT transfer is sent only when an IN transfer is posted for each answer to it,
 * however long this process may be held up afterwards. Whatever fails, OUT transfers are cancelled first, then the
 * rest, and the link is out of step until {@link restart}.
 */
export class Ch341Link {
  readonly #transport: UsbTransport;
  readonly #clock: Clock;
  readonly #open: Set<Flight> = new Set();
  #queue: Queued[] = [];
  readonly #outs: Transfers = new Map();
  readonly #ins: Transfers = new Map();
  #failure: { readonly error: unknown; readonly stopped: Promise<void> } | undefined;

  constructor(transport: UsbTransport, clock: Clock) {
    this.#transport = transport;
    this.#clock = clock;
  }

  /** Something is on its way. */
  get busy(): boolean {
    return this.#open.size > 0 || this.#outs.size > 0 || this.#ins.size > 0;
  }

  /** What brought the link out of step. */
  get failure(): unknown {
    return this.#failure?.error;
  }

  /**
   * Sends a script; resolves with its reply once the chip has taken all of it and has given every answer.
   * @throws TransportError as the transfers fail; BridgeError BRIDGE_PROTOCOL for an answer of the wrong length, BRIDGE_SYNC
   * while out of step
   */
  run(
    script: Pick<Ch341Script, "packets" | "replyBytes">,
    deadline: Deadline,
  ): Promise<Uint8Array> {
    if (this.#failure !== undefined) return Promise.reject(outOfSync(this.#failure.error));
    const reply = new Uint8Array(script.replyBytes);
    const transfers = toTransfers(script.packets, PACKETS_PER_TRANSFER);
    if (transfers.length === 0) return Promise.resolve(reply);
    return new Promise((resolve, reject) => {
      const left = transfers.reduce((sum, { answers }) => sum + 1 + answers.length, 0);
      const flight: Flight = { reply, deadline, resolve, reject, left };
      this.#open.add(flight);
      this.#queue.push(...transfers.map((transfer) => ({ ...transfer, flight })));
      this.#pump();
    });
  }

  /** Fails all scripts with `error`, cancels what is in flight, and resolves when nothing is any more. */
  stop(error: unknown): Promise<void> {
    return this.#stop(error, () => true);
  }

  /** In step again. Nothing may be in flight. */
  restart(): void {
    this.#failure = undefined;
  }

  #stop(error: unknown, isCancelled: (deadline: Deadline) => boolean): Promise<void> {
    if (this.#failure === undefined) {
      this.#queue = [];
      const stopped = settle(this.#outs, isCancelled)
        .then(() => settle(this.#ins, isCancelled))
        .then(() => this.#rejectAll(error));
      this.#failure = { error, stopped };
    }
    return this.#failure.stopped;
  }

  #rejectAll(error: unknown): void {
    for (const flight of this.#open) flight.reject(error);
    this.#open.clear();
  }

  #pump(): void {
    for (;;) {
      const head = this.#queue[0];
      if (head === undefined || this.#outs.size >= MAX_SENDING) return;
      if (this.#ins.size + head.answers.length > MAX_POSTED) return;
      this.#queue.shift();
      for (const answer of head.answers) this.#receive(answer, head.flight);
      this.#send(head);
      if (this.#failure !== undefined) return;
    }
  }

  #send({ bytes, flight }: Queued): void {
    const { atUs } = flight.deadline;
    const lead = Math.min(OUT_LEAD_US, remainingUs(this.#clock, flight.deadline) / 2);
    const deadline = { atUs: atUs - lead };
    const transfer = this.#transport.bulkOut(CH341_OUT, bytes, deadline);
    this.#watch(this.#outs, transfer, deadline, () => this.#settled(flight));
  }

  #receive(answer: Answer, flight: Flight): void {
    const { deadline } = flight;
    const transfer = this.#transport.bulkIn(CH341_IN, PACKET_BYTES, deadline);
    this.#watch(this.#ins, transfer, deadline, (data) => {
      if (data.length !== answer.length) {
        void this.stop(wrongLength(answer.length, data));
        return;
      }
      unpackAnswer(answer, data, flight.reply);
      this.#settled(flight);
    });
  }

  #watch<T>(
    transfers: Transfers,
    transfer: UsbTransfer<T>,
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

  #settled(flight: Flight): void {
    flight.left--;
    if (flight.left === 0) {
      this.#open.delete(flight);
      flight.resolve(flight.reply);
    }
    this.#pump();
  }

  /**
   * What ends by itself, now, is not cancelled: whether it did before we came to it would be chance, and a replay
   * repeats no chance.
   */
  #failed(error: unknown, { atUs }: Deadline): void {
    const later = (deadline: Deadline): boolean => deadline.atUs > atUs;
    void this.#stop(error, isFinal(error) ? () => false : isLate(error) ? later : () => true);
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

/** Packets were lost or are left from before, or it is no CH341. */
function wrongLength(wanted: number, data: Uint8Array): BridgeError {
  return new BridgeError(
    "BRIDGE_PROTOCOL",
    `the adapter answered with ${data.length} bytes where ${wanted} were due`,
    {
      details: {
        wanted,
        bytes: data.length,
        first: Buffer.from(data.subarray(0, 8)).toString("hex"),
      },
      hint: "make sure that no other program uses the adapter",
    },
  );
}
