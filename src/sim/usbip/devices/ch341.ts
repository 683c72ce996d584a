import type { DeviceTable } from "../descriptors.js";

/** A CH341A strapped for SPI (bridges.md 2.1): no serial number, full speed. */
export const CH341A: DeviceTable = {
  speed: "full",
  usbVersion: 0x0110,
  classes: [0xff, 0, 2],
  controlPacketSize: 8,
  vendorId: 0x1a86,
  productId: 0x5512,
  bcdDevice: 0x0304,
  attributes: 0x80,
  maxPowerMa: 96,
  product: "USB UART-LPT",
  interfaces: [
    {
      classes: [0xff, 1, 2],
      endpoints: [
        { address: 0x82, transfer: "bulk", packetSize: 32 },
        { address: 0x02, transfer: "bulk", packetSize: 32 },
        { address: 0x81, transfer: "interrupt", packetSize: 8, interval: 1 },
      ],
    },
  ],
};
