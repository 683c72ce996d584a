import { TransportError, type UsbControlSetup, type UsbTransfer } from "../../transport/types.js";

/**
 * What an exported device does beyond what its descriptors say: vendor and class requests, and the data of its endpoints. Made for one
 * import and closed with it; the chip behind it lives on.
 *
 * Every failure is a TransportError: TRANSPORT_STALL becomes a stall, TRANSPORT_DISCONNECTED an unplugged device. A transfer that the
 * device has nothing to say to stays open until it is cancelled: that is a NAK.
 */
export interface UsbFunction {
  controlOut(setup: UsbControlSetup, data: Uint8Array): Promise<void>;
  /** May give more than was asked for: the rest is cut off, as a device would. */
  controlIn(setup: UsbControlSetup, length: number): Promise<Uint8Array>;
  /** `endpoint` is an OUT endpoint of the device's table. */
  send(endpoint: number, data: Uint8Array): UsbTransfer<void>;
  /** `endpoint` is an IN endpoint of the device's table. */
  receive(endpoint: number, length: number): UsbTransfer<Uint8Array>;
  /** Cancels what is under way and lets go of the chip. Idempotent. */
  close(): Promise<void>;
}

export function stalled(setup: UsbControlSetup): TransportError {
  const request = `0x${setup.request.toString(16)} of type 0x${setup.requestType.toString(16)}`;
  return new TransportError("TRANSPORT_STALL", `the device refused request ${request}`, {
    details: { ...setup },
  });
}

function cancelled(): TransportError {
  return new TransportError("TRANSPORT_CANCELLED", "the transfer was cancelled");
}

/** Work that cannot be called back, as a transfer that can: what it brings after a cancel is dropped. */
export function detachable<T>(work: Promise<T>): UsbTransfer<T> {
  let cancel = (): void => undefined;
  const done = new Promise<T>((resolve, reject) => {
    cancel = () => reject(cancelled());
    work.then(resolve, reject);
  });
  return { done, cancel };
}

/** An IN endpoint that never has anything to say. */
export function silence<T>(): UsbTransfer<T> {
  return detachable(new Promise<T>(() => undefined));
}

/** An OUT endpoint that nobody listens to. */
export function swallowed(): UsbTransfer<void> {
  return detachable(Promise.resolve());
}
