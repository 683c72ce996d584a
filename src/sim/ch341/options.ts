import type { UsbDeviceInfo } from "../../transport/types.js";
import type { Clock } from "../../util/clock.js";
import type { SpiDevice } from "../spi-device.js";

export interface Ch341ModelOptions {
  readonly clock: Clock;
  /** What hangs on D0 (CS), D3 (SCK), D5 (MOSI), D7 (MISO). */
  readonly spi: SpiDevice;
  /** An OUT and the IN that it brings, without chip and bus time, in microseconds; half of it each way. Default 1000: full speed. */
  readonly roundTripUs?: number;
  /** Time of a 32-byte packet on the bus, either way. Default 30: 45 bytes with framing at 12 Mbit/s. */
  readonly packetUs?: number;
  /** Clock of the SPI stream. Default 1.5 MHz, the middle of what is claimed (bridges.md 2.3). */
  readonly streamHz?: number;
  /** Between two packets of the stream. Default 67: with 1.5 MHz the 133 kB/s that others measured (bridges.md 2.5). */
  readonly packetGapUs?: number;
  /** Duration of a step of the pins. Default 0.75 (flashrom). */
  readonly uioStepUs?: number;
  /** Clones ignore reads of the pins (KB's emulator does). Default `answered`. */
  readonly pinReads?: "answered" | "ignored";
  /** Answers that it holds before it hangs. Default 4 (FZ). */
  readonly answersHeld?: number;
  /** Strap: SPI and I2C, serial port, or printer. Default `spi`. */
  readonly mode?: "spi" | "uart" | "printer";
  /** Default: none, as on nearly all boards. */
  readonly serialNumber?: string;
  /** Default `1-1`. */
  readonly portPath?: string;
}

/** Options with all defaults filled in, and what follows from them. */
export interface Ch341Settings extends Required<Omit<Ch341ModelOptions, "serialNumber">> {
  readonly device: UsbDeviceInfo;
}

const DEFAULTS = {
  roundTripUs: 1000,
  packetUs: 30,
  streamHz: 1_500_000,
  packetGapUs: 67,
  uioStepUs: 0.75,
  pinReads: "answered",
  answersHeld: 4,
  mode: "spi",
  portPath: "1-1",
} as const;

const MODES = {
  spi: { productId: 0x5512, product: "USB UART-LPT" },
  uart: { productId: 0x5523, product: "USB Serial" },
  printer: { productId: 0x5584, product: "USB Printer" },
} as const;

export function settingsOf(options: Ch341ModelOptions): Ch341Settings {
  const settings = { ...DEFAULTS, ...options };
  const { serialNumber, portPath, mode } = settings;
  const device: UsbDeviceInfo = {
    vendorId: 0x1a86,
    ...MODES[mode],
    bcdDevice: 0x0304,
    ...(serialNumber === undefined ? {} : { serialNumber }),
    portPath,
  };
  return { ...settings, device };
}
