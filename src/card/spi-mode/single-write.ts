import type { SendRequest, TransferResult } from "../../spi/card-bus.js";
import { refusedBy, rejectedBlock, stillBusy, withStatus } from "../../spi/card-errors.js";
import { concatBytes } from "../../util/bytes.js";
import type { Deadline } from "../../util/deadline.js";
import { type CardLink, isDeadline } from "./card-link.js";
import type { Commander } from "./commands.js";
import { blockBuffer, commandBytes, commandName, encodeBlock, TOKEN } from "./frame.js";
import type { Settler } from "./settle.js";
import { oneBlockOnly } from "./single-read.js";
import { DataResponseParser } from "./write-parsers.js";

/** Between a command and the token that is sent without having seen R1: NCR 8, R1, and one (NWR) that the block brings. */
const RESPONSE_ROOM = new Uint8Array(9).fill(0xff);
const STATUS = { index: 13, argument: 0, response: "R2" } as const;

/**
 * One block to the card in one operation: command, room for R1, block; then data response and busy. R1 is lost, but a card that did not
 * take the command gives no data response. It would take the block's bytes for commands, though: so its status is asked for first.
 */
export class SingleWrite {
  readonly #link: CardLink;
  readonly #commander: Commander;
  readonly #settler: Settler;
  readonly #response = new DataResponseParser();

  constructor(link: CardLink, commander: Commander, settler: Settler) {
    this.#link = link;
    this.#commander = commander;
    this.#settler = settler;
  }

  async run(request: SendRequest, deadline: Deadline): Promise<TransferResult> {
    if (request.openEnded || request.command.app) throw oneBlockOnly(request);
    await this.#checkStatus(request, deadline);
    const name = commandName(request.command);
    try {
      await this.#send(request, deadline).catch((error: unknown) => {
        throw this.#isTaken && isDeadline(error) ? stillBusy(name, error) : error;
      });
      if (!this.#isTaken) throw rejectedBlock(name, this.#response.response, 0);
      this.#link.estimates.busy.observe(this.#response.responseBytes - 1 + this.#link.busy.bytes);
      return { r1: 0, blocksDone: 1 };
    } catch (error) {
      throw withStatus(error, await this.#settler.afterWrite(false, deadline));
    }
  }

  get #isTaken(): boolean {
    return this.#response.status === "done";
  }

  /** The first status may show old trouble. @throws CardError CARD_ERROR, CARD_CRC */
  async #checkStatus({ command }: SendRequest, deadline: Deadline): Promise<void> {
    for (let tries = 1; ; tries++) {
      const { r1, extra } = await this.#commander.command(STATUS, deadline);
      if (r1 === 0 && extra[0] === 0) return;
      if (tries === 2) throw refusedBy(commandName(command), r1);
    }
  }

  async #send({ command, data, blockLength }: SendRequest, deadline: Deadline): Promise<void> {
    const block = blockBuffer(blockLength);
    encodeBlock(block, TOKEN.startBlock, data, 0);
    const frame = commandBytes(command.index, command.argument);
    const segments = [
      ...this.#link.open(),
      { kind: "write", data: concatBytes([frame, RESPONSE_ROOM, block]) } as const,
      { kind: "receive", parser: this.#response.expect(), hint: 1 } as const,
      this.#link.awaitReady(this.#link.busyHint()),
    ];
    await this.#link.run({ label: commandName(command), segments }, deadline);
  }
}
