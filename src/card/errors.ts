import { CardError } from "../spi/errors.js";
import { type ErrorDetails, errorCode, isMmcpstoreError } from "../util/errors.js";
import { R1 } from "./r1.js";

/** Hints that more than one error gives. */
export const HINT = {
  wiring: "check the wiring (short wires, a common ground, 10k pull-up on MISO), or lower --speed",
  noStartUp:
    "or it needs its 74 start-up clocks, which half-duplex serprog firmware cannot give: use firmware with commands 17 and 18",
  absent:
    "check that a card is inserted, that it has 3.3 V, and the wires of CS, SCK, MOSI and MISO",
  stuckLow:
    "MISO stays low: check its wire and pull-up for a short, and the card's supply; or the card is still busy",
  powerCycle: "take the card's power away for a second and try again",
  locked: "unlock it in the device that locked it",
  reopen: "put the card back in, and try again",
} as const;

/** A number among an error's details, if it has that. */
export function detailOf(error: unknown, name: string): number | undefined {
  if (!isMmcpstoreError(error)) return undefined;
  const value = error.details[name];
  return typeof value === "number" ? value : undefined;
}

/** R1 of the command that failed, 00 if the error does not tell. */
export function r1Of(error: unknown): number {
  return detailOf(error, "r1") ?? 0;
}

/** True if the card said that it does not have the command (and not that it was reset). */
export function isIllegal(error: unknown): boolean {
  return (
    errorCode(error) === "CARD_ERROR" &&
    (r1Of(error) & (R1.illegalCommand | R1.idle)) === R1.illegalCommand
  );
}

/** R1 says "idle" where it must not: the card lost power since it was identified. */
export function isReset(error: unknown): boolean {
  return (r1Of(error) & R1.idle) !== 0;
}

/** Worth another try at a lower clock: noise, not the card's own will. */
export function isNoise(error: unknown): boolean {
  const code = errorCode(error);
  return code === "CARD_CRC" || code === "CARD_NO_RESPONSE" || code === "CARD_TIMEOUT";
}

/**
 * The same failure in the words of the layer above. What is not the card's (bridge, transport) stays what it is: it
 * has its own code and exit code. A bridge's passed deadline is that of the operation.
 */
export function inContext(error: unknown, doing: string, details: ErrorDetails): unknown {
  if (!isMmcpstoreError(error)) return error;
  const code = error.code === "BRIDGE_TIMEOUT" ? "CARD_TIMEOUT" : error.code;
  if (!code.startsWith("CARD_")) return error;
  const message = error.message.startsWith(doing) ? error.message : `${doing}: ${error.message}`;
  return new CardError(code, message, {
    cause: error,
    details: { ...error.details, ...details },
    ...(error.hint !== undefined && { hint: error.hint }),
  });
}

/** The card answered as if it had been powered up again. */
export function wasReset(doing: string): CardError {
  return new CardError(
    "CARD_ABSENT",
    `${doing}: the card was taken out, or lost power, meanwhile`,
    { hint: HINT.reopen },
  );
}
