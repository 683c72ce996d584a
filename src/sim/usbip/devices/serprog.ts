import type { DeviceTable } from "../descriptors.js";
import { cdcInterfaces } from "./cdc.js";

export const SERPROG_ENDPOINTS = { notify: 0x83, in: 0x81, out: 0x02, packetSize: 512 } as const;

/** A board with serprog firmware of the CDC-ACM kind, with the ids that the Raspberry Pi Pico's SDK gives its boards. */
export const SERPROG_BOARD: DeviceTable = {
  speed: "high",
  usbVersion: 0x0200,
  classes: [2, 0, 0],
  controlPacketSize: 64,
  vendorId: 0x2e8a,
  productId: 0x000a,
  bcdDevice: 0x0100,
  attributes: 0x80,
  maxPowerMa: 100,
  manufacturer: "mmcpstore",
  product: "serprog board (simulated)",
  interfaces: cdcInterfaces(0, SERPROG_ENDPOINTS),
};
