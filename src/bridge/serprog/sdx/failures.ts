import {
  badData,
  noResponse,
  noToken,
  refusedBy,
  rejectedBlock,
  stillBusy,
} from "../../../spi/card-errors.js";
import { CardError } from "../../../spi/errors.js";
import type { SdxResult } from "./codec.js";
import type { SdxReply } from "./frames.js";
import { SDX } from "./protocol.js";
import { unexpected } from "./session.js";

/** Data responses under the statuses that report them (SD Physical Layer 7.3.3.1). */
const RESPONSE_MASK = 0x1f;
const CRC_ERROR = 0x0b;
const WRITE_ERROR = 0x0d;

/** What was asked, for messages. */
export interface Asked {
  /** `CMD18 0x800` */
  readonly name: string;
  readonly opcode: number;
}

/** The error that a status other than "all done" stands for. */
export function failureOf(asked: Asked, reply: SdxReply, result: SdxResult): unknown {
  const { name, opcode } = asked;
  const { detail, blocksDone, r1 } = result;
  switch (reply.status) {
    case SDX.NO_RESPONSE:
      return noResponse(name);
    case SDX.REFUSED:
      return refusedBy(name, r1 ?? SDX.NO_R1);
    case SDX.NO_TOKEN:
      return noToken(name, blocksDone);
    case SDX.ERROR_TOKEN:
      return badData(name, { reason: "error-token", token: detail }, blocksDone);
    case SDX.GARBAGE:
      return opcode === SDX.WRITE
        ? rejectedBlock(name, detail === SDX.NO_R1 ? undefined : detail & RESPONSE_MASK, blocksDone)
        : badData(name, { reason: "garbage", token: detail }, blocksDone);
    case SDX.CRC_REJECTED:
      return rejectedBlock(name, CRC_ERROR, blocksDone);
    case SDX.WRITE_REJECTED:
      return rejectedBlock(name, WRITE_ERROR, blocksDone);
    case SDX.BUSY:
      return stillBusy(name, undefined, { blocksDone });
    case SDX.ABORTED:
    case SDX.DATA_LOST:
      return damagedLink(name, blocksDone);
    default:
      return unexpected(name, reply);
  }
}

/** Bytes were lost between host and adapter; what was transferred before is good. */
export function damagedLink(name: string, blocksDone: number, cause?: unknown): CardError {
  return new CardError(
    "CARD_CRC",
    `${name}, block ${blocksDone}: bytes to or from the adapter were damaged`,
    {
      cause,
      details: { command: name, blocksDone, reason: "link" },
      hint: "check the cable and the baud rate of the adapter",
    },
  );
}
