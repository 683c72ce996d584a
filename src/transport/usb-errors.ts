import type { ErrorCode } from "../util/errors.js";
import { TransportError } from "./types.js";

interface Meaning {
  readonly code: ErrorCode;
  readonly text: string;
  readonly hint?: string;
}

const UDEV_HINT =
  'install a udev rule for it, such as SUBSYSTEM=="usb", ATTR{idVendor}=="0403", TAG+="uaccess" in /etc/udev/rules.d/60-mmcpstore.rules, and plug it in again';
const BUSY_HINT = "another program uses it: end that first";
const MEMORY_HINT = "raise /sys/module/usbcore/parameters/usbfs_memory_mb";
const DRIVER_HINT = "on Windows the device needs the WinUSB driver (Zadig)";

const GONE: Meaning = { code: "TRANSPORT_DISCONNECTED", text: "the device is gone" };
const STALL: Meaning = { code: "TRANSPORT_STALL", text: "the device refused" };
const LATE: Meaning = { code: "TRANSPORT_TIMEOUT", text: "the device did not answer in time" };
const OVERFLOW: Meaning = {
  code: "TRANSPORT_FAULT",
  text: "the device sent more than was asked for",
};

/**
 * By `errno`: negative as libusb's calls return it (LIBUSB_ERROR_), positive as a transfer ends (LIBUSB_TRANSFER_); both
 * are part of libusb's ABI.
 */
const MEANINGS: ReadonlyMap<number, Meaning> = new Map<number, Meaning>([
  [-1, { code: "TRANSPORT_FAULT", text: "input/output error" }],
  [-2, { code: "TRANSPORT_FAULT", text: "invalid parameter" }],
  [-3, { code: "TRANSPORT_ACCESS", text: "permission denied", hint: UDEV_HINT }],
  [-4, GONE],
  [-5, { code: "TRANSPORT_NOT_FOUND", text: "not found" }],
  [-6, { code: "TRANSPORT_BUSY", text: "the device is in use", hint: BUSY_HINT }],
  [-7, LATE],
  [-8, OVERFLOW],
  [-9, STALL],
  [-10, { code: "TRANSPORT_FAULT", text: "interrupted" }],
  [-11, { code: "TRANSPORT_FAULT", text: "no memory for the transfer", hint: MEMORY_HINT }],
  [-12, { code: "TRANSPORT_FAULT", text: "not supported on this system", hint: DRIVER_HINT }],
  [-99, { code: "TRANSPORT_FAULT", text: "unknown error of libusb" }],
  [1, { code: "TRANSPORT_FAULT", text: "the transfer failed" }],
  [2, LATE],
  [3, { code: "TRANSPORT_CANCELLED", text: "the transfer was cancelled" }],
  [4, STALL],
  [5, GONE],
  [6, OVERFLOW],
]);

/** `LIBUSB_TRANSFER_CANCELLED`. */
export const ERRNO_CANCELLED = 3;

/** The `errno` of a LibUSBException; undefined for anything else. */
export function errnoOf(error: unknown): number | undefined {
  if (typeof error !== "object" || error === null || !("errno" in error)) return undefined;
  return typeof error.errno === "number" ? error.errno : undefined;
}

/**
 * What a failure of the package `usb` means: the only place that knows.
 * @param doing what was tried, for the message: `IN transfer on endpoint 0x81`
 */
export function toTransportError(error: unknown, doing: string): TransportError {
  const errno = errnoOf(error);
  const meaning = errno === undefined ? undefined : MEANINGS.get(errno);
  const { code, text, hint } = meaning ?? {
    code: "TRANSPORT_FAULT",
    text: error instanceof Object && "message" in error ? String(error.message) : String(error),
    hint: undefined,
  };
  return new TransportError(code, `${doing}: ${text}`, {
    cause: error,
    details: { doing, ...(errno === undefined ? {} : { errno }) },
    ...(hint === undefined ? {} : { hint }),
  });
}
