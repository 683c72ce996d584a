import type { MpsseEvent, SioRequest } from "../bridge/ftdi/decoder.js";
import type { CassetteEvent, TransferRequest } from "../transport/cassette.js";

const SHOWN = 24;

/** Bytes as hex, shortened. */
export function hexOf(bytes: Uint8Array, shown: number = SHOWN): string {
  const text = Buffer.from(bytes.subarray(0, shown)).toString("hex");
  return bytes.length > shown ? `${text}... (${bytes.length} bytes)` : text;
}

/** `setPins bank=low value=0x0a` */
export function describeOperation(event: MpsseEvent | SioRequest): string {
  const fields = Object.entries(event).filter(
    ([name, value]) => name !== "kind" && name !== "offset" && !(value instanceof Uint8Array),
  );
  const shown = fields.map(
    ([name, value]) =>
      ` ${name}=${typeof value === "number" && ["value", "direction", "opcode"].includes(name) ? `0x${value.toString(16).padStart(2, "0")}` : String(value)}`,
  );
  return `${event.kind}${shown.join("")}`;
}

/** A line of the cassette, as it crossed the transport. */
export function describeUsb(event: CassetteEvent): string {
  if (event.kind === "cancel") return `#${event.index} cancel ${event.id}`;
  if (event.kind === "complete") {
    const outcome =
      event.error === undefined
        ? event.data === undefined
          ? ""
          : ` ${hexOf(event.data)}`
        : ` ${event.error.code}`;
    return `#${event.index} complete ${event.id}${outcome}`;
  }
  const { request } = event;
  return `#${event.index} submit ${event.id} ${describeRequest(request)}`;
}

function describeRequest(request: TransferRequest): string {
  const { type } = request;
  if ("baudRate" in request) return `${type} ${request.baudRate}`;
  const where =
    "endpoint" in request
      ? ` 0x${request.endpoint.toString(16).padStart(2, "0")}`
      : "setup" in request
        ? ` ${Object.values(request.setup)
            .map((field) => field.toString(16))
            .join(" ")}`
        : "";
  if ("data" in request) return `${type}${where} ${hexOf(request.data)}`;
  return "length" in request ? `${type}${where} ${request.length} bytes` : type;
}
