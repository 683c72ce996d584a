import type { ReceiveRequest, TransferResult } from "../../spi/card-bus.js";
import { badData, noToken, refusedBy } from "../../spi/card-errors.js";
import { BridgeError } from "../../spi/errors.js";
import type { Deadline } from "../../util/deadline.js";
import type { CardLink } from "./card-link.js";
import type { Commander } from "./commands.js";
import { DataParser } from "./data-parser.js";
import { BLOCK_OVERHEAD, commandName } from "./frame.js";
import { TRANSFER_REFUSED } from "./read-transfer.js";
import type { Settler } from "./settle.js";

/** Access time that is waited for within the operation, in bytes, before anything was seen: 1 KiB in all, which does for QEMU. */
const FIRST_ACCESS_BYTES = 480;
const LEAST_ACCESS_BYTES = 64;
/** Response, and what is read besides. */
const RESERVED_BYTES = 64;

/**
 * One block from the card in one operation: command, response, access time and data, since CS rises at its end. If the block did not come
 * within it, it is asked for again with twice the time, as far as an operation reaches.
 */
export class SingleRead {
  readonly #link: CardLink;
  readonly #commander: Commander;
  readonly #settler: Settler;
  readonly #data = new DataParser();
  #accessBytes = FIRST_ACCESS_BYTES;

  constructor(link: CardLink, commander: Commander, settler: Settler) {
    this.#link = link;
    this.#commander = commander;
    this.#settler = settler;
  }

  async run(request: ReceiveRequest, deadline: Deadline): Promise<TransferResult> {
    if (request.openEnded || request.blockCount !== 1) throw oneBlockOnly(request);
    const longest = this.#longest(request);
    for (;;) {
      const access = Math.min(this.#accessBytes, longest);
      const r1 = await this.#try(request, access, deadline);
      if (r1 !== undefined) return { r1, blocksDone: 1 };
      this.#accessBytes = Math.max(this.#accessBytes, access * 2);
      if (access === longest || !this.#link.stateKnown) throw tooLate(request);
    }
  }

  #longest({ blockLength }: ReceiveRequest): number {
    const { maxReadBytes = 0 } = this.#link.bridge.capabilities.operation ?? {};
    return Math.max(1, maxReadBytes - blockLength - BLOCK_OVERHEAD - RESERVED_BYTES);
  }

  /** R1; undefined if the block did not come within the operation, and the card is left alone again. */
  async #try(
    request: ReceiveRequest,
    access: number,
    deadline: Deadline,
  ): Promise<number | undefined> {
    const refused = await this.#commander.announce(request.command, deadline);
    if (refused !== undefined) throw refusedBy(commandName(request.command), refused.r1);
    try {
      const r1 = await this.#receive(request, access, deadline);
      if (r1 === undefined) await this.#settler.afterRead(false, deadline);
      return r1;
    } catch (error) {
      await this.#settler.afterRead(false, deadline);
      throw error;
    }
  }

  async #receive(
    { command, into, blockLength }: ReceiveRequest,
    access: number,
    deadline: Deadline,
  ): Promise<number | undefined> {
    const name = commandName(command);
    const parser = this.#data.expect({ into, blockLength, blockCount: 1, maxWait: Infinity });
    const segments = [
      ...this.#commander.segments(command, { refuse: TRANSFER_REFUSED }),
      { kind: "receive", parser, hint: access + blockLength + BLOCK_OVERHEAD } as const,
    ];
    const r1 = await this.#commander.transact(command, segments, deadline);
    if (r1 & TRANSFER_REFUSED) throw refusedBy(name, r1);
    if (parser.failure !== undefined) throw badData(name, parser.failure, 0);
    if (parser.status === "more") return undefined;
    this.#learn(parser.accessBytes);
    return r1;
  }

  /** Twice what was needed; slowly less, since the next access may take longer again. */
  #learn(needed: number): void {
    const less = Math.floor((this.#accessBytes * 15) / 16);
    this.#accessBytes = Math.max(LEAST_ACCESS_BYTES, 2 * needed, less);
  }
}

function tooLate({ command }: ReceiveRequest): Error {
  return noToken(commandName(command), 0, undefined, SLOWER_HINT);
}

const SLOWER_HINT =
  "the card takes longer than one operation of this adapter: lower --speed, or use firmware that holds chip select";

/** For a request that only a card bus with streams can do; its capabilities say that there is but one block. */
export function oneBlockOnly(request: {
  readonly command: ReceiveRequest["command"];
}): BridgeError {
  return new BridgeError(
    "BRIDGE_UNSUPPORTED",
    `${commandName(request.command)}: this adapter moves one block at a time`,
    { hint: "use firmware that holds chip select" },
  );
}
