import type { CardCommand, ReceiveRequest, SendRequest } from "../../../spi/card-bus.js";
import { badData, type DataFailure } from "../../../spi/card-errors.js";
import { commandName } from "../../../spi/command-name.js";
import type { Deadline } from "../../../util/deadline.js";
import {
  decodeResult,
  encodeAbortPayload,
  encodeCommandPayload,
  encodeTransferPayload,
  type SdxResult,
} from "./codec.js";
import { damagedLink, failureOf } from "./failures.js";
import { encodePart, type SdxReply } from "./frames.js";
import { Misunderstood } from "./misunderstood.js";
import { SDX } from "./protocol.js";
import type { SdxPart } from "./replies.js";
import { type SdxRequest, type SdxSession, unexpected } from "./session.js";

/** 100 ms by the specification; 600 ms seen with some MMC (Linux quirks.h). */
const TOKEN_MS = 600;
/** Times that one command or block is tried which bytes on the link have stopped. */
const MAX_TRIES = 3;

/** How a request ended. */
export interface Ended {
  readonly r1: number | undefined;
  readonly extra: Uint8Array;
  readonly blocksDone: number;
  /** Absent: all of it was done. */
  readonly failure?: unknown;
  /** The card is in transfer state, or whatever it was in before. */
  readonly cardKnown: boolean;
}

/** Where deadlines on the device come from. */
export type DeviceMs = (deadline: Deadline) => number;

/** Commands, and blocks with them: one request each. */
export class Transfers {
  readonly #session: SdxSession;
  readonly #deviceMs: DeviceMs;

  constructor(session: SdxSession, deviceMs: DeviceMs) {
    this.#session = session;
    this.#deviceMs = deviceMs;
  }

  /** @param flags SDX.WRONG_CRC or 0 */
  async command(command: CardCommand, flags: number, deadline: Deadline): Promise<Ended> {
    const name = commandName(command);
    const opcode = SDX.COMMAND;
    const payload = encodeCommandPayload(command, { flags, deadlineMs: this.#deviceMs(deadline) });
    const { reply, result } = await this.#untilNotStopped(
      { opcode, payload, repeat: "always" },
      deadline,
    );
    // Which bits of R1 are right, the caller knows.
    const isAnswered = reply.status === SDX.OK || reply.status === SDX.REFUSED;
    const failure =
      isAnswered && result.r1 !== undefined
        ? undefined
        : failureOf({ name, opcode }, reply, result);
    return { ...result, ...(failure === undefined ? {} : { failure }) };
  }

  /** Blocks into `request.into`, each with its CRC16 checked here. */
  async read(request: ReceiveRequest, deadline: Deadline): Promise<Ended> {
    const name = commandName(request.command);
    const blocks = new BlockSink(request);
    const isSingle = request.blockCount === 1;
    const asked: SdxRequest = {
      opcode: SDX.READ,
      payload: this.#transferPayload(request, request.blockCount, deadline),
      blockLength: request.blockLength,
      onSend: () => blocks.reset(),
      onPart: (part) => blocks.take(part),
      repeat: isSingle ? "always" : "never",
    };
    try {
      const { reply, result } = await this.#untilNotStopped(asked, deadline, isSingle);
      return blocks.judge(name, reply, result);
    } catch (error) {
      if (!(error instanceof Misunderstood) || isSingle) throw error;
      const { cardKnown } = await this.#learn(deadline);
      return lost(name, blocks.good, cardKnown, error);
    }
  }

  /** Each block with its CRC16 from here. */
  async write(request: SendRequest, deadline: Deadline): Promise<Ended> {
    const { blockLength, data } = request;
    const name = commandName(request.command);
    const count = data.length / blockLength;
    const isSingle = count === 1;
    const asked: SdxRequest = {
      opcode: SDX.WRITE,
      payload: this.#transferPayload(request, count, deadline),
      parts: {
        count,
        part: (index) => encodePart(index & 0xff, data, index * blockLength, blockLength),
      },
      repeat: isSingle ? "in-session" : "never",
    };
    try {
      const { reply, result } = await this.#untilNotStopped(asked, deadline, isSingle);
      if (reply.status === SDX.OK) return { ...result, cardKnown: true, blocksDone: count };
      return { ...result, failure: failureOf({ name, opcode: SDX.WRITE }, reply, result) };
    } catch (error) {
      if (!(error instanceof Misunderstood)) throw error;
      return this.#afterDamagedWrite(name, count, error, deadline);
    }
  }

  /** The firmware knows how many blocks the card has taken; it may even have been done. */
  async #afterDamagedWrite(
    name: string,
    count: number,
    cause: Misunderstood,
    deadline: Deadline,
  ): Promise<Ended> {
    const { isOurs, status, blocksDone, cardKnown } = await this.#learn(deadline);
    if (!isOurs) return lost(name, 0, cardKnown, cause);
    if (status !== SDX.OK) return lost(name, Math.min(blocksDone, count), cardKnown, cause);
    return { r1: 0, extra: new Uint8Array(0), blocksDone: count, cardKnown: true };
  }

  async #learn(deadline: Deadline): Promise<{
    readonly isOurs: boolean;
    readonly status: number;
    readonly blocksDone: number;
    readonly cardKnown: boolean;
  }> {
    const session = this.#session;
    const { lastSent, generation } = session;
    const payload = encodeAbortPayload(this.#deviceMs(deadline), undefined);
    const aborted = await session.abort(payload, deadline);
    const isSame = session.generation === generation && aborted.opcode === SDX.WRITE;
    return { ...aborted, isOurs: isSame && aborted.sequence === lastSent };
  }

  #transferPayload(
    { command, blockLength, openEnded }: ReceiveRequest | SendRequest,
    blocks: number,
    deadline: Deadline,
  ): Uint8Array {
    return encodeTransferPayload(command, {
      flags: openEnded ? SDX.OPEN_ENDED : 0,
      deadlineMs: this.#deviceMs(deadline),
      blockLength,
      blocks,
      tokenMs: TOKEN_MS,
    });
  }

  /** A stray byte on the link stops what runs: that is then done again, where it did no harm. */
  async #untilNotStopped(
    request: SdxRequest,
    deadline: Deadline,
    mayRepeat = true,
  ): Promise<{ readonly reply: SdxReply; readonly result: SdxResult }> {
    for (let tries = 1; ; tries++) {
      const reply = await this.#session.run(request, deadline);
      const result = decodeResult(reply.payload);
      if (result === undefined) throw unexpected(`request ${request.opcode}`, reply);
      const isStopped = reply.status === SDX.ABORTED || reply.status === SDX.DATA_LOST;
      const isHarmless = isStopped && result.cardKnown && result.blocksDone === 0;
      if (!isHarmless || !mayRepeat || tries === MAX_TRIES) return { reply, result };
    }
  }
}

function lost(name: string, blocksDone: number, cardKnown: boolean, cause: unknown): Ended {
  const failure = damagedLink(name, blocksDone, cause);
  return { r1: undefined, extra: new Uint8Array(0), blocksDone, failure, cardKnown };
}

/** Takes the blocks of one read, in order. */
class BlockSink {
  readonly #request: ReceiveRequest;
  #next = 0;
  #failure: DataFailure | undefined;
  /** Blocks before the first whose CRC16 was wrong. */
  good = 0;

  constructor(request: ReceiveRequest) {
    this.#request = request;
  }

  reset(): void {
    this.#next = 0;
    this.good = 0;
    this.#failure = undefined;
  }

  /** @throws Misunderstood for a block that is not the next */
  take({ number, data, crc, computed }: SdxPart): void {
    const { into, blockCount, blockLength } = this.#request;
    const index = this.#next++;
    if (number !== (index & 0xff) || index >= blockCount)
      throw new Misunderstood("a block is missing, or came twice");
    if (this.#failure !== undefined) return;
    if (crc !== computed) this.#failure = { reason: "crc", expected: computed, received: crc };
    else {
      into.set(data, index * blockLength);
      this.good++;
    }
  }

  judge(name: string, reply: SdxReply, result: SdxResult): Ended {
    const { good: blocksDone } = this;
    if (this.#failure !== undefined)
      return { ...result, blocksDone, failure: badData(name, this.#failure, blocksDone) };
    if (reply.status !== SDX.OK) {
      const failure = failureOf({ name, opcode: SDX.READ }, reply, { ...result, blocksDone });
      return { ...result, blocksDone, failure };
    }
    if (blocksDone < this.#request.blockCount)
      return lost(name, blocksDone, result.cardKnown, undefined);
    return { ...result, blocksDone, cardKnown: true };
  }
}
