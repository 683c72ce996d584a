import { describe, expect, test } from "@jest/globals";
import { urbsOf } from "../../../src/trace/usb/urbs.js";
import { encodeUsbmon } from "../../../src/trace/usb/usbmon.js";
import type { Cassette, TransferRequest } from "../../../src/transport/cassette.js";
import { fromHex, toHex } from "../../../src/util/bytes.js";
import type { ErrorCode } from "../../../src/util/errors.js";
import { cassetteOf, headerOf } from "./cassettes.js";

const PLACE = { bus: 1, device: 2 };
const MODE: TransferRequest = {
  type: "controlOut",
  setup: { requestType: 0x40, request: 11, value: 0x0200, index: 1 },
  data: new Uint8Array(0),
};
const LATENCY: TransferRequest = {
  type: "controlIn",
  setup: { requestType: 0xc0, request: 10, value: 0, index: 1 },
  length: 1,
};
const OUT: TransferRequest = { type: "bulkOut", endpoint: 2, data: fromHex("80 0a 0b") };
const IN: TransferRequest = { type: "bulkIn", endpoint: 0x81, length: 512 };

/** The packets of what was recorded, without those of the plugging in. */
function packetsOf(cassette: Cassette): string[] {
  return urbsOf(cassette)
    .slice(-cassette.events.length)
    .map((urb) => toHex(encodeUsbmon(urb, PLACE)));
}

/** Documentation/usb/usbmon.rst: id, type, transfer, endpoint, device, bus, flags; time; status; lengths; setup; interval, frame, flags, descriptors. */
function packet(...fields: readonly string[]): string {
  return toHex(fromHex(fields.join("")));
}

describe("usbmon packets, typed from the kernel's documentation", () => {
  test("a control request without data", () => {
    expect(packetsOf(cassetteOf([[MODE]]))).toEqual([
      packet(
        "0400000000000000 53 02 00 02 0100 00 00",
        "00f1536500000000 00000000 8dffffff 00000000 00000000",
        "40 0b 00 02 01 00 00 00 00000000 00000000 00000000 00000000",
      ),
      packet(
        "0400000000000000 43 02 00 02 0100 2d 3e",
        "00f1536500000000 0a000000 00000000 00000000 00000000",
        "0000000000000000 00000000 00000000 00000000 00000000",
      ),
    ]);
  });

  test("a control request that reads", () => {
    expect(packetsOf(cassetteOf([[LATENCY, { data: Uint8Array.of(16) }]]))).toEqual([
      packet(
        "0400000000000000 53 02 80 02 0100 00 3c",
        "00f1536500000000 00000000 8dffffff 01000000 00000000",
        "c0 0a 00 00 01 00 01 00 00000000 00000000 00020000 00000000",
      ),
      packet(
        "0400000000000000 43 02 80 02 0100 2d 00",
        "00f1536500000000 0a000000 00000000 01000000 01000000",
        "0000000000000000 00000000 00000000 00020000 00000000 10",
      ),
    ]);
  });

  test("bulk transfers, two in flight", () => {
    const { header, events } = cassetteOf([[IN, { data: fromHex("32 60 55") }], [OUT]]);
    const [submitIn, completeIn, submitOut, completeOut] = events as [never, never, never, never];
    const overlapping = { header, events: [submitIn, submitOut, completeOut, completeIn] };
    expect(packetsOf(overlapping)).toEqual([
      packet(
        "0400000000000000 53 03 81 02 0100 2d 3c",
        "00f1536500000000 00000000 8dffffff 00020000 00000000",
        "0000000000000000 00000000 00000000 00020000 00000000",
      ),
      packet(
        "0500000000000000 53 03 02 02 0100 2d 00",
        "00f1536500000000 14000000 8dffffff 03000000 03000000",
        "0000000000000000 00000000 00000000 00000000 00000000 80 0a 0b",
      ),
      packet(
        "0500000000000000 43 03 02 02 0100 2d 3e",
        "00f1536500000000 1e000000 00000000 03000000 00000000",
        "0000000000000000 00000000 00000000 00000000 00000000",
      ),
      packet(
        "0400000000000000 43 03 81 02 0100 2d 00",
        "00f1536500000000 0a000000 00000000 03000000 03000000",
        "0000000000000000 00000000 00000000 00020000 00000000 32 60 55",
      ),
    ]);
  });

  test("HID reports are interrupt transfers of 64 bytes", () => {
    const report = new Uint8Array(64).fill(0x10);
    const header = headerOf({ transport: "hid", bridge: "mcp2210", packetSizes: {} });
    const cassette = cassetteOf(
      [[{ type: "hidWrite", data: report }], [{ type: "hidRead" }, { data: report }]],
      header,
    );
    const heads = packetsOf(cassette).map((hex) => [
      hex.slice(16, 22),
      hex.slice(64, 80),
      hex.length / 2 - 64,
    ]);
    expect(heads).toEqual([
      ["530101", "4000000040000000", 64],
      ["430101", "4000000000000000", 0],
      ["530181", "4000000000000000", 0],
      ["430181", "4000000040000000", 64],
    ]);
  });

  test.each<[ErrorCode, number]>([
    ["TRANSPORT_TIMEOUT", -2],
    ["TRANSPORT_CANCELLED", -2],
    ["TRANSPORT_STALL", -32],
    ["TRANSPORT_DISCONNECTED", -108],
    ["TRANSPORT_FAULT", -71],
  ])("%s is error %i of the kernel", (code, status) => {
    const failed = cassetteOf([[IN, { error: { code, message: "it failed" } }], [OUT]]);
    const urb = urbsOf(failed).at(-3);
    expect(urb).toMatchObject({ kind: "complete", status, length: 0 });
    expect(urb?.data).toHaveLength(0);
  });
});
