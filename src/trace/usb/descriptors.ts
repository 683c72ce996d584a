/** Descriptors (USB 2.0 section 9.6) of the recorded device. A cassette has those of its endpoints that were used: what these say is what the recording shows. */
import type { CassetteHeader } from "../../transport/cassette.js";
import { concatBytes, fromHex, viewOf } from "../../util/bytes.js";
import { UsageError } from "../../util/errors.js";

/** What a kernel reads from a device before anybody uses it. */
export interface Descriptors {
  readonly device: Uint8Array;
  readonly configuration: Uint8Array;
  /** Of a HID interface. */
  readonly report?: Uint8Array;
}

/** Places of a HID bridge's reports; the packages that read and write them do not tell (MCP2210: DS22288A section 1.3). */
export const HID_OUT = 0x01;
export const HID_IN = 0x81;
export const REPORT_BYTES = 64;
/** One 64-byte report each way, vendor-defined, without numbers: what hidraw needs to know of any of the bridges. */
const REPORT_DESCRIPTOR: Uint8Array = fromHex(
  "06 00 ff 09 01 a1 01 09 02 15 00 26 ff 00 75 08 95 40 81 02 09 03 15 00 26 ff 00 75 08 95 40 91 02 c0",
);

const TYPE = { device: 1, configuration: 2, interface: 4, endpoint: 5, hid: 0x21, report: 0x22 };
const TRANSFER = { bulk: 2, interrupt: 3 };
/** bmAttributes of a configuration: bus powered; bMaxPower: 100 mA. */
const BUS_POWERED = 0x80;
const POWER_UNITS = 50;
const VENDOR_SPECIFIC = [0xff, 0xff, 0xff] as const;
const HID_CLASS = [3, 0, 0] as const;

/** @throws UsageError if the recording is of no USB device */
export function descriptorsOf(header: CassetteHeader): Descriptors {
  const isHid = header.transport === "hid";
  const device = deviceDescriptor(header);
  const endpoints = isHid ? hidEndpoints() : bulkEndpoints(header);
  const own = [interfaceNumberOf(header), 0, endpoints.length];
  const classes = isHid ? HID_CLASS : VENDOR_SPECIFIC;
  const parts = [
    Uint8Array.of(9, TYPE.interface, ...own, ...classes, 0),
    ...(isHid ? [hidDescriptor()] : []),
    ...endpoints,
  ];
  const configuration = configurationOf(parts);
  return { device, configuration, ...(isHid ? { report: REPORT_DESCRIPTOR } : {}) };
}

function deviceDescriptor(header: CassetteHeader): Uint8Array {
  const { device } = header;
  if (header.transport === "serial" || !("bcdDevice" in device)) throw noUsb(header);
  const out = new Uint8Array(18);
  const view = viewOf(out);
  out.set([out.length, TYPE.device]);
  view.setUint16(2, 0x0200, true);
  out[7] = 64;
  view.setUint16(8, device.vendorId, true);
  view.setUint16(10, device.productId, true);
  view.setUint16(12, device.bcdDevice, true);
  const { manufacturer, product, serialNumber } = device;
  for (const [at, text] of [manufacturer, product, serialNumber].entries())
    out[14 + at] = text === undefined ? 0 : at + 1;
  out[17] = 1;
  return out;
}

function noUsb({ transport }: CassetteHeader): UsageError {
  return new UsageError(`the cassette is of a ${transport} adapter: it holds no USB transfers`, {
    hint: "export what was on the SPI wires: --format vcd or --format sr",
  });
}

/** The one interface that was claimed, with the number that it has among those of the chip (bridges.md 1, 3.1). */
function interfaceNumberOf({ bridge, device, packetSizes }: CassetteHeader): number {
  if (bridge === "ch347") return "productId" in device && device.productId === 0x55de ? 4 : 2;
  if (bridge !== "ftdi") return 0;
  const [first = 0] = Object.keys(packetSizes).map((address) => Number(address) & 0x0f);
  return Math.max(0, Math.floor((first - 1) / 2));
}

function bulkEndpoints({ packetSizes }: CassetteHeader): Uint8Array[] {
  const byAddress = Object.entries(packetSizes).map(([key, size]) => [Number(key), size] as const);
  // IN first, as all of these chips have them.
  return byAddress
    .toSorted(([a], [b]) => b - a)
    .map(([address, size]) => endpointDescriptor(address, TRANSFER.bulk, size, 0));
}

function hidEndpoints(): Uint8Array[] {
  return [HID_IN, HID_OUT].map((address) =>
    endpointDescriptor(address, TRANSFER.interrupt, REPORT_BYTES, 1),
  );
}

function endpointDescriptor(
  address: number,
  transfer: number,
  size: number,
  interval: number,
): Uint8Array {
  return Uint8Array.of(7, TYPE.endpoint, address, transfer, size & 0xff, size >> 8, interval);
}

function hidDescriptor(): Uint8Array {
  return Uint8Array.of(9, TYPE.hid, 0x11, 0x01, 0, 1, TYPE.report, REPORT_DESCRIPTOR.length, 0);
}

function configurationOf(parts: readonly Uint8Array[]): Uint8Array {
  const own = Uint8Array.of(9, TYPE.configuration, 0, 0, 1, 1, 0, BUS_POWERED, POWER_UNITS);
  const out = concatBytes([own, ...parts]);
  viewOf(out).setUint16(2, out.length, true);
  return out;
}
