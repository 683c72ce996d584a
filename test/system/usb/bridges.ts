import type { CardModelOptions } from "../../../src/sim/card/options.js";
import type { SpiDevice } from "../../../src/sim/spi-device.js";
import type { ExportedDevice } from "../../../src/sim/usbip/exported-device.js";
import type { Clock } from "../../../src/util/clock.js";
import * as models from "./models.js";

/** What of a chip model a test looks at and does to it, whichever family. */
export interface BenchModel {
  /** Transfers submitted so far. */
  readonly submitted: number;
  /** Rules of the chip that its host broke. */
  readonly violations: readonly { readonly rule: string }[];
  /** Now, or at this transfer. */
  unplug(at?: number): void;
  replug(): void;
}

/** A chip model of this process, ready to be exported. */
export interface BenchDevice {
  readonly model: BenchModel;
  readonly exported: ExportedDevice;
}

/** A bridge as a kernel, and then a user, sees it when it is plugged into the first port of the guest's virtual hub. */
export interface BridgeRow {
  readonly name: string;
  /** The npm package that it is driven by. */
  readonly npm: "usb" | "node-hid" | "serialport";
  make(clock: Clock, spi: SpiDevice): BenchDevice;
  /** What its card has to put up with. */
  readonly card?: Partial<CardModelOptions>;
  /** What a user gives to `-d`, and what else. */
  readonly device: string;
  readonly flags: readonly string[];
  /** Interface of configuration 1 that it is driven by. */
  readonly interfaceNumber: number;
  /** An interface beside it whose driver must not be touched. */
  readonly beside?: number;
  /** Kernel driver of that interface while nobody uses it, and while the command line does. */
  readonly drivers: { readonly idle: string | null; readonly inUse: string | null };
  /** What is there when the kernel is done with it. */
  readonly settled: string;
  /** What `list --json` says of it. */
  readonly listing: {
    readonly selector: string;
    readonly chip: string;
    readonly serialNumber?: string;
    readonly node: RegExp;
  };
  /** `chip` of `info --json`. */
  readonly chip: string;
  /** Operands that keep slow bridges from reading the partition table again with each verb. */
  readonly part: readonly string[];
  /** Range of a read that takes long enough to look what happens meanwhile. */
  readonly longRead: string;
  /** Transfers after its start at which it is in the middle. */
  readonly midway: number;
}

const USB_NODE = /^\/dev\/bus\/usb\/001\/\d{3}$/;
const TABLE: Pick<BridgeRow, "part" | "flags"> = { flags: [], part: [] };
const FTDI = {
  ...TABLE,
  npm: "usb",
  drivers: { idle: "ftdi_sio", inUse: "usbfs" },
  longRead: "0+1M",
  midway: 100,
} as const;
/** No kernel driver knows the SPI interfaces of WCH. */
const WCH = { ...TABLE, npm: "usb", drivers: { idle: null, inUse: "usbfs" } } as const;

const CH347 = {
  ...WCH,
  /** Its slowest clock is above the 400 kHz of identification. */
  card: { maxIdentificationHz: 468_750 },
  device: "ch347",
  longRead: "0+512K",
  midway: 200,
} as const;

/** Every bridge, over every package. */
export const BRIDGES: readonly BridgeRow[] = [
  {
    ...FTDI,
    name: "FT232H",
    make: (clock, spi) => models.ftdi({ clock, spi, chip: "ft232h", serialNumber: "S1" }),
    device: "ft232h:S1",
    interfaceNumber: 0,
    settled: "/dev/ttyUSB0",
    listing: { selector: "ft232h:S1", chip: "FT232H", serialNumber: "S1", node: USB_NODE },
    chip: "FT232H",
  },
  {
    ...FTDI,
    name: "FT2232H channel A",
    make: (clock, spi) => models.ftdi({ clock, spi, chip: "ft2232h" }),
    device: "ft2232h",
    interfaceNumber: 0,
    beside: 1,
    settled: "/dev/ttyUSB1",
    listing: { selector: "usb:1-1", chip: "FT2232H", node: USB_NODE },
    chip: "FT2232H",
  },
  {
    ...FTDI,
    name: "FT2232H channel B",
    make: (clock, spi) => models.ftdi({ clock, spi, chip: "ft2232h", channel: "B" }),
    device: "ft2232h/B",
    interfaceNumber: 1,
    beside: 0,
    settled: "/dev/ttyUSB1",
    listing: { selector: "usb:1-1", chip: "FT2232H", node: USB_NODE },
    chip: "FT2232H",
  },
  {
    ...WCH,
    name: "CH341A",
    make: (clock, spi) => models.ch341(clock, spi),
    device: "ch341a",
    flags: ["--i-checked-3v3"],
    interfaceNumber: 0,
    settled: "/sys/bus/usb/devices/1-1:1.0",
    listing: { selector: "usb:1-1", chip: "CH341A", node: USB_NODE },
    chip: "CH341A",
    longRead: "0+128K",
    midway: 300,
  },
  {
    ...CH347,
    name: "CH347T",
    make: (clock, spi) => models.ch347({ clock, spi, part: "ch347t" }),
    interfaceNumber: 2,
    settled: "/dev/ttyACM0",
    listing: {
      selector: "ch347:0123456789",
      chip: "CH347T in mode 1",
      serialNumber: "0123456789",
      node: USB_NODE,
    },
    chip: "CH347T",
  },
  {
    ...CH347,
    name: "CH347F",
    make: (clock, spi) => models.ch347({ clock, spi, part: "ch347f" }),
    interfaceNumber: 4,
    settled: "/dev/ttyACM1",
    listing: {
      selector: "ch347:0123456789",
      chip: "CH347F",
      serialNumber: "0123456789",
      node: USB_NODE,
    },
    chip: "CH347F",
  },
  {
    ...TABLE,
    name: "MCP2210",
    npm: "node-hid",
    make: (clock, spi) => models.mcp2210(clock, spi),
    device: "mcp2210",
    interfaceNumber: 0,
    drivers: { idle: "usbhid", inUse: "usbhid" },
    settled: "/dev/hidraw0",
    listing: {
      selector: "mcp2210:0000000001",
      chip: "MCP2210",
      serialNumber: "0000000001",
      node: /^\/dev\/hidraw0$/,
    },
    chip: "MCP2210",
    part: ["-p", "4M+16K"],
    longRead: "0+24K",
    midway: 400,
  },
  {
    ...TABLE,
    name: "serprog over CDC-ACM",
    npm: "serialport",
    make: (clock, spi) => models.serprog(clock, spi),
    device: "serprog:/dev/ttyACM0",
    interfaceNumber: 0,
    drivers: { idle: "cdc_acm", inUse: "cdc_acm" },
    settled: "/dev/ttyACM0",
    listing: {
      selector: "serprog:0000000001",
      chip: "serprog",
      serialNumber: "0000000001",
      node: /^\/dev\/ttyACM0$/,
    },
    chip: "serprog full",
    longRead: "0+256K",
    midway: 100,
  },
];
