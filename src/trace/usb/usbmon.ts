/** Packets as the kernel's usbmon gives them to libpcap: LINKTYPE_USB_LINUX_MMAPPED, a header of 64 bytes and the data (Documentation/usb/usbmon.rst, tcpdump.org/linktypes). */
import { viewOf } from "../../util/bytes.js";
import { type BusPlace, TRANSFER, type UrbEvent } from "./urbs.js";

export const LINKTYPE_USB_LINUX_MMAPPED = 220;
const HEADER_BYTES = 64;
const SUBMIT = 0x53;
const COMPLETE = 0x43;
/** In place of data that are not there because they go the other way, and of a setup stage. */
const NO_SETUP = 0x2d;
const DATA_COMES = 0x3c;
const DATA_WENT = 0x3e;
const URB_DIR_IN = 0x0200;
const US_PER_SECOND = 1_000_000;

/** One packet, little-endian. */
export function encodeUsbmon(urb: UrbEvent, { bus, device }: BusPlace): Uint8Array {
  const out = new Uint8Array(HEADER_BYTES + urb.data.length);
  const view = viewOf(out);
  const isIn = (urb.endpoint & 0x80) !== 0;
  const { kind, setup } = urb;
  view.setBigUint64(0, BigInt(urb.id), true);
  out.set([kind === "submit" ? SUBMIT : COMPLETE, urb.transfer, urb.endpoint, device], 8);
  view.setUint16(12, bus, true);
  out[14] = setup !== undefined && kind === "submit" ? 0 : NO_SETUP;
  out[15] = dataFlag(urb, isIn);
  view.setBigInt64(16, BigInt(Math.floor(urb.wallUs / US_PER_SECOND)), true);
  view.setInt32(24, urb.wallUs % US_PER_SECOND, true);
  view.setInt32(28, urb.status, true);
  view.setUint32(32, urb.length, true);
  view.setUint32(36, urb.data.length, true);
  if (setup !== undefined && kind === "submit") out.set(setup, 40);
  view.setInt32(48, urb.transfer === TRANSFER.interrupt ? 1 : 0, true);
  view.setUint32(56, isIn ? URB_DIR_IN : 0, true);
  out.set(urb.data, HEADER_BYTES);
  return out;
}

function dataFlag({ kind, data }: UrbEvent, isIn: boolean): number {
  if (data.length > 0) return 0;
  if (kind === "submit") return isIn ? DATA_COMES : 0;
  return isIn ? 0 : DATA_WENT;
}
