import { BulkLink, type Flight } from "../../spi/bulk-link.js";
import type { UsbTransport } from "../../transport/types.js";
import { roundUp } from "../../util/bytes.js";
import type { Deadline } from "../../util/deadline.js";
import { AnswerReader } from "./answers.js";
import { CH347_IN, CH347_OUT } from "./chips.js";
import { type Answer, type Ch347Script, type Command, unpackAnswer } from "./codec.js";
import { refusal, tooMuch, unexpected } from "./link-errors.js";
import { HEAD_BYTES, PAYLOAD_BYTES } from "./wire.js";

/** IN transfers posted at a time for the frames of one long read: 8 ms of them at the highest rate that was measured. */
const MAX_POSTED = 64;

interface Queued extends Command {
  readonly flight: Flight;
}

interface Awaited {
  readonly answer: Answer;
  readonly flight: Flight;
  /** Bytes of MISO that have come. */
  got: number;
}

/**
 * Scripts out, answers in, in order, as many scripts at once as the caller likes.
 *
 * Each command is an OUT transfer of its own, and the next one goes when the answer is complete: so flashrom and ufprog do it, and nobody
 * has shown that the chip takes more. What is long is a single read, with IN transfers posted for the frames to come: every frame ends in a short
 * packet, so each is a transfer of its own.
 */
export class Ch347Link extends BulkLink {
  readonly #transport: UsbTransport;
  readonly #packetSize: number;
  readonly #reader = new AnswerReader();
  #queue: Queued[] = [];
  #awaited: Awaited | undefined;

  constructor(transport: UsbTransport) {
    super();
    this.#transport = transport;
    this.#packetSize = transport.packetSize(CH347_IN);
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
    const answers = commands.filter(({ answer }) => answer !== undefined).length;
    return this.begin(replyBytes, commands.length + answers, deadline, (flight) => {
      this.#queue.push(...commands.map((command) => ({ ...command, flight })));
      this.#pump();
    });
  }

  override restart(): void {
    super.restart();
    this.#awaited = undefined;
    this.#reader.reset();
  }

  protected forgetQueue(): void {
    this.#queue = [];
  }

  #pump(): void {
    while (!this.stopped && this.#awaited === undefined) {
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
    this.watchOut(transfer, flight.deadline, () => this.settled(flight));
  }

  /** An IN transfer for each frame that is still to come, as far ahead as is sensible. */
  #postReads(awaited: Awaited): void {
    const missing = missingOf(awaited);
    const frames = Math.min(MAX_POSTED, Math.ceil(missing / PAYLOAD_BYTES));
    while (!this.stopped && this.posted < frames)
      this.#receive(missing - this.posted * PAYLOAD_BYTES, awaited.flight);
  }

  /** No longer than the frame: one that fills its last packet need not be followed by an empty one. */
  #receive(missing: number, { deadline }: Flight): void {
    const frame = HEAD_BYTES + Math.min(PAYLOAD_BYTES, missing);
    const length = roundUp(frame, this.#packetSize);
    const transfer = this.#transport.bulkIn(CH347_IN, length, deadline);
    this.watchIn(transfer, deadline, (data) => this.#received(data));
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
    this.settled(flight);
    this.#pump();
  }
}

/** Payload still to come; of a short answer what has room in one frame. */
function missingOf({ answer, got }: Awaited): number {
  return "keep" in answer ? answer.length - got : SHORT_ANSWER_BYTES;
}

/** Settings are the longest of the answers that bring no MISO. */
const SHORT_ANSWER_BYTES = 26;
