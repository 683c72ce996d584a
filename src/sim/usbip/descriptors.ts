/** The descriptors of an exported device (USB 2.0 section 9.6), from one table a device. */
import { concatBytes, viewOf } from "../../util/bytes.js";
import type { DeviceRecord, UsbSpeed } from "./protocol.js";

type Classes = readonly [classCode: number, subclass: number, protocol: number];

export interface EndpointTable {
  /** With the direction in bit 7. */
  readonly address: number;
  readonly transfer: "bulk" | "interrupt";
  readonly packetSize: number;
  /** bInterval; of interrupt endpoints. */
  readonly interval?: number;
}

export interface InterfaceTable {
  readonly classes: Classes;
  /** The interfaces from here on that are one function (interface association ECN), with the classes of this one. */
  readonly associated?: number;
  /** iInterface says the product's name. */
  readonly named?: boolean;
  /** Class-specific descriptors between the interface's own and those of its endpoints. */
  readonly classDescriptors?: Uint8Array;
  /** HID: what GET_DESCRIPTOR 0x22 gives. */
  readonly reportDescriptor?: Uint8Array;
  readonly endpoints: readonly EndpointTable[];
}

/** A USB device with one configuration whose interfaces have one setting each. */
export interface DeviceTable {
  readonly speed: UsbSpeed;
  /** bcdUSB */
  readonly usbVersion: number;
  readonly classes: Classes;
  /** bMaxPacketSize0 */
  readonly controlPacketSize: number;
  readonly vendorId: number;
  readonly productId: number;
  readonly bcdDevice: number;
  /** bmAttributes of the configuration: 0x80, with 0x40 self powered, 0x20 remote wakeup. */
  readonly attributes: number;
  readonly maxPowerMa: number;
  readonly manufacturer?: string;
  readonly product?: string;
  readonly serialNumber?: string;
  readonly interfaces: readonly InterfaceTable[];
}

/** The strings of a device: those that it does not have are absent, not undefined. */
export type DeviceStrings = Pick<DeviceTable, "manufacturer" | "product" | "serialNumber">;

export function stringsOf(device: DeviceStrings): DeviceStrings {
  const { manufacturer, product, serialNumber } = device;
  return {
    ...(manufacturer === undefined ? {} : { manufacturer }),
    ...(product === undefined ? {} : { product }),
    ...(serialNumber === undefined ? {} : { serialNumber }),
  };
}

export const DESCRIPTOR = {
  device: 1,
  configuration: 2,
  string: 3,
  interface: 4,
  endpoint: 5,
  interfaceAssociation: 11,
  hid: 0x21,
  report: 0x22,
} as const;

export const CONFIGURATION_VALUE = 1;
const LANGUAGE_ENGLISH_US = 0x0409;
const INDEX = { manufacturer: 1, product: 2, serialNumber: 3 } as const;
const MA_PER_UNIT = 2;
const TRANSFER_BITS = { bulk: 2, interrupt: 3 } as const;
/** Of a string descriptor: its length byte counts two bytes a character. */
const MAX_STRING_CHARACTERS = 126;

export function deviceDescriptor(table: DeviceTable): Uint8Array {
  const out = new Uint8Array(18);
  const view = viewOf(out);
  out.set([out.length, DESCRIPTOR.device]);
  view.setUint16(2, table.usbVersion, true);
  out.set([...table.classes, table.controlPacketSize], 4);
  view.setUint16(8, table.vendorId, true);
  view.setUint16(10, table.productId, true);
  view.setUint16(12, table.bcdDevice, true);
  const { manufacturer, product, serialNumber } = INDEX;
  out[14] = table.manufacturer === undefined ? 0 : manufacturer;
  out[15] = table.product === undefined ? 0 : product;
  out[16] = table.serialNumber === undefined ? 0 : serialNumber;
  out[17] = 1;
  return out;
}

/** The configuration with its interfaces and endpoints. */
export function configurationDescriptor(table: DeviceTable): Uint8Array {
  const interfaces = table.interfaces.flatMap((one, number) => interfaceDescriptors(one, number));
  const { length: count } = table.interfaces;
  const power = table.maxPowerMa / MA_PER_UNIT;
  const head = [DESCRIPTOR.configuration, 0, 0, count, CONFIGURATION_VALUE, 0];
  const own = Uint8Array.of(9, ...head, table.attributes, power);
  const out = concatBytes([own, ...interfaces]);
  viewOf(out).setUint16(2, out.length, true);
  return out;
}

function interfaceDescriptors(table: InterfaceTable, number: number): Uint8Array[] {
  const {
    classes,
    endpoints,
    named = false,
    classDescriptors,
    reportDescriptor,
    associated,
  } = table;
  const name = named ? INDEX.product : 0;
  const own = [9, DESCRIPTOR.interface, number, 0, endpoints.length, ...classes, name];
  const association = [8, DESCRIPTOR.interfaceAssociation, number, associated ?? 0, ...classes, 0];
  return [
    ...(associated === undefined ? [] : [Uint8Array.from(association)]),
    Uint8Array.from(own),
    ...(classDescriptors === undefined ? [] : [classDescriptors]),
    ...(reportDescriptor === undefined ? [] : [hidDescriptor(reportDescriptor)]),
    ...endpoints.map(endpointDescriptor),
  ];
}

function endpointDescriptor(endpoint: EndpointTable): Uint8Array {
  const { address, transfer, packetSize, interval = 0 } = endpoint;
  const size = [packetSize & 0xff, packetSize >> 8];
  return Uint8Array.of(7, DESCRIPTOR.endpoint, address, TRANSFER_BITS[transfer], ...size, interval);
}

/** The string of an index, or the languages at index 0; undefined if there is none. */
export function stringDescriptor(table: DeviceTable, index: number): Uint8Array | undefined {
  if (index === 0) return Uint8Array.of(4, DESCRIPTOR.string, ...littleEndian(LANGUAGE_ENGLISH_US));
  const name = (Object.keys(INDEX) as (keyof typeof INDEX)[]).find((one) => INDEX[one] === index);
  const text = name === undefined ? undefined : table[name]?.slice(0, MAX_STRING_CHARACTERS);
  if (text === undefined) return undefined;
  const characters = Buffer.from(text, "utf16le");
  return concatBytes([Uint8Array.of(2 + characters.length, DESCRIPTOR.string), characters]);
}

function littleEndian(value: number): [number, number] {
  return [value & 0xff, value >> 8];
}

/** The HID descriptor (HID 1.11 section 6.2.1) of an interface with one report descriptor. */
export function hidDescriptor(reportDescriptor: Uint8Array): Uint8Array {
  const length = littleEndian(reportDescriptor.length);
  return Uint8Array.of(9, DESCRIPTOR.hid, 0x11, 0x01, 0, 1, DESCRIPTOR.report, ...length);
}

/** The device as USB/IP lists it, at the place with this number of the exporting bus. */
export function recordOf(table: DeviceTable, place: number): DeviceRecord {
  return {
    busid: `1-${place}`,
    busNumber: 1,
    // Number 1 is the root hub's on any bus.
    deviceNumber: place + 1,
    speed: table.speed,
    vendorId: table.vendorId,
    productId: table.productId,
    bcdDevice: table.bcdDevice,
    deviceClass: table.classes,
    configurationValue: CONFIGURATION_VALUE,
    interfaces: table.interfaces.map(({ classes }) => classes),
  };
}

/** The endpoint of a table with this address. */
export function endpointOf(table: DeviceTable, address: number): EndpointTable | undefined {
  return table.interfaces
    .flatMap(({ endpoints }) => endpoints)
    .find((endpoint) => endpoint.address === address);
}
