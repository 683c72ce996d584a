import type * as Package from "usb";
import { toError } from "../util/errors.js";
import { packageMissing } from "./native-package.js";
import type { TransportError } from "./types.js";

/** The slice of the package `usb` 2.18 (its legacy API, over libusb) that is used; tests give their own. */
export interface UsbModule {
  getDeviceList(): readonly NativeDevice[];
  createTransfer(
    device: NativeDevice,
    endpoint: number,
    type: number,
    timeoutMs: number,
    callback: TransferCallback,
  ): NativeTransfer;
}

export type TransferCallback = (error: unknown, buffer: Uint8Array, actual: number) => void;

export interface NativeTransfer {
  submit(buffer: Buffer): unknown;
  /** False if it was over already. */
  cancel(): boolean;
}

export interface NativeDevice {
  readonly busNumber: number;
  readonly deviceAddress: number;
  /** Hub ports from the root on; undefined where the system does not tell. */
  readonly portNumbers: readonly number[] | undefined;
  readonly deviceDescriptor: {
    readonly idVendor: number;
    readonly idProduct: number;
    readonly bcdDevice: number;
    readonly iManufacturer: number;
    readonly iProduct: number;
    readonly iSerialNumber: number;
  };
  open(): void;
  close(): void;
  /** Throws if the active configuration has no such interface. */
  interface(interfaceNumber: number): NativeInterface;
}

export interface NativeInterface {
  readonly endpoints: readonly {
    readonly address: number;
    readonly descriptor: { readonly wMaxPacketSize: number };
  }[];
  claim(): void;
  release(callback: (error?: unknown) => void): void;
  isKernelDriverActive(): boolean;
  detachKernelDriver(): void;
  attachKernelDriver(): void;
}

/** Gives the package, however it is come by. */
export type UsbLoader = () => Promise<UsbModule>;

/** What of the package is needed. */
export type UsbPackage = Pick<typeof Package.usb, "getDeviceList" | "Transfer" | "INIT_ERROR">;

/**
 * The loader of the real package: native, so loaded only when an adapter is listed or opened.
 * @throws TransportError TRANSPORT_PACKAGE if it, or a library that it needs, is missing
 */
export const loadUsb: UsbLoader = () => loadUsbFrom(async () => (await import("usb")).usb);

/** Runs `load` and says what is missing if it fails. */
export async function loadUsbFrom(load: () => Promise<UsbPackage>): Promise<UsbModule> {
  let usb: UsbPackage;
  try {
    usb = await load();
  } catch (error) {
    throw unusable(toError(error));
  }
  if (usb.INIT_ERROR) throw unusable(new Error(`libusb does not start (${usb.INIT_ERROR})`));
  return {
    getDeviceList: () => usb.getDeviceList(),
    createTransfer: (device, endpoint, type, timeoutMs, callback) =>
      new usb.Transfer(device as Package.Device, endpoint, type, timeoutMs, callback),
  };
}

function unusable(cause: Error): TransportError {
  return packageMissing("usb", cause, "libudev1 libusb-1.0-0 libstdc++6");
}
