import type { CassetteHeader } from "../transport/cassette.js";
import { type LineSink, UsbRecorder } from "../transport/recorder.js";
import type { Clock } from "../util/clock.js";
import { type AdapterLink, usbOf } from "./link.js";

/** Bulk endpoints of all bridges and channels. */
const ENDPOINTS = [0x02, 0x81, 0x04, 0x83, 0x82, 0x06, 0x86];

/** Stands a recorder in front of an adapter; from here on its clock is the one to use. */
export function recordLink(
  link: AdapterLink,
  clock: Clock,
  header: CassetteHeader,
  sink: LineSink,
): { readonly link: AdapterLink; readonly clock: Clock } {
  const recorder = new UsbRecorder(usbOf(link), clock, header, sink);
  return { link: { kind: "usb", transport: recorder }, clock: recorder.clock };
}

/** wMaxPacketSize by endpoint; nothing but USB has any. */
export function packetSizesOf(link: AdapterLink): Record<string, number> {
  const sizes: Record<string, number> = {};
  if (link.kind !== "usb") return sizes;
  for (const endpoint of ENDPOINTS) {
    try {
      sizes[String(endpoint)] = link.transport.packetSize(endpoint);
    } catch {
      // An endpoint that this chip or channel does not have.
    }
  }
  return sizes;
}
