import type {
  HidDeviceInfo,
  HidTransport,
  SerialPortInfo,
  SerialTransport,
  UsbDeviceInfo,
  UsbTransport,
} from "../transport/types.js";
import { assert } from "../util/errors.js";

/** The way to an adapter, opened: whichever kind of transport it is behind. */
export type AdapterLink =
  | { readonly kind: "usb"; readonly transport: UsbTransport }
  | { readonly kind: "hid"; readonly transport: HidTransport }
  | { readonly kind: "serial"; readonly transport: SerialTransport };

/** What the system tells of the device at the other end. */
export function deviceOf(link: AdapterLink): UsbDeviceInfo | HidDeviceInfo | SerialPortInfo {
  return link.kind === "serial" ? link.transport.port : link.transport.device;
}

/** Node that it is opened by, where the transport knows one. */
export function pathOf(link: AdapterLink): string | undefined {
  if (link.kind === "usb") return undefined;
  return link.kind === "serial" ? link.transport.port.path : link.transport.device.path;
}

export function usbOf(link: AdapterLink): UsbTransport {
  assert(link.kind === "usb", "this bridge is behind USB");
  return link.transport;
}

export function hidOf(link: AdapterLink): HidTransport {
  assert(link.kind === "hid", "this bridge is behind HID");
  return link.transport;
}

export function serialOf(link: AdapterLink): SerialTransport {
  assert(link.kind === "serial", "this bridge is behind a serial port");
  return link.transport;
}
