import type { ReceiveRequest, TransferResult } from "../../spi/card-bus.js";
import { badData, noToken, refusedBy } from "../../spi/card-errors.js";
import type { Deadline } from "../../util/deadline.js";
import { R1, R1_ERRORS } from "../r1.js";
import { type CardLink, isDeadline } from "./card-link.js";
import type { Commander } from "./commands.js";
import { DataParser } from "./data-parser.js";
import { BLOCK_OVERHEAD, commandName } from "./frame.js";
import type { Settler } from "./settle.js";

/** 100 ms by the specification; 600 ms seen with some MMC (Linux quirks.h). */
const TOKEN_WAIT_US = 600_000;
const GAPS_BLOCKS = 128;

/** R1 bits with which a transfer does not go on. */
export const TRANSFER_REFUSED: number = R1_ERRORS | R1.idle;

/** Blocks from the card: R1 and the whole stream in one transaction, then CMD12 if it is open-ended. */
export class ReadTransfer {
  readonly #link: CardLink;
  readonly #commander: Commander;
  readonly #settler: Settler;
  readonly #data = new DataParser();

  constructor(link: CardLink, commander: Commander, settler: Settler) {
    this.#link = link;
    this.#commander = commander;
    this.#settler = settler;
  }

  async run(request: ReceiveRequest, deadline: Deadline): Promise<TransferResult> {
    const refused = await this.#commander.announce(request.command, deadline);
    if (refused !== undefined) throw refusedBy(commandName(request.command), refused.r1);
    const r1 = await this.#stream(request, deadline);
    if (request.openEnded) await this.#settler.endRead(deadline);
    return { r1, blocksDone: this.#data.blocksDone };
  }

  async #stream(request: ReceiveRequest, deadline: Deadline): Promise<number> {
    try {
      const r1 = await this.#receive(request, deadline);
      this.#learn();
      return r1;
    } catch (error) {
      await this.#settler.afterRead(request.openEnded, deadline);
      throw error;
    }
  }

  async #receive(request: ReceiveRequest, deadline: Deadline): Promise<number> {
    const { command, into, blockLength, blockCount } = request;
    const name = commandName(command);
    const segments = this.#commander.segments(command, { refuse: TRANSFER_REFUSED });
    const maxWait = this.#link.bytesIn(TOKEN_WAIT_US);
    const parser = this.#data.expect({ into, blockLength, blockCount, maxWait });
    segments.push({ kind: "receive", parser, hint: this.#hint(request) });
    const r1 = await this.#transact(request, segments, deadline);
    if (r1 & TRANSFER_REFUSED) throw refusedBy(name, r1);
    if (parser.failure !== undefined) throw badData(name, parser.failure, parser.blocksDone);
    return r1;
  }

  async #transact(
    request: ReceiveRequest,
    segments: Parameters<Commander["transact"]>[1],
    deadline: Deadline,
  ): Promise<number> {
    try {
      return await this.#commander.transact(request.command, segments, deadline);
    } catch (error) {
      const { waiting, blocksDone } = this.#data;
      const answered = this.#commander.response.status === "done";
      if (!(isDeadline(error) && answered && waiting)) throw error;
      throw noToken(commandName(request.command), blocksDone, error);
    }
  }

  #hint({ blockLength, blockCount }: ReceiveRequest): number {
    const { access, gaps } = this.#link.estimates;
    const roundTrip = this.#link.roundTripBytes;
    const between = Math.ceil((gaps.best(roundTrip) * (blockCount - 1)) / GAPS_BLOCKS);
    return access.best(roundTrip) + blockCount * (blockLength + BLOCK_OVERHEAD) + between;
  }

  #learn(): void {
    const { access, gaps } = this.#link.estimates;
    const { accessBytes, gapBytes, blocksDone } = this.#data;
    access.observe(accessBytes);
    if (blocksDone > 1) gaps.observe(Math.ceil((gapBytes * GAPS_BLOCKS) / (blocksDone - 1)));
  }
}
