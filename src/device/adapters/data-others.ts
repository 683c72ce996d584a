import { type AdapterData, MODEL_SOURCE } from "./data-types.js";

export const MCP2210_DATA: AdapterData = {
  id: "mcp2210",
  chip: "MCP2210",
  maker: "Microchip",
  transport: "hid",
  devices: ["mcp2210", "mcp2210:SERIAL"],
  usbIds: [{ vendorId: 0x04d8, productId: 0x00de, name: "MCP2210" }],
  refused: [],
  clock: {
    minHz: 1500,
    maxHz: 12_000_000,
    steps: "the chip rounds; it is read back",
  },
  pins: [
    { signal: "CS", chipPin: "GP0 (as a GPIO)", label: "GP0 / CS0" },
    { signal: "SCK", chipPin: "SCK", label: "SCK" },
    { signal: "MOSI", chipPin: "MOSI", label: "MOSI" },
    { signal: "MISO", chipPin: "MISO", label: "MISO" },
    { signal: "3V3", chipPin: "-", label: "3V3" },
    { signal: "GND", chipPin: "VSS", label: "GND" },
  ],
  boards: [],
  voltage: "that of its supply, 3.3 to 5.5 V: run it at 3.3 V",
  warnings: [
    "with a 5 V supply its outputs have 5 V, which can destroy a card: set the board to 3.3 V and measure",
  ],
  notes: [
    "for identification and single records: it moves 60 bytes a report, one report each 1 to 2 ms",
    "bound by the kernel's HID driver, which is right: it is used through /dev/hidraw*",
  ],
  rates: [
    { kind: "model", text: "29 kB/s at 12 MHz", source: MODEL_SOURCE },
    {
      kind: "computed",
      text: "30 kB/s (60 bytes every 2 ms)",
      source: "interrupt endpoints at full speed",
    },
    { kind: "published", text: "5.3 kB/s", source: "mcp2210-linux#11" },
  ],
  proof: "usb-stack",
};

export const SERPROG_DATA: AdapterData = {
  id: "serprog",
  chip: "serprog",
  maker: "several",
  transport: "serial",
  devices: ["serprog:/dev/ttyACM0", "serprog:/dev/ttyUSB0@115200"],
  usbIds: [
    { vendorId: 0x0483, productId: 0x5740, name: "STM32 boards (stm32-vserprog)" },
    { vendorId: 0x2e8a, productId: 0x000a, name: "RP2040 boards (pico-serprog)" },
  ],
  refused: [],
  clock: {
    minHz: 100_000,
    maxHz: 50_000_000,
    steps: "the board's own; stm32-vserprog: 36 MHz / 2^n, n = 0 to 7",
  },
  pins: [
    { signal: "CS", chipPin: "the firmware's", label: "stm32-vserprog PA4; pico-serprog GP1" },
    { signal: "SCK", chipPin: "the firmware's", label: "stm32-vserprog PA5; pico-serprog GP2" },
    { signal: "MOSI", chipPin: "the firmware's", label: "stm32-vserprog PA7; pico-serprog GP3" },
    { signal: "MISO", chipPin: "the firmware's", label: "stm32-vserprog PA6; pico-serprog GP4" },
    { signal: "3V3", chipPin: "-", label: "3V3" },
    { signal: "GND", chipPin: "GND", label: "GND" },
  ],
  boards: [
    {
      name: "stm32-vserprog",
      note: "default clock 9 MHz; half duplex, so each block is an operation of its own",
    },
    {
      name: "pico-serprog",
      note: "no bound check of its 4096-byte buffer: longer operations are never sent",
    },
  ],
  voltage: "the board's: 3.3 V on STM32 and RP2040 boards; AVR boards at 5 V need level shifters",
  warnings: [
    "half-duplex firmware (all that flashrom's client can use today) cannot hold CS: every block is one operation, with what that costs",
  ],
  notes: [
    "firmware with S_SPI_MODE (17) and S_CS_MODE (18) does everything, full duplex",
    "ModemManager talks to serial ports when they appear: the udev rule keeps it away",
  ],
  rates: [
    { kind: "model", text: "480 kB/s at 24 MHz", source: MODEL_SOURCE },
    {
      kind: "computed",
      text: "450 to 850 kB/s over USB, full duplex; 11 kB/s at 115200 baud",
      source: "full-speed USB, 4096-byte operations",
    },
    { kind: "published", text: "850 KiB/s reads at 36 MHz", source: "stm32-vserprog's README" },
    { kind: "published", text: "645 kB/s", source: "pico-serprog PR#8" },
  ],
  proof: "usb-stack",
};
