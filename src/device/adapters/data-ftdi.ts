import {
  type AdapterData,
  type AdapterPin,
  type AdapterRate,
  type AdapterUsbId,
  MODEL_SOURCE,
} from "./data-types.js";

/** A third-party vendor id; data on each in pyftdi and libftdi. */
const FTDI = 0x0403;

function ids(...rows: readonly (readonly [productId: number, name: string])[]): AdapterUsbId[] {
  return rows.map(([productId, name]) => ({ vendorId: FTDI, productId, name }));
}

/** MPSSE pins of a channel (AN_108; bridges.md 1.5). */
function pins(
  bus: string,
  labels: readonly [string, string, string, string, string],
): AdapterPin[] {
  const [sck, mosi, miso, cs, wait] = labels;
  return [
    { signal: "CS", chipPin: `${bus}3`, label: cs },
    { signal: "SCK", chipPin: `${bus}0`, label: sck },
    { signal: "MOSI", chipPin: `${bus}1`, label: mosi },
    { signal: "MISO", chipPin: `${bus}2`, label: miso },
    {
      signal: "MISO (hardware wait)",
      chipPin: `${bus}5 (GPIOL1)`,
      label: wait,
      optional: "a second wire from MISO, for -d '...?wait=on' only; unproved on hardware",
    },
    { signal: "3V3", chipPin: "-", label: "3V3" },
    { signal: "GND", chipPin: "GND", label: "GND" },
  ];
}

const CLOCK: AdapterData["clock"] = {
  minHz: 458,
  maxHz: 30_000_000,
  steps: "30 MHz / n, n = 1 to 65536",
};

const VOLTAGE = "3.3 V outputs, inputs tolerate 5 V (AN_135)";

const RATES: readonly AdapterRate[] = [
  { kind: "model", text: "3.6 MB/s at 30 MHz", source: MODEL_SOURCE },
  { kind: "model", text: "1.8 MB/s at 15 MHz", source: MODEL_SOURCE },
];

const NOTES: readonly string[] = [
  "the kernel's ftdi_sio is detached from the channel while it is in use, and given back",
  "behind a full-speed hub packets are 64 bytes and the rate is about a sixth",
  "short wires: at 30 MHz 10 cm is long",
];

const REFUSED: AdapterData["refused"] = [
  {
    vendorId: FTDI,
    productId: 0x6001,
    name: "FT232R, FT232BM",
    fix: "it is a serial adapter without an MPSSE: use an FT232H, FT2232H or FT4232H",
  },
  {
    vendorId: FTDI,
    productId: 0x6015,
    name: "FT-X series",
    fix: "it is a serial adapter without an MPSSE: use an FT232H, FT2232H or FT4232H",
  },
];

export const FT232H_DATA: AdapterData = {
  id: "ft232h",
  chip: "FT232H",
  maker: "FTDI",
  transport: "usb",
  devices: ["ft232h", "ft232h:SERIAL", "usb:1-3.4"],
  usbIds: ids([0x6014, "FT232H"], [0x6044, "FT233HP"], [0x6045, "FT232HP"]),
  refused: REFUSED,
  clock: CLOCK,
  pins: pins("ADBUS", ["AD0 / D0", "AD1 / D1", "AD2 / D2", "AD3 / D3", "AD5 / D5"]),
  boards: [
    {
      name: "Adafruit FT232H breakout",
      note: "pins are printed D0 to D7; set the I2C switch to off",
    },
    {
      name: "CJMCU-232H and its like",
      note: "pins are printed AD0 to AD7; often without a serial number: choose by port",
    },
  ],
  voltage: VOLTAGE,
  warnings: [],
  notes: NOTES,
  rates: [
    ...RATES,
    {
      kind: "published",
      text: "a command and its answer take 59 to 113 µs at high speed",
      source: "PICO-MPSSE's usbmon trace of an FT232H",
    },
  ],
  proof: "usb-stack",
};

export const FT2232H_DATA: AdapterData = {
  id: "ft2232h",
  chip: "FT2232H",
  maker: "FTDI",
  transport: "usb",
  devices: ["ft2232h", "ft2232h:SERIAL", "ft2232h:SERIAL/B", "tigard", "usb:1-3.4/B"],
  usbIds: ids(
    [0x6010, "FT2232H"],
    [0x6040, "FT2233HP"],
    [0x6042, "FT2232HP"],
    [0x6047, "FT2232HA"],
  ),
  refused: [
    {
      vendorId: FTDI,
      productId: 0x6010,
      name: "FT2232C/D (release 5.00)",
      fix: "its MPSSE is the old 12 MHz one: use an FT232H, FT2232H or FT4232H",
    },
  ],
  clock: CLOCK,
  pins: pins("ADBUS", ["AD0", "AD1", "AD2", "AD3", "AD5"]),
  boards: [
    {
      name: "Tigard",
      device: "tigard",
      product: "Tigard",
      channel: "B",
      note: "its SPI header is on channel B; set its switches to SPI and 3.3 V",
    },
    {
      name: "FT2232H Mini Module",
      note: "wire VCC and VIO as its datasheet says; both channels are free",
    },
  ],
  voltage: VOLTAGE,
  warnings: [],
  notes: [
    "channel A unless /B is given: on channel B the same pins are BDBUS0 to BDBUS5",
    ...NOTES,
  ],
  rates: [
    ...RATES,
    {
      kind: "published",
      text: "400 kB/s with flashrom's defaults (Tigard, 16 MB in 42 s)",
      source: "heads-wiki, SPI-Programmer-Best-Practices",
    },
  ],
  proof: "usb-stack",
};

export const FT4232H_DATA: AdapterData = {
  id: "ft4232h",
  chip: "FT4232H",
  maker: "FTDI",
  transport: "usb",
  devices: ["ft4232h", "ft4232h:SERIAL", "ft4232h:SERIAL/B", "usb:1-3.4/B"],
  usbIds: ids(
    [0x6011, "FT4232H"],
    [0x6041, "FT4233HP"],
    [0x6043, "FT4232HP"],
    [0x6048, "FT4232HA"],
  ),
  refused: [],
  clock: CLOCK,
  pins: pins("ADBUS", ["AD0", "AD1", "AD2", "AD3", "AD5"]),
  boards: [],
  voltage: VOLTAGE,
  warnings: [],
  notes: [
    "channel A unless /B is given: on channel B the same pins are BDBUS0 to BDBUS5; C and D have no MPSSE",
    ...NOTES,
  ],
  rates: RATES,
  proof: "model",
};
