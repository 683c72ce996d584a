import { toError } from "../util/errors.js";
import { packageMissing } from "./native-package.js";

/** The slice of an `HIDAsync` of the package `node-hid` 3.4 that is used; tests give their own. */
export interface NativeHid {
  /** With the report id (0 where reports are not numbered) in front. */
  write(report: Buffer): Promise<number>;
  close(): Promise<void>;
  /**
   * From the first listener on, a thread reads. `read()` is not used: the package puts reads and writes of a device into one queue,
   * so that a write would wait until a read that has nothing to read is over.
   */
  on(event: "data", handle: (report: Uint8Array) => void): unknown;
  on(event: "error", handle: (error: unknown) => void): unknown;
}

export interface HidModule {
  open(path: string): Promise<NativeHid>;
}

export type HidLoader = () => Promise<HidModule>;

/**
 * The loader of the real package: native, so loaded only when a device is opened.
 * @throws TransportError TRANSPORT_PACKAGE
 */
export const loadHid: HidLoader = async () => {
  try {
    const { HIDAsync } = await import("node-hid");
    return { open: (path) => HIDAsync.open(path) as unknown as Promise<NativeHid> };
  } catch (error) {
    throw packageMissing("node-hid", toError(error), "libusb-1.0-0 libudev1 libstdc++6");
  }
};
