import type { Clock } from "../util/clock.js";
import type { Deadline } from "../util/deadline.js";
import { assert } from "../util/errors.js";
import { type Log, silentLog } from "../util/log.js";
import {
  TransportError,
  type UsbControlSetup,
  type UsbDeviceInfo,
  type UsbTransfer,
  type UsbTransport,
} from "./types.js";
import { closeDevice, openDevice, portPathOf } from "./usb-device.js";
import { errnoOf, toTransportError } from "./usb-errors.js";
import {
  loadUsb,
  type NativeDevice,
  type NativeInterface,
  type UsbLoader,
  type UsbModule,
} from "./usb-module.js";
import { UsbTransfers } from "./usb-transfer.js";

export interface UsbOpenOptions {
  /** Which one, as the listing gave it: found again by its port. */
  readonly device: UsbDeviceInfo;
  readonly interfaceNumber: number;
  readonly clock: Clock;
  readonly log?: Log;
  /** Default: the package `usb`. */
  readonly load?: UsbLoader;
}

/**
 * No kernel drivers to be detached on this system (LIBUSB_ERROR_NOT_SUPPORTED), or it does not tell (LIBUSB_ERROR_OTHER, from emulated usbfs):
 * if there is one after all, claiming the interface says so.
 */
const NO_DRIVERS_KNOWN: ReadonlySet<number | undefined> = new Set([-12, -99]);
const RELEASE_GRACE_US = 2_000_000;

/**
 * Opens a device, takes one interface of it from its kernel driver, and claims it.
 * @throws TransportError TRANSPORT_PACKAGE, TRANSPORT_NOT_FOUND, TRANSPORT_ACCESS, TRANSPORT_BUSY,
 * TRANSPORT_DISCONNECTED, TRANSPORT_FAULT
 */
export async function openUsb(options: UsbOpenOptions): Promise<UsbTransport> {
  const module = await (options.load ?? loadUsb)();
  const native = findDevice(module, options.device);
  openDevice(native);
  try {
    const claimed = claim(native, options.interfaceNumber);
    return new NativeUsbTransport(options, module, native, claimed);
  } catch (error) {
    closeDevice(native);
    throw error;
  }
}

function findDevice(module: UsbModule, wanted: UsbDeviceInfo): NativeDevice {
  const found = module.getDeviceList().find((native) => {
    const { idVendor, idProduct } = native.deviceDescriptor;
    const samePort = portPathOf(native) === wanted.portPath;
    return samePort && idVendor === wanted.vendorId && idProduct === wanted.productId;
  });
  if (found !== undefined) return found;
  throw new TransportError("TRANSPORT_NOT_FOUND", `no such device at ${wanted.portPath} any more`, {
    details: { ...wanted },
    hint: "plug it in again, and see what `list` shows",
  });
}

interface Claimed {
  readonly native: NativeInterface;
  readonly interfaceNumber: number;
  /** A kernel driver was taken off, and is to be put back. */
  readonly detached: boolean;
}

function claim(device: NativeDevice, interfaceNumber: number): Claimed {
  const native = interfaceOf(device, interfaceNumber);
  const doing = `claiming interface ${interfaceNumber}`;
  const detached = detach(native, doing);
  try {
    native.claim();
  } catch (error) {
    if (detached) attach(native);
    throw toTransportError(error, doing);
  }
  return { native, interfaceNumber, detached };
}

function interfaceOf(device: NativeDevice, interfaceNumber: number): NativeInterface {
  try {
    return device.interface(interfaceNumber);
  } catch (error) {
    throw new TransportError("TRANSPORT_NOT_FOUND", `no interface ${interfaceNumber}`, {
      cause: error,
      details: { interfaceNumber },
    });
  }
}

/** Only this interface: the other channels keep their serial ports. */
function detach(native: NativeInterface, doing: string): boolean {
  try {
    if (!native.isKernelDriverActive()) return false;
    native.detachKernelDriver();
    return true;
  } catch (error) {
    if (NO_DRIVERS_KNOWN.has(errnoOf(error))) return false;
    throw toTransportError(error, doing);
  }
}

/** Undefined if it went well. */
function attach(native: NativeInterface): TransportError | undefined {
  try {
    native.attachKernelDriver();
    return undefined;
  } catch (error) {
    return toTransportError(error, "giving the interface back to its driver");
  }
}

/** A {@link UsbTransport} over the package `usb`. */
class NativeUsbTransport implements UsbTransport {
  readonly device: UsbDeviceInfo;
  readonly #native: NativeDevice;
  readonly #claimed: Claimed;
  readonly #transfers: UsbTransfers;
  readonly #clock: Clock;
  readonly #log: Log;
  #closing: Promise<void> | undefined;

  constructor(options: UsbOpenOptions, module: UsbModule, native: NativeDevice, claimed: Claimed) {
    this.device = options.device;
    this.#native = native;
    this.#claimed = claimed;
    this.#clock = options.clock;
    this.#log = options.log ?? silentLog;
    this.#transfers = new UsbTransfers(module, native, options.clock);
  }

  packetSize(endpoint: number): number {
    const found = this.#claimed.native.endpoints.find(({ address }) => address === endpoint);
    if (found !== undefined) return found.descriptor.wMaxPacketSize;
    const { interfaceNumber } = this.#claimed;
    const name = `0x${endpoint.toString(16)}`;
    throw new TransportError(
      "TRANSPORT_NOT_FOUND",
      `interface ${interfaceNumber} has no endpoint ${name}`,
      { details: { interfaceNumber, endpoint } },
    );
  }

  controlOut(setup: UsbControlSetup, data: Uint8Array, deadline: Deadline): Promise<void> {
    return this.#ifOpen(() => this.#transfers.controlOut(setup, data, deadline)).done;
  }

  controlIn(setup: UsbControlSetup, length: number, deadline: Deadline): Promise<Uint8Array> {
    return this.#ifOpen(() => this.#transfers.controlIn(setup, length, deadline)).done;
  }

  bulkOut(endpoint: number, data: Uint8Array, deadline: Deadline): UsbTransfer<void> {
    return this.#ifOpen(() => this.#transfers.bulkOut(endpoint, data, deadline));
  }

  bulkIn(endpoint: number, length: number, deadline: Deadline): UsbTransfer<Uint8Array> {
    const whole = length > 0 && length % this.packetSize(endpoint) === 0;
    assert(whole, `an IN transfer of ${length} bytes is not made of whole packets`);
    return this.#ifOpen(() => this.#transfers.bulkIn(endpoint, length, deadline));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  #ifOpen<T>(submit: () => UsbTransfer<T>): UsbTransfer<T> {
    if (this.#closing === undefined) return submit();
    const error = new TransportError("TRANSPORT_CANCELLED", "the device was closed");
    return { done: Promise.reject(error), cancel: () => undefined };
  }

  async #close(): Promise<void> {
    await this.#transfers.drain();
    const failures = [await this.#release()];
    if (this.#claimed.detached) failures.push(attach(this.#claimed.native));
    failures.push(closeDevice(this.#native));
    for (const error of failures) {
      if (error !== undefined) this.#log.debug({ error: error.message }, "closing the device");
    }
  }

  #release(): Promise<TransportError | undefined> {
    const doing = `releasing interface ${this.#claimed.interfaceNumber}`;
    return new Promise((resolve) => {
      const late = new TransportError("TRANSPORT_TIMEOUT", `${doing}: no answer`);
      const timer = this.#clock.timer(RELEASE_GRACE_US, () => resolve(late));
      const over = (error?: unknown): void => {
        timer.cancel();
        resolve(error ? toTransportError(error, doing) : undefined);
      };
      try {
        this.#claimed.native.release(over);
      } catch (error) {
        over(error);
      }
    });
  }
}
