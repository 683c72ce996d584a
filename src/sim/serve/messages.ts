import { TransportError, type UsbControlSetup, type UsbDeviceInfo } from "../../transport/types.js";
import { concatBytes, viewOf } from "../../util/bytes.js";
import { ERROR_CODES, type ErrorCode, isMmcpstoreError, toError } from "../../util/errors.js";
import { FrameError, MAGIC, MAX_BODY_BYTES } from "./frames.js";

export interface Hello {
  readonly version: number;
  readonly interfaceNumber: number;
}

/** What the client must know before it can ask for anything. */
export interface Welcome {
  readonly device: UsbDeviceInfo;
  /** wMaxPacketSize by endpoint address. */
  readonly packetSizes: Readonly<Record<string, number>>;
}

/** A transfer as it is asked for. `leftUs`: what its deadline leaves, in microseconds. */
export interface BulkRequest {
  readonly endpoint: number;
  readonly leftUs: number;
  /** IN: bytes wanted; OUT: not sent. */
  readonly length: number;
  readonly data: Uint8Array;
}

export interface ControlRequest {
  readonly setup: UsbControlSetup;
  readonly leftUs: number;
  readonly length: number;
  readonly data: Uint8Array;
}

const MAGIC_BYTES: Uint8Array = new TextEncoder().encode(MAGIC);
const MAX_LEFT_US = 0xffff_ffff;

export function encodeHello(hello: Hello): Uint8Array {
  const tail = new Uint8Array(3);
  viewOf(tail).setUint16(0, hello.version, true);
  tail[2] = hello.interfaceNumber;
  return concatBytes([MAGIC_BYTES, tail]);
}

/** @throws FrameError if it is none */
export function decodeHello(body: Uint8Array): Hello {
  const magic = Buffer.from(body.subarray(0, MAGIC_BYTES.length)).toString("latin1");
  if (body.length !== MAGIC_BYTES.length + 3 || magic !== MAGIC) throw new FrameError("no hello");
  const view = viewOf(body);
  return {
    version: view.getUint16(MAGIC_BYTES.length, true),
    interfaceNumber: view.getUint8(MAGIC_BYTES.length + 2),
  };
}

const BULK_HEAD = 9;
const CONTROL_HEAD = 14;

/** u8 endpoint, u32 left µs, u32 length, data */
export function encodeBulk(request: BulkRequest): Uint8Array {
  const head = new Uint8Array(BULK_HEAD);
  const view = viewOf(head);
  head[0] = request.endpoint;
  view.setUint32(1, clampLeft(request.leftUs), true);
  view.setUint32(5, request.length, true);
  return concatBytes([head, request.data]);
}

export function decodeBulk(body: Uint8Array): BulkRequest {
  const view = headOf(body, BULK_HEAD);
  return {
    endpoint: view.getUint8(0),
    leftUs: view.getUint32(1, true),
    length: wantedLength(view.getUint32(5, true)),
    data: body.subarray(BULK_HEAD),
  };
}

/** u8 request type, u8 request, u16 value, u16 index, u32 left µs, u32 length, data */
export function encodeControl(request: ControlRequest): Uint8Array {
  const head = new Uint8Array(CONTROL_HEAD);
  const view = viewOf(head);
  head[0] = request.setup.requestType;
  head[1] = request.setup.request;
  view.setUint16(2, request.setup.value, true);
  view.setUint16(4, request.setup.index, true);
  view.setUint32(6, clampLeft(request.leftUs), true);
  view.setUint32(10, request.length, true);
  return concatBytes([head, request.data]);
}

export function decodeControl(body: Uint8Array): ControlRequest {
  const view = headOf(body, CONTROL_HEAD);
  return {
    setup: {
      requestType: view.getUint8(0),
      request: view.getUint8(1),
      value: view.getUint16(2, true),
      index: view.getUint16(4, true),
    },
    leftUs: view.getUint32(6, true),
    length: wantedLength(view.getUint32(10, true)),
    data: body.subarray(CONTROL_HEAD),
  };
}

export function encodeJson(value: object): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

/** @throws FrameError if it is none */
export function decodeWelcome(body: Uint8Array): Welcome {
  const welcome = parse(body);
  const { device, packetSizes } = welcome;
  if (typeof device !== "object" || typeof packetSizes !== "object")
    throw new FrameError("no welcome");
  return welcome as unknown as Welcome;
}

/** An error as it goes over the wire. */
export function encodeFailure(thrown: unknown): Uint8Array {
  const { message } = toError(thrown);
  if (!isMmcpstoreError(thrown)) return encodeJson({ code: "TRANSPORT_FAULT", message });
  const { code, hint, details } = thrown;
  return encodeJson({ code, message: thrown.message, hint, details });
}

/** @throws FrameError if it is none */
export function decodeFailure(body: Uint8Array): TransportError {
  const { code, message, hint, details } = parse(body);
  if (typeof message !== "string") throw new FrameError("no failure");
  const known = (ERROR_CODES as readonly unknown[]).includes(code);
  return new TransportError(known ? (code as ErrorCode) : "TRANSPORT_FAULT", message, {
    ...(typeof hint === "string" ? { hint } : {}),
    ...(typeof details === "object" && details !== null ? { details: { ...details } } : {}),
  });
}

interface Parsed {
  readonly [key: string]: unknown;
  readonly code?: unknown;
  readonly message?: unknown;
  readonly hint?: unknown;
  readonly details?: unknown;
  readonly device?: unknown;
  readonly packetSizes?: unknown;
}

function parse(body: Uint8Array): Parsed {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(body));
  } catch (cause) {
    throw new FrameError("not JSON", { cause });
  }
  if (typeof value !== "object" || value === null) throw new FrameError("not an object");
  return value as Parsed;
}

function headOf(body: Uint8Array, bytes: number): DataView {
  if (body.length < bytes) throw new FrameError("a transfer cut short");
  return viewOf(body);
}

function wantedLength(length: number): number {
  if (length > MAX_BODY_BYTES) throw new FrameError(`a transfer of ${length} bytes`);
  return length;
}

function clampLeft(leftUs: number): number {
  return Math.min(MAX_LEFT_US, Math.max(0, Math.round(leftUs)));
}
