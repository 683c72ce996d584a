import { isLate } from "../../../spi/engine-errors.js";
import type { SerialTransport } from "../../../transport/types.js";
import { concatBytes } from "../../../util/bytes.js";
import type { Clock } from "../../../util/clock.js";
import { type Deadline, deadlineIn, earlier } from "../../../util/deadline.js";
import { ACK } from "../opcodes.js";
import type { SerialReader } from "../serial-reader.js";
import { decodeInfo, type SdxInfo } from "./codec.js";
import { SDX } from "./protocol.js";

/** The way to a programmer that is in step. */
export interface WireParts {
  readonly transport: SerialTransport;
  readonly reader: SerialReader;
  readonly clock: Clock;
}

const INFO_ANSWER_BYTES = 1 + SDX.INFO_BYTES + SDX.CRC_BYTES;

/** SDX_INFO, which begins a session. Undefined if nothing that makes sense comes back. @throws TransportError */
export async function askInfo(
  parts: WireParts,
  waitMs: number,
  deadline: Deadline,
): Promise<SdxInfo | undefined> {
  const answer = await ask(parts, SDX.INFO, [INFO_ANSWER_BYTES, waitMs], deadline);
  return answer[0] === ACK ? decodeInfo(answer.subarray(1)) : undefined;
}

/** One byte out; what comes back, `length` bytes or until nothing has come for `waitMs`. */
export async function ask(
  { transport, reader, clock }: WireParts,
  opcode: number,
  [length, waitMs]: readonly [length: number, waitMs: number],
  deadline: Deadline,
): Promise<Uint8Array> {
  await transport.write(Uint8Array.of(opcode), deadline);
  const came: Uint8Array[] = [];
  for (let have = 0; have < length; ) {
    const until = earlier(deadline, deadlineIn(clock, waitMs));
    const bytes = await reader.some(until).catch(nothingCame);
    if (bytes === undefined) break;
    came.push(bytes);
    have += bytes.length;
  }
  return concatBytes(came);
}

/** For a read whose time-out says something. */
export function nothingCame(error: unknown): undefined {
  if (isLate(error)) return undefined;
  throw error;
}
