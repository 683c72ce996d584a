import { describe, expect, test } from "@jest/globals";
import {
  findFtdiChip,
  ftdiChannel,
  isFtdiDevice,
  requireFtdiChip,
} from "../../../src/bridge/ftdi/chips.js";

const ids = (productId: number, bcdDevice: number, vendorId = 0x0403) => ({
  vendorId,
  productId,
  bcdDevice,
});

describe("which chip", () => {
  // bridges.md 1.1
  test.each([
    [0x6014, 0x0900, "FT232H", "ft232h", 1024, "A"],
    [0x6010, 0x0700, "FT2232H", "ft2232h", 4096, "AB"],
    [0x6011, 0x0800, "FT4232H", "ft4232h", 2048, "AB"],
    [0x6040, 0x2800, "FT2233HP", "ft2232h", 4096, "AB"],
    [0x6041, 0x2900, "FT4233HP", "ft4232h", 2048, "AB"],
    [0x6042, 0x3000, "FT2232HP", "ft2232h", 4096, "AB"],
    [0x6043, 0x3100, "FT4232HP", "ft4232h", 2048, "AB"],
    [0x6044, 0x3200, "FT233HP", "ft232h", 1024, "A"],
    [0x6045, 0x3300, "FT232HP", "ft232h", 1024, "A"],
    [0x6047, 0x3500, "FT2232HA", "ft2232h", 4096, "AB"],
    [0x6048, 0x3600, "FT4232HA", "ft4232h", 2048, "AB"],
  ])("%p release %p is an %s", (productId, bcdDevice, name, id, fifoBytes, channels) => {
    const chip = requireFtdiChip(ids(productId, bcdDevice));
    expect(chip).toMatchObject({ name, id, fifoBytes });
    expect(chip.channels.map((channel) => channel.name).join("")).toBe(channels);
    expect(isFtdiDevice(ids(productId, bcdDevice))).toBe(true);
  });

  test.each([
    ["FT2232C/D has the same product id as the FT2232H", 0x6010, 0x0500, /FT2232C\/D/],
    ["FT232R", 0x6001, 0x0600, /FT232R: a serial adapter/],
    ["FT232BM", 0x6001, 0x0400, /FT232BM/],
    ["FT-X", 0x6015, 0x1000, /FT-X/],
    ["a release that nobody knows", 0x6010, 0x0999, /0403:6010 release 0999/],
  ])("refused: %s", (_, productId, bcdDevice, message) => {
    expect(findFtdiChip(ids(productId, bcdDevice))).toBeUndefined();
    expect(isFtdiDevice(ids(productId, bcdDevice))).toBe(true);
    const refusal = expect.objectContaining({
      code: "BRIDGE_UNSUPPORTED",
      message: expect.stringMatching(message),
      hint: expect.stringContaining("FT232H"),
    });
    expect(() => requireFtdiChip(ids(productId, bcdDevice))).toThrow(refusal);
  });

  test("of another maker", () => {
    expect(isFtdiDevice(ids(0x6014, 0x0900, 0x1a86))).toBe(false);
    expect(() => requireFtdiChip(ids(0x6014, 0x0900, 0x1a86))).toThrow("1a86:6014");
  });
});

describe("channels", () => {
  const chip = requireFtdiChip(ids(0x6011, 0x0800));

  test.each([
    ["A", 0, 0x02, 0x81, 1],
    ["B", 1, 0x04, 0x83, 2],
    ["b", 1, 0x04, 0x83, 2],
    [undefined, 0, 0x02, 0x81, 1],
  ])("%p", (name, interfaceNumber, outEndpoint, inEndpoint, controlIndex) => {
    expect(ftdiChannel(chip, name)).toMatchObject({
      interfaceNumber,
      outEndpoint,
      inEndpoint,
      controlIndex,
    });
  });

  test("C and D of the FT4232H, and B of the FT232H, have no MPSSE", () => {
    for (const name of ["C", "D", "X"]) {
      expect(() => ftdiChannel(chip, name)).toThrow(
        expect.objectContaining({ code: "BRIDGE_UNSUPPORTED", hint: "use channel A or B" }),
      );
    }
    expect(() => ftdiChannel(requireFtdiChip(ids(0x6014, 0x0900)), "B")).toThrow("channel B");
  });
});
