/** A recording as a kernel on the host's side would have seen it: URBs submitted and given back. */
import type {
  Cassette,
  CassetteHeader,
  CompleteEvent,
  SubmitEvent,
  TransferRequest,
} from "../../transport/cassette.js";
import { viewOf } from "../../util/bytes.js";
import type { ErrorCode } from "../../util/errors.js";
import { descriptorsOf, HID_IN, HID_OUT, REPORT_BYTES } from "./descriptors.js";

/** Kinds of transfer, with usbmon's numbers (Documentation/usb/usbmon.rst). */
export const TRANSFER = { interrupt: 1, control: 2, bulk: 3 } as const;

/** A URB on its way to the device, or back. */
export interface UrbEvent {
  /** The same in both events of a URB. */
  readonly id: number;
  readonly kind: "submit" | "complete";
  /** µs since 1970. */
  readonly wallUs: number;
  readonly transfer: (typeof TRANSFER)[keyof typeof TRANSFER];
  /** With the direction in bit 7. */
  readonly endpoint: number;
  /** 0, or a negative error number of Linux. */
  readonly status: number;
  /** Bytes asked for, or moved. */
  readonly length: number;
  /** Of the data stage of an event that carries one: OUT when submitted, IN when given back. */
  readonly data: Uint8Array;
  /** Setup stage of a control URB that is submitted. */
  readonly setup?: Uint8Array;
}

/** Where the device stands on the bus; a recording tells the bus only. */
export interface BusPlace {
  readonly bus: number;
  readonly device: number;
}

type Request = Pick<UrbEvent, "transfer" | "endpoint" | "length" | "data" | "setup">;

const NOTHING = new Uint8Array(0);
const DIRECTION_IN = 0x80;
const EINPROGRESS = -115;
/** What usbfs gives for what a {@link CompleteEvent} tells. */
const STATUS: Partial<Record<ErrorCode, number>> = {
  TRANSPORT_CANCELLED: -2,
  TRANSPORT_TIMEOUT: -2,
  TRANSPORT_STALL: -32,
  TRANSPORT_DISCONNECTED: -108,
};
const EPROTO = -71;
const GET_DESCRIPTOR = 6;
const SET_CONFIGURATION = 9;
/** Address 1 is the root hub's on any bus. */
const FIRST_ADDRESS = 2;

export function placeOf({ device }: CassetteHeader): BusPlace {
  const [, bus = "1"] = /^(\d+)-/.exec(device.portPath ?? "") ?? [];
  return { bus: Number(bus), device: FIRST_ADDRESS };
}

/**
 * All URBs of a recording. In front of them stands what a kernel does with a device that is plugged in, and a dissector needs to tell what it is:
 * its descriptors are read and its configuration is set.
 * @throws UsageError if the recording is of no USB device
 */
export function urbsOf({ header, events }: Cassette): UrbEvent[] {
  const firstUs = Math.max(1, header.wallTimeMs) * 1000;
  const urbs = plugIn(header, firstUs);
  const last = urbs.length / 2;
  const requests = new Map<number, Request>();
  for (const event of events) {
    const base = { id: last + event.id, wallUs: firstUs + event.atUs };
    if (event.kind === "submit") {
      const request = requestOf(event);
      requests.set(event.id, request);
      urbs.push({ ...base, ...request, kind: "submit", status: EINPROGRESS });
    }
    const request = requests.get(event.id);
    if (event.kind === "complete" && request !== undefined)
      urbs.push({ ...base, ...request, ...outcomeOf(event, request), kind: "complete" });
  }
  return urbs;
}

function requestOf({ request }: SubmitEvent): Request {
  switch (request.type) {
    case "controlOut":
    case "controlIn":
      return controlRequest(request);
    case "bulkOut":
      return out(TRANSFER.bulk, request.endpoint, request.data);
    case "bulkIn":
      return into(TRANSFER.bulk, request.endpoint, request.length);
    case "hidWrite":
      return out(TRANSFER.interrupt, HID_OUT, request.data);
    default:
      return into(TRANSFER.interrupt, HID_IN, REPORT_BYTES);
  }
}

type Control = Extract<TransferRequest, { readonly setup: unknown }>;

function controlRequest(request: Control): Request {
  const { requestType, request: number, value, index } = request.setup;
  const isIn = request.type === "controlIn";
  const length = isIn ? request.length : request.data.length;
  const setup = setupOf([isIn ? requestType | DIRECTION_IN : requestType, number], [value, index]);
  viewOf(setup).setUint16(6, length, true);
  const stage = isIn
    ? into(TRANSFER.control, DIRECTION_IN, length)
    : out(TRANSFER.control, 0, request.data);
  return { ...stage, setup };
}

function setupOf(bytes: readonly number[], words: readonly number[]): Uint8Array {
  const setup = new Uint8Array(8);
  setup.set(bytes);
  for (const [at, word] of words.entries()) viewOf(setup).setUint16(2 + 2 * at, word, true);
  return setup;
}

function out(transfer: Request["transfer"], endpoint: number, data: Uint8Array): Request {
  return { transfer, endpoint, length: data.length, data };
}

function into(transfer: Request["transfer"], endpoint: number, length: number): Request {
  return { transfer, endpoint, length, data: NOTHING };
}

function outcomeOf(
  { data, error }: CompleteEvent,
  request: Request,
): Pick<UrbEvent, "status" | "length" | "data"> {
  if (error !== undefined)
    return { status: STATUS[error.code] ?? EPROTO, length: 0, data: NOTHING };
  const isIn = (request.endpoint & DIRECTION_IN) !== 0;
  const moved = data ?? NOTHING;
  return { status: 0, length: isIn ? moved.length : request.length, data: isIn ? moved : NOTHING };
}

/** Before the first event of the recording, one µs apart. */
function plugIn(header: CassetteHeader, beforeUs: number): UrbEvent[] {
  const { device, configuration, report } = descriptorsOf(header);
  const asked: readonly (readonly [Uint8Array, Uint8Array])[] = [
    [setupOf([0x80, GET_DESCRIPTOR], [0x0100, 0, device.length]), device],
    [setupOf([0x80, GET_DESCRIPTOR], [0x0200, 0, configuration.length]), configuration],
    [setupOf([0x00, SET_CONFIGURATION], [1]), NOTHING],
    ...(report === undefined
      ? []
      : [[setupOf([0x81, GET_DESCRIPTOR], [0x2200, 0, report.length]), report] as const]),
  ];
  const startUs = beforeUs - 2 * asked.length;
  return asked.flatMap(([setup, data], at) => {
    const endpoint = (setup[0] as number) & DIRECTION_IN;
    const base = { id: at + 1, transfer: TRANSFER.control, endpoint, length: data.length };
    const wallUs = startUs + 2 * at;
    return [
      { ...base, kind: "submit", wallUs, status: EINPROGRESS, data: NOTHING, setup },
      { ...base, kind: "complete", wallUs: wallUs + 1, status: 0, data },
    ] as const;
  });
}
