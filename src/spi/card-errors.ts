import type { ErrorDetails } from "../util/errors.js";
import { errorTokenNames } from "./error-token.js";
import { CardError } from "./errors.js";
import { describeR1, R1 } from "./r1.js";

/** Data responses, `xxx0sss1` masked by 1f (SD Physical Layer 7.3.3.1). */
export const DATA_RESPONSE = { accepted: 0x05, crcError: 0x0b, writeError: 0x0d } as const;

/** Why a stream of blocks ended early. `token` has the byte that stood where a start token was due. */
export type DataFailure =
  | { readonly reason: "crc"; readonly expected: number; readonly received: number }
  | { readonly reason: "error-token" | "garbage"; readonly token: number }
  | { readonly reason: "no-token" };

const WIRING_HINT = "check the wiring and the supply, or lower --speed";
const CARD_HINT = "check that a card is inserted, its wiring and its supply";

/** No byte with bit 7 clear came. */
export function noResponse(name: string, details: ErrorDetails = {}): CardError {
  return new CardError("CARD_NO_RESPONSE", `the card does not answer ${name}`, {
    details: { command: name, ...details },
    hint: CARD_HINT,
  });
}

/** R1 with error bits where a transfer cannot go on. */
export function refusedBy(name: string, r1: number): CardError {
  const crc = (r1 & R1.crcError) !== 0;
  return new CardError(
    crc ? "CARD_CRC" : "CARD_ERROR",
    `the card refuses ${name}: R1 ${describeR1(r1)}`,
    {
      details: { command: name, r1, blocksDone: 0 },
      ...(crc && { hint: WIRING_HINT }),
    },
  );
}

/** A stream of blocks that ended early. */
export function badData(name: string, failure: DataFailure, blocksDone: number): CardError {
  const details = { command: name, blocksDone, ...failure };
  const where = `${name}, block ${blocksDone}`;
  switch (failure.reason) {
    case "crc":
      return new CardError("CARD_CRC", `${where}: CRC16 of the data is wrong`, {
        details,
        hint: WIRING_HINT,
      });
    case "garbage":
      return new CardError("CARD_CRC", `${where}: ${hex(failure.token)} instead of a start token`, {
        details,
        hint: WIRING_HINT,
      });
    case "error-token":
      return new CardError(
        "CARD_ERROR",
        `${where}: the card reports ${errorTokenNames(failure.token).join(", ")}`,
        { details },
      );
    case "no-token":
      return noToken(name, blocksDone);
  }
}

/** The card accepted a read but sends nothing. */
export function noToken(
  name: string,
  blocksDone: number,
  cause?: unknown,
  hint: string = CARD_HINT,
): CardError {
  return new CardError("CARD_TIMEOUT", `${name}, block ${blocksDone}: the card sends no data`, {
    cause,
    details: { command: name, blocksDone, reason: "no-token" },
    hint,
  });
}

/** Busy did not end before the deadline. */
export function stillBusy(name: string, cause: unknown, details: ErrorDetails = {}): CardError {
  return new CardError("CARD_BUSY", `the card is still busy with ${name}`, {
    cause,
    details: { command: name, ...details },
    hint: "give it more time (--timeout) and leave it powered",
  });
}

/** A data response other than "accepted"; undefined: none came. */
export function rejectedBlock(
  name: string,
  response: number | undefined,
  blocksDone: number,
): CardError {
  const details = { command: name, blocksDone, response };
  const where = `${name}, block ${blocksDone}`;
  if (response === DATA_RESPONSE.writeError) {
    return new CardError("CARD_WRITE_REJECTED", `${where}: the card reports a write error`, {
      details,
      hint: "it may be worn out there, or full of bad blocks: use another card",
    });
  }
  if (response === DATA_RESPONSE.crcError) {
    return new CardError("CARD_CRC", `${where}: the card received a wrong CRC16`, {
      details,
      hint: WIRING_HINT,
    });
  }
  const what = response === undefined ? "no data response" : `${hex(response)} as data response`;
  return new CardError("CARD_CRC", `${where}: ${what}`, {
    details: { ...details, reason: "data-response" },
    hint: WIRING_HINT,
  });
}

/** The same error with the status that the card gave behind it. */
export function withStatus(error: unknown, status: readonly [number, number] | undefined): unknown {
  if (!(error instanceof CardError) || status === undefined) return error;
  const { code, message, cause, details, hint } = error;
  const more = { cause, details: { ...details, status }, ...(hint !== undefined && { hint }) };
  return new CardError(code, message, more);
}

/** What came behind a hardware wait made no sense: its stop was not at a byte border. */
export function misalignedWait(name: string, cause: CardError): CardError {
  return new CardError("CARD_CRC", `${name}: the adapter's hardware wait lost the byte border`, {
    cause,
    details: { command: name, blocksDone: 0, reason: "hardware-wait", retriable: true },
    hint: "it is not used any more: repeat the write",
  });
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, "0").toUpperCase();
}
