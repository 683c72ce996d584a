import { BulkLink, type Flight } from "../../spi/bulk-link.js";
import { BridgeError } from "../../spi/errors.js";
import type { UsbTransport } from "../../transport/types.js";
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

interface Queued extends OutTransfer {
  readonly flight: Flight;
}

/**
 * Scripts out, answers in, in order, as many scripts at once as the caller likes.
 *
 * Every packet with data is answered by a short packet of its own, and a chip with more than four answers that nobody fetches
 * hangs until it is unplugged (bridges.md 2.4). So an OUT transfer is sent only when an IN transfer is posted for each answer to it,
 * however long this process may be held up afterwards.
 */
export class Ch341Link extends BulkLink {
  readonly #transport: UsbTransport;
  readonly #clock: Clock;
  #queue: Queued[] = [];

  constructor(transport: UsbTransport, clock: Clock) {
    super();
    this.#transport = transport;
    this.#clock = clock;
  }

  /**
   * Sends a script; resolves with its reply once the chip has taken all of it and has given every answer.
   * @throws TransportError as the transfers fail; BridgeError BRIDGE_PROTOCOL for an answer of the wrong length, BRIDGE_SYNC
   * while out of step
   */
  run(
    { packets, replyBytes }: Pick<Ch341Script, "packets" | "replyBytes">,
    deadline: Deadline,
  ): Promise<Uint8Array> {
    const transfers = toTransfers(packets, PACKETS_PER_TRANSFER);
    const parts = transfers.reduce((sum, { answers }) => sum + 1 + answers.length, 0);
    return this.begin(replyBytes, parts, deadline, (flight) => {
      this.#queue.push(...transfers.map((transfer) => ({ ...transfer, flight })));
      this.#pump();
    });
  }

  protected forgetQueue(): void {
    this.#queue = [];
  }

  #pump(): void {
    for (;;) {
      const head = this.#queue[0];
      if (head === undefined || this.sending >= MAX_SENDING) return;
      if (this.posted + head.answers.length > MAX_POSTED) return;
      this.#queue.shift();
      for (const answer of head.answers) this.#receive(answer, head.flight);
      this.#send(head);
      if (this.stopped) return;
    }
  }

  #send({ bytes, flight }: Queued): void {
    const { atUs } = flight.deadline;
    const lead = Math.min(OUT_LEAD_US, remainingUs(this.#clock, flight.deadline) / 2);
    const deadline = { atUs: atUs - lead };
    const transfer = this.#transport.bulkOut(CH341_OUT, bytes, deadline);
    this.watchOut(transfer, deadline, () => this.#partDone(flight));
  }

  #receive(answer: Answer, flight: Flight): void {
    const { deadline } = flight;
    const transfer = this.#transport.bulkIn(CH341_IN, PACKET_BYTES, deadline);
    this.watchIn(transfer, deadline, (data) => {
      if (data.length !== answer.length) {
        void this.stop(wrongLength(answer.length, data));
        return;
      }
      unpackAnswer(answer, data, flight.reply);
      this.#partDone(flight);
    });
  }

  #partDone(flight: Flight): void {
    this.settled(flight);
    this.#pump();
  }
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
