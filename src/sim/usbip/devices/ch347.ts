import type { DeviceTable } from "../descriptors.js";
import { cdcInterfaces } from "./cdc.js";

const SPI_ENDPOINTS = [
  { address: 0x86, transfer: "bulk", packetSize: 512 },
  { address: 0x06, transfer: "bulk", packetSize: 512 },
] as const;

const COMMON = {
  speed: "high",
  usbVersion: 0x0200,
  classes: [0, 0, 0],
  controlPacketSize: 64,
  vendorId: 0x1a86,
  bcdDevice: 0x0441,
  attributes: 0x80,
  manufacturer: "wch.cn",
} as const;

const UART = { notify: 0x81, in: 0x82, out: 0x02, packetSize: 512 } as const;
const SECOND_UART = { notify: 0x83, in: 0x84, out: 0x04, packetSize: 512 } as const;

/** A CH347T strapped for mode 1: a UART, and SPI on interface 2 (bridges.md 3.1; device descriptor: ch347_vcp issue 2). The UART's endpoint numbers are a guess: nothing depends on them. */
export const CH347T: DeviceTable = {
  ...COMMON,
  productId: 0x55db,
  maxPowerMa: 200,
  product: "USB To UART+SPI+I2C",
  interfaces: [...cdcInterfaces(0, UART), { classes: [0xff, 0, 0], endpoints: SPI_ENDPOINTS }],
};

/** A CH347F: two UARTs, and SPI on interface 4. */
export const CH347F: DeviceTable = {
  ...COMMON,
  productId: 0x55de,
  maxPowerMa: 100,
  product: "UART+SPI+I2C+JTAG",
  interfaces: [
    ...cdcInterfaces(0, UART),
    ...cdcInterfaces(2, SECOND_UART),
    { classes: [0xff, 0, 0], endpoints: SPI_ENDPOINTS },
  ],
};
