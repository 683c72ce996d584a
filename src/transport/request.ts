import { equalBytes } from "../util/bytes.js";
import type { CassetteEvent, TransferRequest } from "./cassette.js";
import type { UsbControlSetup } from "./types.js";

/** Which requests must keep their order: those of one endpoint. */
export function laneOf(request: TransferRequest): string {
  return "endpoint" in request ? `endpoint ${request.endpoint}` : "control";
}

/** True if both ask for the same, byte for byte. */
export function sameRequest(a: TransferRequest, b: TransferRequest): boolean {
  if (a.type !== b.type) return false;
  if ("endpoint" in a && "endpoint" in b && a.endpoint !== b.endpoint) return false;
  if ("setup" in a && "setup" in b && !sameSetup(a.setup, b.setup)) return false;
  if ("length" in a && "length" in b) return a.length === b.length;
  return "data" in a && "data" in b && equalBytes(a.data, b.data);
}

function sameSetup(a: UsbControlSetup, b: UsbControlSetup): boolean {
  return (
    a.requestType === b.requestType &&
    a.request === b.request &&
    a.value === b.value &&
    a.index === b.index
  );
}

const SHOWN_BYTES = 24;

/** A request in one line. */
export function describe(request: TransferRequest): string {
  const where =
    "endpoint" in request
      ? ` 0x${request.endpoint.toString(16)}`
      : ` request 0x${request.setup.request.toString(16)} value 0x${request.setup.value.toString(16)}`;
  if (!("data" in request)) return `${request.type}${where} of ${request.length} bytes`;
  const shown = Buffer.from(request.data.subarray(0, SHOWN_BYTES)).toString("hex");
  return `${request.type}${where} [${shown}${request.data.length > SHOWN_BYTES ? "..." : ""}] (${request.data.length} bytes)`;
}

/** An event in one line. */
export function describeEvent(event: CassetteEvent): string {
  return event.kind === "submit"
    ? describe(event.request)
    : `${event.kind} of transfer ${event.id}`;
}
