import { isFinal, isLate, outOfSync } from "../../spi/engine-errors.js";
import type { UsbTransfer, UsbTransport } from "../../transport/types.js";
import { roundUp } from "../../util/bytes.js";
import type { Deadline } from "../../util/deadline.js";
import { AnswerReader } from "./answers.js";
import { CH347_IN, CH347_OUT } from "./chips.js";
import { type Answer, type Ch347Script, type Command, unpackAnswer } from "./codec.js";
import { refusal, tooMuch, unexpected } from "./link-errors.js";
import { HEAD_BYTES, PAYLOAD_BYTES } from "./wire.js";

/** IN transfers posted at a time for the frames of one long read: 8 ms of them at the highest rate that was measured. */
const MAX_POSTED = 64;

/** A script on its way. */
interface Flight {
  readonly reply: Uint8Array;
  readonly deadline: Deadline;
  readonly resolve: (reply: Uint8Array) => void;
  readonly reject: (error: unknown) => void;
  /** Commands to be taken and answers to come. */
  left: number;
}

interface Queued extends Command {
  readonly flight: Flight;
}

interface Awaited {
  readonly answer: Answer;
  readonly flight: Flight;
  /** Bytes of MISO that have come. */
  got: number;
}

/** In flight, each with its own deadline. */
type Transfers = Map<UsbTransfer<unknown>, Deadline>;

/**
 * Scripts out, answers in, in order, as many scripts at once as the caller likes.
 *
 * Each command is an OUT transfer of its own, and the next one goes when the answer is complete: so flashrom and ufprog do it, and nobody
 * has shown that the chip takes more. What is long is a single read, with IN transfers posted for the frames to come: every frame ends in a short
 * packet, so each is a transfer of its own. Whatever fails, what is in flight is cancelled, and the link is out of step until
 * {@link restart}.
 */
export class Ch347Link {
  readonly #transport: UsbTransport;
  readonly #packetSize: number;
  readonly #reader = new AnswerReader();
  readonly #open: Set<Flight> = new Set();
  #queue: Queued[] = [];
  #awaited: Awaited | undefined;
  readonly #outs: Transfers = new Map();
  readonly #ins: Transfers = new Map();
  #failure: { readonly error: unknown; readonly stopped: Promise<void> } | undefined;

  constructor(transport: UsbTransport) {
    this.#transport = transport;
    this.#packetSize = transport.packetSize(CH347_IN);
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
   * @throws TransportError as the transfers fail; BridgeError BRIDGE_PROTOCOL for an answer to something else, BRIDGE_SYNC
   * while out of step
   */
  run(
    { commands, replyBytes }: Pick<Ch347Script, "commands" | "replyBytes">,
    deadline: Deadline,
  ): Promise<Uint8Array> {
    if (this.#failure !== undefined) return Promise.reject(outOfSync(this.#failure.error));
    const reply = new Uint8Array(replyBytes);
    if (commands.length === 0) return Promise.resolve(reply);
    return new Promise((resolve, reject) => {
      const answers = commands.filter(({ answer }) => answer !== undefined).length;
      const left = commands.length + answers;
      const flight: Flight = { reply, deadline, resolve, reject, left };
      this.#open.add(flight);
      this.#queue.push(...commands.map((command) => ({ ...command, flight })));
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
    this.#awaited = undefined;
    this.#reader.reset();
  }

  #stop(error: unknown, isCancelled: (deadline: Deadline) => boolean): Promise<void> {
    if (this.#failure === undefined) {
      this.#queue = [];
      // Commands first: one that is not taken has no answer.
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
    while (this.#failure === undefined && this.#awaited === undefined) {
      const head = this.#queue.shift();
      if (head === undefined) return;
      const { answer, flight } = head;
      if (answer !== undefined) {
        this.#awaited = { answer, flight, got: 0 };
        this.#postReads(this.#awaited);
      }
      this.#send(head);
    }
  }

  #send({ bytes, flight }: Queued): void {
    const transfer = this.#transport.bulkOut(CH347_OUT, bytes, flight.deadline);
    this.#watch(this.#outs, transfer, flight.deadline, () => this.#settled(flight));
  }

  /** An IN transfer for each frame that is still to come, as far ahead as is sensible. */
  #postReads(awaited: Awaited): void {
    const missing = missingOf(awaited);
    const frames = Math.min(MAX_POSTED, Math.ceil(missing / PAYLOAD_BYTES));
    while (this.#failure === undefined && this.#ins.size < frames)
      this.#receive(missing - this.#ins.size * PAYLOAD_BYTES, awaited.flight);
  }

  /** No longer than the frame: one that fills its last packet need not be followed by an empty one. */
  #receive(missing: number, { deadline }: Flight): void {
    const frame = HEAD_BYTES + Math.min(PAYLOAD_BYTES, missing);
    const length = roundUp(frame, this.#packetSize);
    const transfer = this.#transport.bulkIn(CH347_IN, length, deadline);
    this.#watch(this.#ins, transfer, deadline, (data) => this.#received(data));
  }

  #received(data: Uint8Array): void {
    const awaited = this.#awaited;
    const frames = this.#reader.push(data);
    const [frame, more] = frames;
    const { head } = this.#reader;
    if (awaited === undefined || more !== undefined || (frame && head)) {
      void this.stop(tooMuch(data));
      return;
    }
    const begun = frame === undefined ? head : { ...frame, length: frame.data.length };
    const error =
      begun && (unexpected(awaited.answer, missingOf(awaited), begun) ?? refusal(frame));
    if (error !== undefined) void this.stop(error);
    else if (frame !== undefined) this.#accept(awaited, frame.data);
    else this.#postReads(awaited);
  }

  #accept(awaited: Awaited, data: Uint8Array): void {
    const { answer, flight } = awaited;
    if ("keep" in answer) {
      unpackAnswer(answer.keep, data, awaited.got, flight.reply);
      awaited.got += data.length;
      if (awaited.got < answer.length) {
        this.#postReads(awaited);
        return;
      }
    }
    this.#awaited = undefined;
    this.#settled(flight);
    this.#pump();
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
    if (flight.left > 0) return;
    this.#open.delete(flight);
    flight.resolve(flight.reply);
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

/** Payload still to come; of a short answer what has room in one frame. */
function missingOf({ answer, got }: Awaited): number {
  return "keep" in answer ? answer.length - got : SHORT_ANSWER_BYTES;
}

/** Settings are the longest of the answers that bring no MISO. */
const SHORT_ANSWER_BYTES = 26;

/** Cancels transfers and resolves when all have ended. */
async function settle(
  transfers: Transfers,
  isCancelled: (deadline: Deadline) => boolean,
): Promise<void> {
  const open = [...transfers];
  for (const [transfer, deadline] of open) if (isCancelled(deadline)) transfer.cancel();
  await Promise.allSettled(open.map(([{ done }]) => done));
}
