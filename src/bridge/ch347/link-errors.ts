import { BridgeError } from "../../spi/errors.js";
import { toHex } from "../../util/bytes.js";
import type { AnswerFrame } from "./answers.js";
import type { Answer } from "./codec.js";
import { COMMAND, PAYLOAD_BYTES } from "./wire.js";

const HINT = "make sure that no other program uses the adapter";
const SHOWN_BYTES = 8;

/** The head of an answer, as far as it has come. */
interface Head {
  readonly command: number;
  readonly length: number | undefined;
}

/**
 * ufprog compares command and length of every answer with what it asked for: one that differs means that host and chip
 * are out of step.
 * @param missing bytes of MISO that are still to come
 */
export function unexpected(
  answer: Answer,
  missing: number,
  { command, length }: Head,
): BridgeError | undefined {
  if (command === answer.command && (length === undefined || canBe(answer, missing, length)))
    return undefined;
  const hex = (value: number): string => value.toString(16).padStart(2, "0");
  return new BridgeError(
    "BRIDGE_PROTOCOL",
    `the adapter answered ${hex(command)} with ${length ?? "no"} bytes where ${hex(answer.command)} was due`,
    { details: { command, length, expected: answer.command, missing }, hint: HINT },
  );
}

function canBe({ command }: Answer, missing: number, length: number): boolean {
  switch (command) {
    case COMMAND.exchange:
      return length === missing;
    case COMMAND.read:
      return length > 0 && length <= Math.min(PAYLOAD_BYTES, missing);
    case COMMAND.write:
      return length === 1;
    default:
      return length <= PAYLOAD_BYTES;
  }
}

/** A write that the chip says it has not done. Its word on settings flashrom reads and does not heed. */
export function refusal(frame: AnswerFrame | undefined): BridgeError | undefined {
  if (frame?.command !== COMMAND.write) return undefined;
  const [status] = frame.data;
  if (status === 0) return undefined;
  return new BridgeError("BRIDGE_PROTOCOL", `the adapter refused to write: status ${status}`, {
    details: { status },
  });
}

/** Bytes are left from before, or the chip has answered what it was not asked. */
export function tooMuch(data: Uint8Array): BridgeError {
  return new BridgeError("BRIDGE_PROTOCOL", "the adapter answered more than it was asked for", {
    details: { bytes: data.length, first: toHex(data.subarray(0, SHOWN_BYTES)) },
    hint: HINT,
  });
}
