import type { MpsseChip } from "../../bridge/ftdi/decoder.js";
import type { UsbDeviceInfo } from "../../transport/types.js";
import type { Clock } from "../../util/clock.js";
import type { SpiDevice } from "../spi-device.js";

export type FtdiModelChip = Exclude<MpsseChip, "ft2232d">;

export interface FtdiModelOptions {
  readonly clock: Clock;
  /** What hangs on the pins of {@link channel}; the other channels have nothing on theirs. */
  readonly spi: SpiDevice;
  /** Default `ft232h`. */
  readonly chip?: FtdiModelChip;
  /** The MPSSE channel that {@link spi} is wired to; default A. */
  readonly channel?: "A" | "B";
  /** An OUT and the IN that it brings, without engine time, in microseconds; half of it each way. Default 125. */
  readonly roundTripUs?: number;
  /** wMaxPacketSize: 512, or 64 behind a full-speed hub. Default 512. */
  readonly packetSize?: 512 | 64;
  readonly serialNumber?: string;
  /** Default `1-1`. */
  readonly portPath?: string;
  /** MISO is wired to ADBUS5 too, for the wait opcodes; else that pin is pulled up. Default false. */
  readonly misoOnGpiol1?: boolean;
  /**
   * Where 94, 95, 9C and 9D may stop: after whole bytes, or after any clock. Not documented (bridges.md 1.6), so
   * both are here. Default `byte`.
   */
  readonly waitGranularity?: "byte" | "clock";
  /**
   * What the pins do when the bit mode changes: `float`: inputs with pull-ups until the next 80, so that CS
   * goes high; `hold`: as they were. Default `float`.
   */
  readonly pinsOnModeChange?: "float" | "hold";
  /** DO after a writing shift: as its last bit left it, or as the last 80 set it. Default `last-bit`. */
  readonly doAfterWrite?: "last-bit" | "gpio";
  /** 87 with nothing to send: a packet of status bytes alone, or nothing. Default `status`. */
  readonly flushWhenEmpty?: "status" | "nothing";
  /** The engine may stand still on a full FIFO with no IN transfer under way for so long before that is a violation. Default 1000. */
  readonly stallGraceUs?: number;
}

interface ChipFacts {
  readonly productId: number;
  readonly bcdDevice: number;
  readonly product: string;
  readonly interfaces: number;
  /** Bytes each way and channel (bridges.md 1.1). */
  readonly fifoBytes: number;
}

const CHIPS: Readonly<Record<FtdiModelChip, ChipFacts>> = {
  ft232h: {
    productId: 0x6014,
    bcdDevice: 0x0900,
    product: "Single RS232-HS",
    interfaces: 1,
    fifoBytes: 1024,
  },
  ft2232h: {
    productId: 0x6010,
    bcdDevice: 0x0700,
    product: "Dual RS232-HS",
    interfaces: 2,
    fifoBytes: 4096,
  },
  ft4232h: {
    productId: 0x6011,
    bcdDevice: 0x0800,
    product: "Quad RS232-HS",
    interfaces: 4,
    fifoBytes: 2048,
  },
};

/** Options with all defaults filled in, and what follows from the chip. */
export interface FtdiSettings extends Required<Omit<FtdiModelOptions, "serialNumber">> {
  readonly device: UsbDeviceInfo;
  readonly interfaces: number;
  readonly fifoBytes: number;
}

const FTDI_VENDOR_ID = 0x0403;

const DEFAULTS = {
  chip: "ft232h",
  channel: "A",
  roundTripUs: 125,
  packetSize: 512,
  portPath: "1-1",
  misoOnGpiol1: false,
  waitGranularity: "byte",
  pinsOnModeChange: "float",
  doAfterWrite: "last-bit",
  flushWhenEmpty: "status",
  stallGraceUs: 1000,
} as const;

export function settingsOf(options: FtdiModelOptions): FtdiSettings {
  const { productId, bcdDevice, product, interfaces, fifoBytes } =
    CHIPS[options.chip ?? DEFAULTS.chip];
  const device: UsbDeviceInfo = {
    vendorId: FTDI_VENDOR_ID,
    productId,
    bcdDevice,
    manufacturer: "FTDI",
    product,
    ...(options.serialNumber === undefined ? {} : { serialNumber: options.serialNumber }),
    portPath: options.portPath ?? DEFAULTS.portPath,
  };
  return { ...DEFAULTS, ...options, device, interfaces, fifoBytes };
}

/** A and B have an MPSSE; C and D of the FT4232H have none. */
export function hasMpsse(interfaceNumber: number): boolean {
  return interfaceNumber < 2;
}
