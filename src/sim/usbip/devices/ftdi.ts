import type { UsbDeviceInfo } from "../../../transport/types.js";
import { type DeviceTable, type InterfaceTable, stringsOf } from "../descriptors.js";

const VENDOR_SPECIFIC = 0xff;

function channel(number: number, packetSize: number): InterfaceTable {
  return {
    classes: [VENDOR_SPECIFIC, VENDOR_SPECIFIC, VENDOR_SPECIFIC],
    named: true,
    endpoints: [
      { address: 0x80 + 2 * number + 1, transfer: "bulk", packetSize },
      { address: 2 * number + 2, transfer: "bulk", packetSize },
    ],
  };
}

/** An FT232H, FT2232H or FT4232H as it is without an EEPROM of its own: bus powered, one interface a channel. */
export function ftdiTable(
  device: UsbDeviceInfo,
  channels: number,
  packetSize: 512 | 64,
): DeviceTable {
  const { vendorId, productId, bcdDevice } = device;
  return {
    // Behind a full-speed hub the packets are small.
    speed: packetSize === 512 ? "high" : "full",
    usbVersion: 0x0200,
    classes: [0, 0, 0],
    controlPacketSize: 64,
    vendorId,
    productId,
    bcdDevice,
    attributes: 0x80,
    maxPowerMa: 100,
    ...stringsOf(device),
    interfaces: Array.from({ length: channels }, (_, number) => channel(number, packetSize)),
  };
}
