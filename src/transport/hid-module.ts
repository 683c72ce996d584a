import { toError } from "../util/errors.js";
import { packageMissing } from "./native-package.js";

/** The slice of an `HIDAsync` of the package `node-hid` 3.4 that is used; tests give their own. */
export interface NativeHid {
  /** With the report id (0 where reports are not numbered) in front. */
  write(report: Buffer): Promise<number>;
  /** An empty buffer after `timeoutMs` without a report. */
  read(timeoutMs: number): Promise<Uint8Array | undefined>;
  close(): Promise<void>;
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
