import type { TransportError } from "./types.js";
import { toTransportError } from "./usb-errors.js";
import type { NativeDevice } from "./usb-module.js";

/**
 * How often each device is open in this process. The package has one object a device, whose `close` closes it for all: two
 * channels of one chip, or a listing while one is in use, must not shut each other.
 */
const opens: WeakMap<NativeDevice, number> = new WeakMap();

/** @throws TransportError, also if the device is there but not allowed */
export function openDevice(native: NativeDevice): void {
  const count = opens.get(native) ?? 0;
  try {
    if (count === 0) native.open();
  } catch (error) {
    throw toTransportError(error, `opening the device at ${portPathOf(native)}`);
  }
  opens.set(native, count + 1);
}

/** The last user closes it. Undefined if that went well. */
export function closeDevice(native: NativeDevice): TransportError | undefined {
  const count = opens.get(native) ?? 0;
  opens.set(native, Math.max(0, count - 1));
  if (count !== 1) return undefined;
  try {
    native.close();
    return undefined;
  } catch (error) {
    return toTransportError(error, `closing the device at ${portPathOf(native)}`);
  }
}

/** Where it is plugged in, as sysfs names it: `1-3.4`. Without port numbers: bus and address. */
export function portPathOf(native: NativeDevice): string {
  const ports = native.portNumbers ?? [];
  return `${native.busNumber}-${ports.length > 0 ? ports.join(".") : native.deviceAddress}`;
}
