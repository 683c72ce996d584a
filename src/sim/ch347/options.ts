import type { UsbDeviceInfo } from "../../transport/types.js";
import type { Clock } from "../../util/clock.js";
import type { SpiDevice } from "../spi-device.js";

/** A CH347T in mode 1, by its strap pins; a CH347F, which has one mode; a CH347T in modes without SPI, or with SPI behind HID. */
export const CH347_PARTS = [
  "ch347t",
  "ch347f",
  "ch347t-mode0",
  "ch347t-mode2",
  "ch347t-mode3",
] as const;
export type Ch347Part = (typeof CH347_PARTS)[number];

export interface Ch347ModelOptions {
  readonly clock: Clock;
  /** What hangs on CS1, SCK, MOSI and MISO. */
  readonly spi: SpiDevice;
  /** Default `ch347t`: in mode 1, the one with SPI on a bulk interface. */
  readonly part?: Ch347Part;
  /** An OUT and the IN that it brings, without chip and bus time, in microseconds; half of it each way. Default 125. */
  readonly roundTripUs?: number;
  /** wMaxPacketSize: 64 behind a full-speed hub. Default 512. */
  readonly packetSize?: 512 | 64;
  /** Time of a packet on the bus, either way. Default 10, or 50 with 64 bytes. */
  readonly packetUs?: number;
  /** What the chip adds to each packet of SPI data. Default 52: with 60 MHz the 4.2 MB/s that others measured (bridges.md 3.4). */
  readonly turnaroundUs?: number;
  /** Frames of an answer that it holds; with more to come it stops clocking. Default 2. */
  readonly framesHeld?: number;
  /** Answers to an exchange come in packets of so many bytes at most (ufprog allows for that). Default: whole. */
  readonly splitBytes?: number;
  /** A frame that fills its last USB packet is followed by an empty one. Default true. */
  readonly zeroLengthPackets?: boolean;
  /** Status of the answer to settings. Default 0. */
  readonly settingsStatus?: number;
  /** What settings do to CS is not documented. Default `kept`. */
  readonly csOnSettings?: "kept" | "released";
  /** Default `0123456789`. */
  readonly serialNumber?: string;
  /** Default `1-1`. */
  readonly portPath?: string;
}

/** Options with all defaults filled in, and what follows from them. */
export interface Ch347Settings extends Required<Ch347ModelOptions> {
  readonly device: UsbDeviceInfo;
  readonly interfaceNumber: number;
}

const DEFAULTS = {
  part: "ch347t",
  roundTripUs: 125,
  packetSize: 512,
  turnaroundUs: 52,
  framesHeld: 2,
  splitBytes: Infinity,
  zeroLengthPackets: true,
  settingsStatus: 0,
  csOnSettings: "kept",
  serialNumber: "0123456789",
  portPath: "1-1",
} as const;

const HIGH_SPEED_PACKET_US = 10;
const FULL_SPEED_PACKET_US = 50;

const PARTS = {
  ch347t: { productId: 0x55db, product: "USB To UART+SPI+I2C", interfaceNumber: 2 },
  ch347f: { productId: 0x55de, product: "UART+SPI+I2C+JTAG", interfaceNumber: 4 },
  "ch347t-mode0": { productId: 0x55da, interfaceNumber: 2 },
  "ch347t-mode2": { productId: 0x55dc, interfaceNumber: 1 },
  "ch347t-mode3": { productId: 0x55dd, interfaceNumber: 2 },
} as const;

export function settingsOf(options: Ch347ModelOptions): Ch347Settings {
  const settings = { ...DEFAULTS, ...options };
  const { serialNumber, portPath, packetSize } = settings;
  const { interfaceNumber, ...ids } = PARTS[settings.part];
  const packetUs = packetSize === 512 ? HIGH_SPEED_PACKET_US : FULL_SPEED_PACKET_US;
  const device: UsbDeviceInfo = {
    vendorId: 0x1a86,
    ...ids,
    bcdDevice: 0x0441,
    manufacturer: "wch.cn",
    serialNumber,
    portPath,
  };
  return { packetUs, ...settings, device, interfaceNumber };
}
