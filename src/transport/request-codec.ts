import { fromHex, toHex } from "../util/bytes.js";
import type { UsbControlSetup } from "./types.js";

/** What the host asked for. */
export type TransferRequest =
  | { readonly type: "controlOut"; readonly setup: UsbControlSetup; readonly data: Uint8Array }
  | { readonly type: "controlIn"; readonly setup: UsbControlSetup; readonly length: number }
  | { readonly type: "bulkOut"; readonly endpoint: number; readonly data: Uint8Array }
  | { readonly type: "bulkIn"; readonly endpoint: number; readonly length: number }
  | { readonly type: "hidWrite"; readonly data: Uint8Array }
  | { readonly type: "hidRead" }
  | { readonly type: "serialWrite"; readonly data: Uint8Array }
  | { readonly type: "serialRead"; readonly length: number }
  /** 1 to `length` bytes. */
  | { readonly type: "serialReadSome"; readonly length: number }
  | { readonly type: "serialBaud"; readonly baudRate: number }
  | { readonly type: "serialDrain" };

/** As the plain value that a line of a cassette holds. */
export function encodeRequest(request: TransferRequest): object {
  const { type } = request;
  switch (type) {
    case "controlOut":
      return { type, setup: encodeSetup(request.setup), data: toHex(request.data) };
    case "controlIn":
      return { type, setup: encodeSetup(request.setup), length: request.length };
    case "bulkOut":
      return { type, endpoint: request.endpoint, data: toHex(request.data) };
    case "bulkIn":
      return { type, endpoint: request.endpoint, length: request.length };
    case "hidWrite":
    case "serialWrite":
      return { type, data: toHex(request.data) };
    case "serialRead":
    case "serialReadSome":
      return { type, length: request.length };
    case "serialBaud":
      return { type, baudRate: request.baudRate };
    case "hidRead":
    case "serialDrain":
      return { type };
  }
}

function encodeSetup(setup: UsbControlSetup): number[] {
  return [setup.requestType, setup.request, setup.value, setup.index];
}

/** @throws RangeError if a field is wrong */
export function parseRequest(value: Record<string, unknown>): TransferRequest {
  switch (value["type"]) {
    case "controlOut":
      return {
        type: "controlOut",
        setup: parseSetup(value["setup"]),
        data: parseHex(value["data"]),
      };
    case "controlIn":
      return {
        type: "controlIn",
        setup: parseSetup(value["setup"]),
        length: parseNumber(value["length"]),
      };
    case "bulkOut":
      return {
        type: "bulkOut",
        endpoint: parseNumber(value["endpoint"]),
        data: parseHex(value["data"]),
      };
    case "bulkIn":
      return {
        type: "bulkIn",
        endpoint: parseNumber(value["endpoint"]),
        length: parseNumber(value["length"]),
      };
    case "hidWrite":
    case "serialWrite":
      return { type: value["type"], data: parseHex(value["data"]) };
    case "serialRead":
    case "serialReadSome":
      return { type: value["type"], length: parseNumber(value["length"]) };
    case "serialBaud":
      return { type: "serialBaud", baudRate: parseNumber(value["baudRate"]) };
    case "hidRead":
    case "serialDrain":
      return { type: value["type"] };
    default:
      throw new RangeError("unknown type of transfer");
  }
}

function parseNumber(value: unknown): number {
  if (typeof value !== "number") throw new RangeError("not a number");
  return value;
}

/** @throws RangeError */
export function parseHex(value: unknown): Uint8Array {
  if (typeof value !== "string") throw new RangeError("not a hex string");
  return fromHex(value);
}

function parseSetup(value: unknown): UsbControlSetup {
  const [requestType, request, setupValue, index] = (Array.isArray(value) ? value : []).map(
    parseNumber,
  );
  if (
    requestType === undefined ||
    request === undefined ||
    setupValue === undefined ||
    index === undefined
  ) {
    throw new RangeError("not a setup packet");
  }
  return { requestType, request, value: setupValue, index };
}
