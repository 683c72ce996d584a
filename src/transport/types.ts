import type { Deadline } from "../util/deadline.js";
import { type ErrorCode, type ErrorOptions, MmcpstoreError } from "../util/errors.js";

/** What the descriptors of a USB device say; strings that could not be read are undefined. */
export interface UsbDeviceInfo {
  readonly vendorId: number;
  readonly productId: number;
  /** Device release number, BCD: tells FTDI's chips apart. */
  readonly bcdDevice: number;
  readonly manufacturer?: string;
  readonly product?: string;
  readonly serialNumber?: string;
  /** `bus-port.port`, as sysfs names it: `1-3.4`. */
  readonly portPath: string;
}

/** The setup stage of a control transfer (USB 2.0 table 9-2). */
export interface UsbControlSetup {
  readonly requestType: number;
  readonly request: number;
  readonly value: number;
  readonly index: number;
}

/** One transfer in flight. */
export interface UsbTransfer<T> {
  /** Settles exactly once, after the device side is done with it (also after a cancel). */
  readonly done: Promise<T>;
  /** Asks for an early end; `done` then rejects with TRANSPORT_CANCELLED unless it was over already. */
  cancel(): void;
}

/**
 * One claimed interface of one USB device: moves bytes, knows no chip.
 *
 * Several transfers may be in flight on each endpoint; those of one endpoint complete in order. Every
 * failure is a {@link TransportError}. A transfer whose deadline passes is cancelled and rejects with
 * TRANSPORT_TIMEOUT after its completion has come back, so the endpoint is clean, but bytes of a cut IN
 * transfer may be lost.
 */
export interface UsbTransport {
  readonly device: UsbDeviceInfo;
  /** wMaxPacketSize of a bulk endpoint address of the claimed interface. */
  packetSize(endpoint: number): number;
  controlOut(setup: UsbControlSetup, data: Uint8Array, deadline: Deadline): Promise<void>;
  controlIn(setup: UsbControlSetup, length: number, deadline: Deadline): Promise<Uint8Array>;
  /** `data` must stay untouched until `done`. */
  bulkOut(endpoint: number, data: Uint8Array, deadline: Deadline): UsbTransfer<void>;
  /** `length` must be a multiple of the packet size. Ends early at a short packet. */
  bulkIn(endpoint: number, length: number, deadline: Deadline): UsbTransfer<Uint8Array>;
  /** Cancels and waits for what is in flight, releases the interface, gives the kernel driver back. Idempotent. */
  close(): Promise<void>;
}

/** What is known of a HID device; strings that it does not give are undefined. */
export interface HidDeviceInfo {
  readonly vendorId: number;
  readonly productId: number;
  /** Device release number, BCD. */
  readonly bcdDevice: number;
  readonly manufacturer?: string;
  readonly product?: string;
  readonly serialNumber?: string;
  /** What the system opens it by: `/dev/hidraw0`. */
  readonly path: string;
  /** `bus-port.port`, where the system tells. */
  readonly portPath?: string;
}

/**
 * One HID device with unnumbered reports: moves whole reports, knows no chip.
 *
 * Writes complete in order; reads give input reports in the order in which they came, and those that nobody waits for are kept. A
 * deadline that passes rejects with TRANSPORT_TIMEOUT and loses no report. Every failure is a {@link TransportError}.
 */
export interface HidTransport {
  readonly device: HidDeviceInfo;
  /** `report` without a report id, as long as the device's output report; must stay untouched until it has been written. */
  writeReport(report: Uint8Array, deadline: Deadline): Promise<void>;
  /** The next input report, without a report id. */
  readReport(deadline: Deadline): Promise<Uint8Array>;
  /** Rejects what waits with TRANSPORT_CANCELLED. Idempotent. */
  close(): Promise<void>;
}

/** What is known of a serial port; what the system does not tell is undefined. */
export interface SerialPortInfo {
  /** `/dev/ttyACM0`. */
  readonly path: string;
  readonly vendorId?: number;
  readonly productId?: number;
  readonly manufacturer?: string;
  readonly product?: string;
  readonly serialNumber?: string;
  /** `bus-port.port` of a USB port. */
  readonly portPath?: string;
}

/**
 * One serial port, 8N1, raw: a stream of bytes each way, knows no protocol.
 *
 * One read at a time; writes queue. Bytes that nobody waits for are kept, and so are those of a read whose deadline passes (it rejects with
 * TRANSPORT_TIMEOUT). Every failure is a {@link TransportError}; TRANSPORT_DISCONNECTED once the port has vanished.
 */
export interface SerialTransport {
  readonly port: SerialPortInfo;
  /** Resolves when the system has taken all of it; `data` must stay untouched until then. */
  write(data: Uint8Array, deadline: Deadline): Promise<void>;
  /** Exactly `length` bytes. */
  read(length: number, deadline: Deadline): Promise<Uint8Array>;
  /** What has come, 1 to `most` bytes, as soon as there is any. */
  readSome(most: number, deadline: Deadline): Promise<Uint8Array>;
  setBaudRate(baudRate: number, deadline: Deadline): Promise<void>;
  /** Resolves when what was written has left the machine. */
  drain(deadline: Deadline): Promise<void>;
  /** Resolves when the port is gone or closed, with the reason if it was not our {@link close}. */
  readonly closed: Promise<TransportError | undefined>;
  /** Rejects what waits with TRANSPORT_CANCELLED. Idempotent. */
  close(): Promise<void>;
}

const PLUG_IN_AGAIN =
  "plug it in again, with another cable or without a hub; a record that was being written is old or new, never half: mmcpstore pstore check";

/** A USB device, HID device or serial port did not do what was asked (TRANSPORT_ codes). */
export class TransportError extends MmcpstoreError {
  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    const isGone = code === "TRANSPORT_DISCONNECTED";
    super(code, message, isGone ? { hint: PLUG_IN_AGAIN, ...options } : options);
  }
}
