import { describe, expect, test } from "@jest/globals";
import { descriptorsOf } from "../../../src/trace/usb/descriptors.js";
import { describeForUmockdev, sysfsPathOf } from "../../../src/trace/usb/umockdev.js";
import { fromHex, toHex } from "../../../src/util/bytes.js";
import { headerOf } from "./cassettes.js";

const HID_REPORT =
  "06 00 ff 09 01 a1 01 09 02 15 00 26 ff 00 75 08 95 40 81 02 09 03 15 00 26 ff 00 75 08 95 40 91 02 c0";
const plain = (hex: string): string => toHex(fromHex(hex));
const named = {
  vendorId: 0x0403,
  productId: 0x6014,
  bcdDevice: 0x0900,
  manufacturer: "FTDI",
  product: "Single RS232-HS",
  serialNumber: "FT1ABCDE",
  portPath: "3-1.4",
};

describe("descriptors of the recorded device", () => {
  test("FT232H", () => {
    const { device, configuration } = descriptorsOf(headerOf({ device: named }));
    expect(toHex(device)).toBe(plain("12 01 00 02 00 00 00 40 03 04 14 60 00 09 01 02 03 01"));
    expect(toHex(configuration)).toBe(
      plain(
        "09 02 20 00 01 01 00 80 32 09 04 00 00 02 ff ff ff 00 07 05 81 02 00 02 00 07 05 02 02 00 02 00",
      ),
    );
  });

  test.each([
    ["channel B of an FT2232H", { packetSizes: { "4": 512, "131": 512 } }, "01"],
    [
      "CH347T",
      {
        bridge: "ch347" as const,
        device: { ...named, productId: 0x55db },
        packetSizes: { "6": 512, "134": 512 },
      },
      "02",
    ],
    [
      "CH347F",
      {
        bridge: "ch347" as const,
        device: { ...named, productId: 0x55de },
        packetSizes: { "6": 512, "134": 512 },
      },
      "04",
    ],
    ["CH341A", { bridge: "ch341" as const, packetSizes: { "2": 32, "130": 32 } }, "00"],
  ])("%s: its own interface", (_, differs, number) => {
    const { configuration } = descriptorsOf(headerOf(differs));
    expect(toHex(configuration.subarray(9, 13))).toBe(`0904${number}00`);
    const addresses = [configuration[20], configuration[27]];
    expect(addresses.map(String).sort()).toEqual(Object.keys(differs.packetSizes).sort());
  });

  test("MCP2210: reports of 64 bytes", () => {
    const header = headerOf({
      transport: "hid",
      bridge: "mcp2210",
      device: { vendorId: 0x04d8, productId: 0x00de, bcdDevice: 2, path: "/dev/hidraw0" },
      packetSizes: {},
    });
    const { device, configuration, report } = descriptorsOf(header);
    expect(toHex(device)).toBe(plain("12 01 00 02 00 00 00 40 d8 04 de 00 02 00 00 00 00 01"));
    expect(toHex(configuration)).toBe(
      plain(
        "09 02 29 00 01 01 00 80 32 09 04 00 00 02 03 00 00 00 09 21 11 01 00 01 22 22 00 07 05 81 03 40 00 01 07 05 01 03 40 00 01",
      ),
    );
    expect(toHex(report ?? new Uint8Array(0))).toBe(plain(HID_REPORT));
  });

  test("a serial port has none", () => {
    const header = headerOf({ transport: "serial", device: { path: "/dev/ttyACM0" } });
    expect(() => descriptorsOf(header)).toThrow(
      expect.objectContaining({ code: "USAGE", hint: expect.stringContaining("--format vcd") }),
    );
  });
});

describe("the device for umockdev", () => {
  test("says where it is, its ids and strings, and its descriptors", () => {
    const header = headerOf({ device: { ...named, product: "a\\b\nc" } });
    expect(sysfsPathOf(header)).toBe("/devices/pci0000:00/0000:00:14.0/usb3/3-4");
    expect(describeForUmockdev(header)).toBe(
      `P: /devices/pci0000:00/0000:00:14.0/usb3/3-4
N: bus/usb/003/002
E: BUSNUM=003
E: DEVNUM=002
E: DEVNAME=/dev/bus/usb/003/002
E: DEVTYPE=usb_device
E: MAJOR=189
E: MINOR=257
E: SUBSYSTEM=usb
A: bConfigurationValue=1
A: bNumConfigurations=1
A: busnum=3
A: devnum=2
A: devpath=4
A: idVendor=0403
A: idProduct=6014
A: speed=480
A: manufacturer=FTDI
A: product=a\\\\b\\nc
A: serial=FT1ABCDE
H: descriptors=1201000200000040030414600009010203010902200001010080320904000002ffffff000705810200020007050202000200

`,
    );
  });

  test("leaves out what the recording does not tell", () => {
    const text = describeForUmockdev(headerOf({ packetSizes: { "2": 64, "129": 64 } }));
    expect(text).toContain("A: speed=12\n");
    expect(text).not.toMatch(/manufacturer|product|serial/);
  });
});
