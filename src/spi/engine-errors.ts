import { errorCode, isMmcpstoreError } from "../util/errors.js";
import { BridgeError } from "./errors.js";

/** True if nothing will work again: the adapter is off the bus, or a replay has left its recording. */
export function isFinal(error: unknown): boolean {
  const code = errorCode(error);
  return code === "TRANSPORT_DISCONNECTED" || code === "CASSETTE_MISMATCH";
}

/** True for what a deadline ended. */
export function isLate(error: unknown): boolean {
  return errorCode(error) === "TRANSPORT_TIMEOUT";
}

/** Somebody took the bridge away, or something before it failed. */
export function cancelled(label: string, why: string, cause?: unknown): BridgeError {
  return new BridgeError("BRIDGE_CANCELLED", `${label}: ${why}`, { cause });
}

/** A time-out of a transfer becomes the bridge's; everything else says best itself what it is. */
export function describeFailure(error: unknown, label: string): unknown {
  if (!isLate(error)) return error;
  return new BridgeError("BRIDGE_TIMEOUT", `${label}: the adapter did not answer in time`, {
    cause: error,
    details: { label },
  });
}

/** For a submit on a chip that has to be brought back by abort() first. */
export function outOfSync(cause: unknown): unknown {
  if (isFinal(cause) || !isMmcpstoreError(cause)) return cause;
  return new BridgeError("BRIDGE_SYNC", "the adapter is out of step since its last failure", {
    cause,
    details: { failure: cause.code },
  });
}

/** The deadline had passed before anything was sent. */
export function late(label: string): BridgeError {
  return new BridgeError("BRIDGE_TIMEOUT", `${label}: the deadline has passed`, {
    details: { label },
  });
}
