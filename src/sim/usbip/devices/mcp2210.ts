import { fromHex } from "../../../util/bytes.js";
import type { DeviceTable } from "../descriptors.js";

/** One input and one output report of 64 bytes, vendor-defined, without report ids (usb.md section 3). */
const REPORT_DESCRIPTOR = fromHex(
  "06 00 ff 09 01 a1 01 09 02 15 00 26 ff 00 75 08 95 40 81 02 09 03 15 00 26 ff 00 75 08 95 40 91 02 c0",
);

export const MCP2210: DeviceTable = {
  speed: "full",
  usbVersion: 0x0200,
  classes: [0, 0, 0],
  controlPacketSize: 8,
  vendorId: 0x04d8,
  productId: 0x00de,
  bcdDevice: 0x0002,
  attributes: 0x80,
  maxPowerMa: 100,
  manufacturer: "Microchip Technology Inc.",
  product: "MCP2210 USB to SPI Master",
  interfaces: [
    {
      classes: [3, 0, 0],
      reportDescriptor: REPORT_DESCRIPTOR,
      endpoints: [
        { address: 0x81, transfer: "interrupt", packetSize: 64, interval: 1 },
        { address: 0x01, transfer: "interrupt", packetSize: 64, interval: 1 },
      ],
    },
  ],
};
