import { describe, expect, it } from "@jest/globals";
import {
  configurationDescriptor,
  type DeviceTable,
  deviceDescriptor,
  hidDescriptor,
  recordOf,
  stringDescriptor,
} from "../../../src/sim/usbip/descriptors.js";
import { CH341A } from "../../../src/sim/usbip/devices/ch341.js";
import { CH347F, CH347T } from "../../../src/sim/usbip/devices/ch347.js";
import { ftdiTable } from "../../../src/sim/usbip/devices/ftdi.js";
import { MCP2210 } from "../../../src/sim/usbip/devices/mcp2210.js";
import { SERPROG_BOARD } from "../../../src/sim/usbip/devices/serprog.js";
import { fromHex, toHex } from "../../../src/util/bytes.js";

const FT232H = ftdiTable(
  {
    vendorId: 0x0403,
    productId: 0x6014,
    bcdDevice: 0x0900,
    manufacturer: "FTDI",
    product: "Single RS232-HS",
    serialNumber: "S1",
    portPath: "1-1",
  },
  1,
  512,
);
const FT4232H = ftdiTable(
  { vendorId: 0x0403, productId: 0x6011, bcdDevice: 0x0800, portPath: "1-1" },
  4,
  64,
);

const hex = (bytes: Uint8Array | undefined): string => toHex(bytes ?? new Uint8Array(0));
const typed = (text: string): string => toHex(fromHex(text));

describe("descriptors typed from the documents", () => {
  it("FT232H", () => {
    expect(hex(deviceDescriptor(FT232H))).toBe(
      typed("12 01 00 02 00 00 00 40 03 04 14 60 00 09 01 02 03 01"),
    );
    expect(hex(configurationDescriptor(FT232H))).toBe(
      typed(
        "09 02 20 00 01 01 00 80 32 09 04 00 00 02 ff ff ff 02 07 05 81 02 00 02 00 07 05 02 02 00 02 00",
      ),
    );
  });

  it("FT4232H behind a full-speed hub: packets of 64, no strings, four interfaces", () => {
    expect(hex(deviceDescriptor(FT4232H)).slice(28)).toBe("00000001");
    expect([FT4232H.speed, hex(configurationDescriptor(FT4232H)).slice(-28)]).toEqual([
      "full",
      typed("07 05 87 02 40 00 00 07 05 08 02 40 00 00"),
    ]);
  });

  it("CH341A", () => {
    expect(hex(deviceDescriptor(CH341A))).toBe(
      typed("12 01 10 01 ff 00 02 08 86 1a 12 55 04 03 00 02 00 01"),
    );
    expect(hex(configurationDescriptor(CH341A))).toBe(
      typed(
        "09 02 27 00 01 01 00 80 30 09 04 00 00 03 ff 01 02 00 07 05 82 02 20 00 00 07 05 02 02 20 00 00 07 05 81 03 08 00 01",
      ),
    );
  });

  it("MCP2210, with the HID descriptor between interface and endpoints", () => {
    expect(hex(configurationDescriptor(MCP2210))).toBe(
      typed(
        "09 02 29 00 01 01 00 80 32 09 04 00 00 02 03 00 00 00 09 21 11 01 00 01 22 22 00 07 05 81 03 40 00 01 07 05 01 03 40 00 01",
      ),
    );
    expect(hex(hidDescriptor(MCP2210.interfaces[0]?.reportDescriptor as Uint8Array))).toBe(
      typed("09 21 11 01 00 01 22 22 00"),
    );
  });

  it("a serprog board: CDC-ACM that can send a break", () => {
    expect(hex(configurationDescriptor(SERPROG_BOARD))).toBe(
      typed(
        `09 02 4b 00 02 01 00 80 32
         08 0b 00 02 02 02 01 00
         09 04 00 00 01 02 02 01 00  05 24 00 10 01  05 24 01 00 01  04 24 02 06  05 24 06 00 01  07 05 83 03 10 00 0a
         09 04 01 00 02 0a 00 00 00  07 05 81 02 00 02 00  07 05 02 02 00 02 00`,
      ),
    );
  });

  it("strings: languages, texts, and nothing else", () => {
    expect(hex(stringDescriptor(FT232H, 0))).toBe("04030904");
    expect(hex(stringDescriptor(FT232H, 3))).toBe(typed("06 03 53 00 31 00"));
    expect(stringDescriptor(FT232H, 0xee)).toBeUndefined();
    expect(stringDescriptor(CH341A, 3)).toBeUndefined();
    const long = { ...FT232H, serialNumber: "x".repeat(300) };
    expect(stringDescriptor(long, 3)?.length).toBe(254);
  });
});

const ALL: readonly (readonly [string, DeviceTable])[] = [
  ["FT232H", FT232H],
  ["FT4232H", FT4232H],
  ["CH341A", CH341A],
  ["CH347T", CH347T],
  ["CH347F", CH347F],
  ["MCP2210", MCP2210],
  ["serprog", SERPROG_BOARD],
];

describe("every device", () => {
  it.each(ALL)("%s: descriptors add up, as the host's parser sees them", (_name, table) => {
    const bytes = configurationDescriptor(table);
    expect(bytes[2] as number).toBe(bytes.length);
    const parts: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += bytes[at] as number) {
      expect(bytes[at]).toBeGreaterThan(1);
      parts.push(bytes.subarray(at, at + (bytes[at] as number)));
    }
    const ofType = (type: number): Uint8Array[] => parts.filter((part) => part[1] === type);
    expect(ofType(4).map((part) => part[2])).toEqual(table.interfaces.map((_, number) => number));
    const endpoints = ofType(5).map((part) => part[2]);
    expect(new Set(endpoints).size).toBe(endpoints.length);
    expect(ofType(4).reduce((sum, part) => sum + (part[4] as number), 0)).toBe(endpoints.length);
    for (const part of ofType(5)) {
      const [transfer, size] = [part[3], (part[4] as number) + 256 * (part[5] as number)];
      // USB 2.0, 5.8.3 and 5.7.3.
      if (transfer === 2) expect(table.speed === "high" ? size === 512 : size <= 64).toBe(true);
      else expect([transfer, size <= 64, (part[6] as number) > 0]).toEqual([3, true, true]);
    }
    expect([deviceDescriptor(table).length, deviceDescriptor(table)[17]]).toEqual([18, 1]);
  });

  it.each(ALL)("%s: the record of a listing agrees with the descriptors", (_name, table) => {
    expect(recordOf(table, 4)).toMatchObject({
      busid: "1-4",
      busNumber: 1,
      deviceNumber: 5,
      speed: table.speed,
      vendorId: table.vendorId,
      interfaces: table.interfaces.map(({ classes }) => classes),
    });
  });
});
