import { describe, expect, test } from "@jest/globals";
import { toTransportError } from "../../src/transport/usb-errors.js";
import { libusbError } from "./usb-support.js";

describe("toTransportError", () => {
  // libusb.h: enum libusb_error (negative), enum libusb_transfer_status (positive).
  test.each([
    ["LIBUSB_ERROR_IO", -1, "TRANSPORT_FAULT"],
    ["LIBUSB_ERROR_INVALID_PARAM", -2, "TRANSPORT_FAULT"],
    ["LIBUSB_ERROR_ACCESS", -3, "TRANSPORT_ACCESS"],
    ["LIBUSB_ERROR_NO_DEVICE", -4, "TRANSPORT_DISCONNECTED"],
    ["LIBUSB_ERROR_NOT_FOUND", -5, "TRANSPORT_NOT_FOUND"],
    ["LIBUSB_ERROR_BUSY", -6, "TRANSPORT_BUSY"],
    ["LIBUSB_ERROR_TIMEOUT", -7, "TRANSPORT_TIMEOUT"],
    ["LIBUSB_ERROR_OVERFLOW", -8, "TRANSPORT_FAULT"],
    ["LIBUSB_ERROR_PIPE", -9, "TRANSPORT_STALL"],
    ["LIBUSB_ERROR_INTERRUPTED", -10, "TRANSPORT_FAULT"],
    ["LIBUSB_ERROR_NO_MEM", -11, "TRANSPORT_FAULT"],
    ["LIBUSB_ERROR_NOT_SUPPORTED", -12, "TRANSPORT_FAULT"],
    ["LIBUSB_ERROR_OTHER", -99, "TRANSPORT_FAULT"],
    ["LIBUSB_TRANSFER_ERROR", 1, "TRANSPORT_FAULT"],
    ["LIBUSB_TRANSFER_TIMED_OUT", 2, "TRANSPORT_TIMEOUT"],
    ["LIBUSB_TRANSFER_CANCELLED", 3, "TRANSPORT_CANCELLED"],
    ["LIBUSB_TRANSFER_STALL", 4, "TRANSPORT_STALL"],
    ["LIBUSB_TRANSFER_NO_DEVICE", 5, "TRANSPORT_DISCONNECTED"],
    ["LIBUSB_TRANSFER_OVERFLOW", 6, "TRANSPORT_FAULT"],
  ])("%s (%i) is %s", async (name, errno, code) => {
    const { usb } = await import("usb");
    expect((usb as unknown as Record<string, number>)[name]).toBe(errno);
    const cause = libusbError(errno);
    const error = toTransportError(cause, "IN transfer on endpoint 0x81");
    expect(error.code).toBe(code);
    expect(error.message).toMatch(/^IN transfer on endpoint 0x81: ./);
    expect(error.details).toEqual({ doing: "IN transfer on endpoint 0x81", errno });
    expect(error.cause).toBe(cause);
  });

  test("access denied says how to allow it, busy that it is used", () => {
    expect(toTransportError(libusbError(-3), "opening").hint).toContain("udev rule");
    expect(toTransportError(libusbError(-6), "opening").hint).toContain("another program");
  });

  test.each([
    [new Error("Device is not open"), "opening: Device is not open"],
    [libusbError(77), "opening: LIBUSB 77"],
    ["a string", "opening: a string"],
    [undefined, "opening: undefined"],
  ])("what is no error of libusb keeps its text: %p", (thrown, message) => {
    const error = toTransportError(thrown, "opening");
    expect(error.code).toBe("TRANSPORT_FAULT");
    expect(error.message).toBe(message);
  });
});
