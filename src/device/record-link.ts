import type { CassetteHeader } from "../transport/cassette.js";
import type { CassettePlayer } from "../transport/player.js";
import { HidPlayer, SerialPlayer } from "../transport/player-faces.js";
import { HidRecorder, type LineSink, SerialRecorder, UsbRecorder } from "../transport/recorder.js";
import type { HidDeviceInfo, SerialPortInfo } from "../transport/types.js";
import type { Clock } from "../util/clock.js";
import type { AdapterLink } from "./link.js";

/** Bulk endpoints of all bridges and channels. */
const ENDPOINTS = [0x02, 0x81, 0x04, 0x83, 0x82, 0x06, 0x86];

/** Stands a recorder in front of an adapter; from here on its clock is the one to use. */
export function recordLink(
  link: AdapterLink,
  clock: Clock,
  header: CassetteHeader,
  sink: LineSink,
): { readonly link: AdapterLink; readonly clock: Clock } {
  switch (link.kind) {
    case "usb": {
      const transport = new UsbRecorder(link.transport, clock, header, sink);
      return { link: { kind: "usb", transport }, clock: transport.clock };
    }
    case "hid": {
      const transport = new HidRecorder(link.transport, clock, header, sink);
      return { link: { kind: "hid", transport }, clock: transport.clock };
    }
    case "serial": {
      const transport = new SerialRecorder(link.transport, clock, header, sink);
      return { link: { kind: "serial", transport }, clock: transport.clock };
    }
  }
}

/** A recording in place of an adapter. */
export function playedLink(
  player: CassettePlayer,
  { transport, device }: CassetteHeader,
): AdapterLink {
  if (transport === "hid")
    return { kind: "hid", transport: new HidPlayer(player, device as HidDeviceInfo) };
  if (transport === "serial")
    return { kind: "serial", transport: new SerialPlayer(player, device as SerialPortInfo) };
  return { kind: "usb", transport: player };
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
