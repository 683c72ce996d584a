import type { SendRequest, TransferResult } from "../../spi/card-bus.js";
import {
  DATA_RESPONSE,
  misalignedWait,
  refusedBy,
  rejectedBlock,
  stillBusy,
  withStatus,
} from "../../spi/card-errors.js";
import type { CardError } from "../../spi/errors.js";
import type { Deadline } from "../../util/deadline.js";
import { type CardLink, isDeadline } from "./card-link.js";
import type { Commander } from "./commands.js";
import { blockBuffer, commandName, encodeBlock, TOKEN } from "./frame.js";
import { TRANSFER_REFUSED } from "./read-transfer.js";
import type { Settler } from "./settle.js";
import { DataResponseParser } from "./write-parsers.js";

/** Blocks to the card: one step each, with its data response and as much busy as is likely. */
export class WriteTransfer {
  readonly #link: CardLink;
  readonly #commander: Commander;
  readonly #settler: Settler;
  readonly #response = new DataResponseParser();
  /** One is on the wire while the next is made. */
  #buffers: readonly [Uint8Array, Uint8Array] = [new Uint8Array(0), new Uint8Array(0)];
  #responseHint = 1;

  constructor(link: CardLink, commander: Commander, settler: Settler) {
    this.#link = link;
    this.#commander = commander;
    this.#settler = settler;
  }

  async run(request: SendRequest, deadline: Deadline): Promise<TransferResult> {
    const refused = await this.#commander.announce(request.command, deadline);
    if (refused !== undefined) throw refusedBy(commandName(request.command), refused.r1);
    const blocks = request.data.length / request.blockLength;
    try {
      const r1 = await this.#open(request, deadline);
      await this.#blocks(request, blocks, deadline);
      if (request.openEnded) await this.#settler.endWrite(deadline);
      return { r1, blocksDone: blocks };
    } catch (error) {
      throw withStatus(error, await this.#settler.afterWrite(request.openEnded, deadline));
    }
  }

  async #open(request: SendRequest, deadline: Deadline): Promise<number> {
    const { command } = request;
    const segments = this.#commander.segments(command, { refuse: TRANSFER_REFUSED });
    const r1 = await this.#commander.transact(command, segments, deadline);
    if (r1 & TRANSFER_REFUSED) throw refusedBy(commandName(command), r1);
    return r1;
  }

  async #blocks(request: SendRequest, blocks: number, deadline: Deadline): Promise<void> {
    const name = commandName(request.command);
    this.#fit(request.blockLength);
    this.#encode(request, 0);
    for (let index = 0; index < blocks; index++) {
      const sent = this.#send(`${name} block ${index}/${blocks}`, index, deadline);
      if (index + 1 < blocks) this.#encode(request, index + 1);
      await sent.catch((error) => {
        throw isDeadline(error) ? this.#late(name, index, error) : error;
      });
      this.#judge(name, index);
    }
  }

  #fit(blockLength: number): void {
    const length = blockBuffer(blockLength).length;
    if (this.#buffers[0].length === length) return;
    this.#buffers = [blockBuffer(blockLength), blockBuffer(blockLength)];
  }

  #encode(request: SendRequest, index: number): void {
    const token = request.openEnded ? TOKEN.startMultiWrite : TOKEN.startBlock;
    encodeBlock(this.#buffer(index), token, request.data, index * request.blockLength);
  }

  #buffer(index: number): Uint8Array {
    return this.#buffers[index % 2 === 0 ? 0 : 1];
  }

  async #send(label: string, index: number, deadline: Deadline): Promise<void> {
    const segments = [
      { kind: "write", data: this.#buffer(index) },
      { kind: "receive", parser: this.#response.expect(), hint: this.#responseHint },
      this.#link.awaitReady(this.#link.busyHint()),
    ] as const;
    await this.#link.run({ label, segments }, deadline);
  }

  /** @throws CardError for a block that the card did not take */
  #judge(name: string, index: number): void {
    const { status, response, responseBytes } = this.#response;
    if (status === "done") {
      // Only what is usual: the busy estimate covers the rest.
      this.#responseHint = this.#link.hardwareWait ? responseBytes : 1;
      this.#link.estimates.busy.observe(responseBytes - 1 + this.#link.busy.bytes);
      return;
    }
    const error = rejectedBlock(name, response, index);
    const known = response === DATA_RESPONSE.crcError || response === DATA_RESPONSE.writeError;
    if (known || !this.#link.hardwareWait) throw error;
    throw this.#distrustWait(name, error);
  }

  #distrustWait(name: string, error: CardError): CardError {
    this.#link.hardwareWait = false;
    this.#link.log.warn({ command: name }, "hardware wait is off: it lost the byte border");
    return misalignedWait(name, error);
  }

  #late(name: string, index: number, error: unknown): unknown {
    if (this.#response.status !== "done") return error;
    return stillBusy(name, error, { blocksDone: index });
  }
}
