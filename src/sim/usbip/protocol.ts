/**
 * USB/IP 1.1.1 (Linux Documentation/usb/usbip_protocol.rst), the server's side: what is understood and what is said. All fields are big-endian.
 *
 * A connection begins with one operation: a listing, after which it ends, or an import, after which it carries the URBs of one device.
 */
import { viewOf } from "../../util/bytes.js";

export const USBIP_VERSION = 0x0111;
/** The port that IANA gave it. */
export const USBIP_PORT = 3240;

export const OP = {
  requestImport: 0x8003,
  replyImport: 0x0003,
  requestDevlist: 0x8005,
  replyDevlist: 0x0005,
} as const;

/** Status of a reply to an operation (usbip's `op_common.status`). */
export const OP_STATUS = { ok: 0, notAvailable: 1, busy: 2, deviceError: 3, noDevice: 4 } as const;
export type OpStatus = (typeof OP_STATUS)[keyof typeof OP_STATUS];

export const COMMAND = { submit: 1, unlink: 2, submitted: 3, unlinked: 4 } as const;

/** Status of a URB: Linux error numbers, as the kernel's USB core has them (Documentation/driver-api/usb/error-codes.rst). */
export const URB_STATUS = {
  ok: 0,
  /** -ENODEV */
  gone: -19,
  /** -EPIPE: the endpoint stalled */
  stall: -32,
  /** -EPROTO */
  protocol: -71,
  /** -EOVERFLOW: more came than was asked for */
  overflow: -75,
  /** -ECONNRESET: unlinked */
  unlinked: -104,
  /** -ENOMEM */
  noMemory: -12,
} as const;
export type UrbStatus = (typeof URB_STATUS)[keyof typeof URB_STATUS];

/** `number_of_packets` of everything that is not isochronous. */
export const NOT_ISOCHRONOUS = 0xffff_ffff;

/** `enum usb_device_speed` of Linux. */
export const SPEED = { full: 2, high: 3 } as const;
export type UsbSpeed = keyof typeof SPEED;

export const HEADER_BYTES = 48;
export const BUSID_BYTES = 32;
export const OP_HEADER_BYTES = 8;
const PATH_BYTES = 256;
const RECORD_BYTES = 312;
const INTERFACE_BYTES = 4;

export type Operation =
  | { readonly kind: "devlist" }
  | { readonly kind: "import"; readonly busid: string };

export interface SubmitCommand {
  readonly kind: "submit";
  readonly seqnum: number;
  readonly devid: number;
  readonly direction: "in" | "out";
  /** 0 to 15, without the direction. */
  readonly endpoint: number;
  /** Bytes wanted or sent. */
  readonly length: number;
  /** The eight bytes of a control transfer's setup stage; nothing of meaning on other endpoints. */
  readonly setup: Uint8Array;
  /** Empty for IN. */
  readonly data: Uint8Array;
}

export interface UnlinkCommand {
  readonly kind: "unlink";
  readonly seqnum: number;
  readonly devid: number;
  /** The seqnum of the submit that is meant. */
  readonly victim: number;
}

export type UrbCommand = SubmitCommand | UnlinkCommand;

/** A device as a listing shows it. */
export interface DeviceRecord {
  readonly busid: string;
  readonly busNumber: number;
  readonly deviceNumber: number;
  readonly speed: UsbSpeed;
  readonly vendorId: number;
  readonly productId: number;
  readonly bcdDevice: number;
  /** Class, subclass, protocol. */
  readonly deviceClass: readonly [number, number, number];
  readonly configurationValue: number;
  /** Class, subclass, protocol of each interface. */
  readonly interfaces: readonly (readonly [number, number, number])[];
}

/** What a client puts into the header of each URB. */
export function devidOf({ busNumber, deviceNumber }: DeviceRecord): number {
  return busNumber * 0x1_0000 + deviceNumber;
}

export function encodeDevlist(records: readonly DeviceRecord[]): Uint8Array {
  const interfaces = records.reduce((sum, record) => sum + record.interfaces.length, 0);
  const head = OP_HEADER_BYTES + 4;
  const out = new Uint8Array(head + records.length * RECORD_BYTES + interfaces * INTERFACE_BYTES);
  putOpHeader(out, OP.replyDevlist, OP_STATUS.ok);
  viewOf(out).setUint32(OP_HEADER_BYTES, records.length);
  let at = head;
  for (const record of records) {
    putRecord(out.subarray(at), record);
    at += RECORD_BYTES;
    for (const classes of record.interfaces) {
      out.set(classes, at);
      at += INTERFACE_BYTES;
    }
  }
  return out;
}

/** The device, or why it is not given; after a refusal nothing follows. */
export function encodeImportReply(answer: DeviceRecord | Exclude<OpStatus, 0>): Uint8Array {
  const refused = typeof answer === "number";
  const out = new Uint8Array(OP_HEADER_BYTES + (refused ? 0 : RECORD_BYTES));
  putOpHeader(out, OP.replyImport, refused ? answer : OP_STATUS.ok);
  if (!refused) putRecord(out.subarray(OP_HEADER_BYTES), answer);
  return out;
}

/** RET_SUBMIT; `actual`: bytes that were moved, `data`: those that came in. */
export function encodeSubmitted(
  seqnum: number,
  status: UrbStatus,
  actual: number,
  data: Uint8Array,
): Uint8Array {
  const out = new Uint8Array(HEADER_BYTES + data.length);
  const view = viewOf(out);
  view.setUint32(0, COMMAND.submitted);
  view.setUint32(4, seqnum);
  view.setInt32(20, status);
  view.setUint32(24, actual);
  view.setUint32(32, NOT_ISOCHRONOUS);
  out.set(data, HEADER_BYTES);
  return out;
}

export function encodeUnlinked(seqnum: number, status: UrbStatus): Uint8Array {
  const out = new Uint8Array(HEADER_BYTES);
  const view = viewOf(out);
  view.setUint32(0, COMMAND.unlinked);
  view.setUint32(4, seqnum);
  view.setInt32(20, status);
  return out;
}

function putOpHeader(out: Uint8Array, code: number, status: OpStatus): void {
  const view = viewOf(out);
  view.setUint16(0, USBIP_VERSION);
  view.setUint16(2, code);
  view.setUint32(4, status);
}

/** `struct usbip_usb_device` of usbip's own code. */
function putRecord(out: Uint8Array, record: DeviceRecord): void {
  const view = viewOf(out);
  out.set(Buffer.from(`/sys/devices/virtual/mmcpstore/${record.busid}`), 0);
  out.set(Buffer.from(record.busid), PATH_BYTES);
  const at = PATH_BYTES + BUSID_BYTES;
  view.setUint32(at, record.busNumber);
  view.setUint32(at + 4, record.deviceNumber);
  view.setUint32(at + 8, SPEED[record.speed]);
  view.setUint16(at + 12, record.vendorId);
  view.setUint16(at + 14, record.productId);
  view.setUint16(at + 16, record.bcdDevice);
  out.set(record.deviceClass, at + 18);
  out.set([record.configurationValue, 1, record.interfaces.length], at + 21);
}
