import { STATUS_BYTES } from "../../bridge/ftdi/decoder.js";
import { flipBit, type UsbFault } from "../usb/faults.js";

export { type FaultEndpoint, FaultPlan, flipBit } from "../usb/faults.js";

/** Bits and bytes of IN transfers: a `short` counts status bytes, a `flip` does not. */
export type FtdiFault = UsbFault;

/** Inverts a bit of the payload of an IN transfer; false if there are not that many. */
export function flipPayloadBit(transfer: Uint8Array, packetSize: number, bit: number): boolean {
  const payload = packetSize - STATUS_BYTES;
  const at = bit >> 3;
  const packet = Math.floor(at / payload) * packetSize;
  return flipBit(transfer, (packet + STATUS_BYTES + (at % payload)) * 8 + (bit & 7));
}
