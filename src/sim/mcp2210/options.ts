import {
  ALL_PINS,
  type ChipSettings,
  PIN_MODE,
  type SpiSettings,
} from "../../bridge/mcp2210/decoder.js";
import type { HidDeviceInfo } from "../../transport/types.js";
import type { Clock } from "../../util/clock.js";
import type { SpiDevice } from "../spi-device.js";

export interface Mcp2210ModelOptions {
  readonly clock: Clock;
  /** What hangs on the SPI pins, with GP0 as its chip select. */
  readonly spi: SpiDevice;
  /** A report and its answer, in microseconds; half of it each way. Default 2000. */
  readonly roundTripUs?: number;
  /** Which clocks it has below 12 MHz: 12 MHz / k for every k, or for 1, 4 and even ones (bloguetronica's list). Default `all`. */
  readonly divisors?: "all" | "even";
  /** Which way it rounds what it is asked for (not documented). Default `down`. */
  readonly rounding?: "down" | "nearest" | "up";
  /** The engine says finished with the last data, or in the answer behind it (not documented). Default `with-data`. */
  readonly finished?: "with-data" | "after-data";
  /** A report without data while a chunk is on the wires: answered without data, or F8 (not documented). Default `empty`. */
  readonly pollInChunk?: "empty" | "busy";
  /** The engine stays busy for so long after each chunk (19 ms were seen: mcp2210-linux#26). Default 0. */
  readonly busyUs?: number;
  /** Bytes 4 to 17 of the chip settings after power-on. Default: GP0 to GP8 are GPIO inputs. */
  readonly powerOnPins?: ChipSettings;
  readonly serialNumber?: string;
  /** Default `/dev/hidraw0`. */
  readonly path?: string;
  /** Default `1-1`. */
  readonly portPath?: string;
}

/** Options with all defaults filled in. */
export interface Mcp2210Settings
  extends Required<Omit<Mcp2210ModelOptions, "serialNumber" | "path" | "portPath">> {
  readonly device: HidDeviceInfo;
}

/** Factory settings. */
export const POWER_ON_SPI: SpiSettings = {
  bitRateHz: 1_000_000,
  idleCs: ALL_PINS,
  activeCs: ALL_PINS,
  csToDataDelay: 0,
  lastByteToCsDelay: 0,
  byteGap: 0,
  bytesPerTransaction: 4,
  mode: 0,
};

const DEFAULTS = {
  roundTripUs: 2000,
  divisors: "all",
  rounding: "down",
  finished: "with-data",
  pollInChunk: "empty",
  busyUs: 0,
  powerOnPins: {
    pinModes: new Array<number>(9).fill(PIN_MODE.gpio),
    outputs: 0,
    directions: ALL_PINS,
    other: 0,
  },
} as const;

export function settingsOf(options: Mcp2210ModelOptions): Mcp2210Settings {
  const { serialNumber, path = "/dev/hidraw0", portPath = "1-1", ...rest } = options;
  const device: HidDeviceInfo = {
    vendorId: 0x04d8,
    productId: 0x00de,
    bcdDevice: 0x0002,
    manufacturer: "Microchip Technology Inc.",
    product: "MCP2210 USB to SPI Master",
    ...(serialNumber === undefined ? {} : { serialNumber }),
    path,
    portPath,
  };
  return { ...DEFAULTS, ...rest, device };
}

const BASE_HZ = 12_000_000;
const MIN_HZ = 1500;

/** The clock that the chip sets when it is asked for one, in whole Hz. */
export function roundRate(
  askedHz: number,
  { divisors, rounding }: Pick<Mcp2210Settings, "divisors" | "rounding">,
): number {
  const asked = Math.min(BASE_HZ, Math.max(MIN_HZ, askedHz));
  const exists = (k: number): boolean => divisors === "all" || k === 1 || (k >= 4 && k % 2 === 0);
  let slower = Math.ceil(BASE_HZ / (asked + 1));
  while (!exists(slower) || rateOf(slower) > asked) slower++;
  let faster = slower;
  while (faster > 1 && (!exists(faster) || rateOf(faster) < asked)) faster--;
  if (rounding === "down") return rateOf(slower);
  if (rounding === "up") return rateOf(faster);
  return asked - rateOf(slower) <= rateOf(faster) - asked ? rateOf(slower) : rateOf(faster);
}

function rateOf(divisor: number): number {
  return Math.floor(BASE_HZ / divisor);
}
