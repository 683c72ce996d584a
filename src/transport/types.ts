import type { Deadline } from "../util/deadline.js";
import { MmcpstoreError } from "../util/errors.js";

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

/** A USB device, HID device or serial port did not do what was asked (TRANSPORT_ codes). */
export class TransportError extends MmcpstoreError {}
