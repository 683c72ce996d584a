import { equalBytes } from "../util/bytes.js";
import type { CassetteEvent, TransferRequest } from "./cassette.js";
import type { UsbControlSetup } from "./types.js";

/** Which requests must keep their order: those of one endpoint. */
export function laneOf(request: TransferRequest): string {
  if ("endpoint" in request) return `endpoint ${request.endpoint}`;
  if ("setup" in request) return "control";
  return READS.has(request.type) ? "reads" : "writes";
}

const READS: ReadonlySet<TransferRequest["type"]> = new Set([
  "hidRead",
  "serialRead",
  "serialReadSome",
]);

/** True if both ask for the same, byte for byte. */
export function sameRequest(a: TransferRequest, b: TransferRequest): boolean {
  if (a.type !== b.type) return false;
  if ("endpoint" in a && "endpoint" in b && a.endpoint !== b.endpoint) return false;
  if ("setup" in a && "setup" in b && !sameSetup(a.setup, b.setup)) return false;
  if ("length" in a && "length" in b) return a.length === b.length;
  if ("baudRate" in a && "baudRate" in b) return a.baudRate === b.baudRate;
  if ("data" in a && "data" in b) return equalBytes(a.data, b.data);
  return true;
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
  const where = placeOf(request);
  if ("baudRate" in request) return `${request.type} ${request.baudRate}`;
  if ("length" in request) return `${request.type}${where} of ${request.length} bytes`;
  if (!("data" in request)) return request.type;
  const shown = Buffer.from(request.data.subarray(0, SHOWN_BYTES)).toString("hex");
  return `${request.type}${where} [${shown}${request.data.length > SHOWN_BYTES ? "..." : ""}] (${request.data.length} bytes)`;
}

function placeOf(request: TransferRequest): string {
  if ("endpoint" in request) return ` 0x${request.endpoint.toString(16)}`;
  if (!("setup" in request)) return "";
  const { request: number, value } = request.setup;
  return ` request 0x${number.toString(16)} value 0x${value.toString(16)}`;
}

/** An event in one line. */
export function describeEvent(event: CassetteEvent): string {
  return event.kind === "submit"
    ? describe(event.request)
    : `${event.kind} of transfer ${event.id}`;
}
