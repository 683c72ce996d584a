import { type AdapterData, MODEL_SOURCE } from "./data-types.js";

const WCH = 0x1a86;

export const CH341A_DATA: AdapterData = {
  id: "ch341a",
  chip: "CH341A",
  maker: "WCH",
  transport: "usb",
  devices: ["ch341a", "usb:1-3.4", "ch341a?ident=fast"],
  usbIds: [{ vendorId: WCH, productId: 0x5512, name: "CH341A, CH341B, CH341F in SPI mode" }],
  refused: [
    {
      vendorId: WCH,
      productId: 0x5523,
      name: "CH341A in UART mode",
      fix: "move the board's mode jumper to pins 1-2 (I2C/SPI) and plug it in again",
    },
    {
      vendorId: WCH,
      productId: 0x5584,
      name: "CH341A in printer mode",
      fix: "set the board's mode to I2C/SPI and plug it in again",
    },
  ],
  clock: {
    minHz: 190_000,
    maxHz: 1_500_000,
    steps: "fixed, about 1.5 MHz; bit-banged at about 190 kHz for identification",
  },
  pins: [
    { signal: "CS", chipPin: "D0 (CS0, pin 15)", label: "CS" },
    { signal: "SCK", chipPin: "D3 (DCK, pin 18)", label: "CLK / SCK" },
    { signal: "MOSI", chipPin: "D5 (DOUT, pin 20)", label: "MOSI / DI" },
    { signal: "MISO", chipPin: "D7 (DIN, pin 22)", label: "MISO / DO" },
    { signal: "3V3", chipPin: "-", label: "3.3V" },
    { signal: "GND", chipPin: "GND", label: "GND" },
  ],
  boards: [
    {
      name: "black and green 'mini programmers' older than v1.7",
      note: "the chip runs at 5 V and so do its signals, although the socket has 3.3 V",
    },
    {
      name: "boards with a voltage selector (v1.6 or later)",
      note: "set it to 3.3 V, and measure all the same",
    },
  ],
  voltage: "that of its supply: 5 V on most boards, which SD cards do not tolerate",
  warnings: [
    "most CH341A boards put 5 V on CS, SCK and MOSI, which can destroy a card, and no software can see it: measure first, then give --i-checked-3v3 (pins 28 and 9 of the chip must have 3.3 V)",
  ],
  notes: [
    "Linux 6.11 and later bind spi-ch341 to it, 5.10 to 5.16 the serial ch341: it is detached while in use",
    "boards have no serial number: two of them are told apart by their port",
  ],
  rates: [
    { kind: "model", text: "130 kB/s at 1.5 MHz", source: MODEL_SOURCE },
    {
      kind: "computed",
      text: "133 kB/s; the chip is the limit",
      source: "31 bytes a packet at its fixed clock",
    },
    {
      kind: "published",
      text: "133 kB/s (8 MiB in 63 s)",
      source: "ch341prog with queued transfers",
    },
    {
      kind: "published",
      text: "70 kB/s (16 MB in 240 s)",
      source: "heads-wiki, SPI-Programmer-Best-Practices",
    },
  ],
  proof: "usb-stack",
};

export const CH347_DATA: AdapterData = {
  id: "ch347",
  chip: "CH347",
  maker: "WCH",
  transport: "usb",
  devices: ["ch347", "ch347:SERIAL", "usb:1-3.4"],
  usbIds: [
    { vendorId: WCH, productId: 0x55db, name: "CH347T in mode 1" },
    { vendorId: WCH, productId: 0x55de, name: "CH347F" },
  ],
  refused: [
    {
      vendorId: WCH,
      productId: 0x55da,
      name: "CH347T in mode 0 (two UARTs)",
      fix: "set the mode pins of the CH347T to mode 1 and plug it in again",
    },
    {
      vendorId: WCH,
      productId: 0x55dc,
      name: "CH347T in mode 2 (HID)",
      fix: "set the mode pins of the CH347T to mode 1 and plug it in again",
    },
    {
      vendorId: WCH,
      productId: 0x55dd,
      name: "CH347T in mode 3 (JTAG and I2C)",
      fix: "set the mode pins of the CH347T to mode 1 and plug it in again",
    },
  ],
  clock: {
    minHz: 468_750,
    maxHz: 60_000_000,
    steps: "60 MHz / 2^n, n = 0 to 7",
  },
  pins: [
    { signal: "CS", chipPin: "SCS0 (CS1 of the maker's library)", label: "CS0 / CS" },
    { signal: "SCK", chipPin: "SCK", label: "SCK / CLK" },
    { signal: "MOSI", chipPin: "MOSI", label: "MOSI" },
    { signal: "MISO", chipPin: "MISO", label: "MISO" },
    { signal: "3V3", chipPin: "-", label: "3V3" },
    { signal: "GND", chipPin: "GND", label: "GND" },
  ],
  boards: [],
  voltage:
    "3.3 V, inputs tolerate 5 V; the CH347F has an I/O supply pin (1.8 to 3.3 V): give it 3.3 V",
  warnings: [],
  notes: [
    "its slowest clock is 468.75 kHz: identification runs 17 % above the 400 kHz of the specification",
    "wrong data is reported at 60 and 30 MHz, clean at 15: let 'mmcpstore tune' judge (ufprog#12, EEflasher#3)",
  ],
  rates: [
    { kind: "model", text: "2.6 MB/s at 30 MHz", source: MODEL_SOURCE },
    { kind: "model", text: "1.5 MB/s at 15 MHz", source: MODEL_SOURCE },
    {
      kind: "computed",
      text: "2.7 MB/s at 30 MHz, 1.6 MB/s at 15 MHz",
      source: "507 bytes and 52 µs of turnaround a packet",
    },
    {
      kind: "published",
      text: "4.2 MB/s at 60 MHz (CH347F, 16 MB in 4 s)",
      source: "heads-wiki, SPI-Programmer-Best-Practices",
    },
    {
      kind: "published",
      text: "280 kB/s at 15 MHz with flashrom's defaults",
      source: "heads-wiki, SPI-Programmer-Best-Practices",
    },
  ],
  proof: "usb-stack",
};
