/** What umockdev must know of a device to replay its pcap: umockdev-run --device FILE --pcap SYSFS=PCAP. */
import type { CassetteHeader } from "../../transport/cassette.js";
import { toHex } from "../../util/bytes.js";
import { descriptorsOf } from "./descriptors.js";
import { placeOf } from "./urbs.js";

/** Any host controller will do. */
const CONTROLLER = "/devices/pci0000:00/0000:00:14.0";
const USB_MAJOR = 189;
const MINORS_PER_BUS = 128;

/** Under /sys. Hubs are left out: the device hangs at the root hub, at its last port. */
export function sysfsPathOf(header: CassetteHeader): string {
  const { bus } = placeOf(header);
  const port = /(\d+)$/.exec(header.device.portPath ?? "")?.[1] ?? "1";
  return `${CONTROLLER}/usb${bus}/${bus}-${port}`;
}

/** The recorded device as umockdev-record writes one. @throws UsageError if the recording is of no USB device */
export function describeForUmockdev(header: CassetteHeader): string {
  const { device: descriptor, configuration } = descriptorsOf(header);
  const { bus, device } = placeOf(header);
  const node = `bus/usb/${padded(bus)}/${padded(device)}`;
  const lines = [
    `P: ${sysfsPathOf(header)}`,
    `N: ${node}`,
    ...pairs("E", propertiesOf(header, node)),
    ...pairs("A", attributesOf(header)),
    `H: descriptors=${toHex(descriptor)}${toHex(configuration)}`,
  ];
  return `${lines.join("\n")}\n\n`;
}

function propertiesOf(header: CassetteHeader, node: string): Record<string, string | number> {
  const { bus, device } = placeOf(header);
  return {
    BUSNUM: padded(bus),
    DEVNUM: padded(device),
    DEVNAME: `/dev/${node}`,
    DEVTYPE: "usb_device",
    MAJOR: USB_MAJOR,
    MINOR: (bus - 1) * MINORS_PER_BUS + device - 1,
    SUBSYSTEM: "usb",
  };
}

function attributesOf(header: CassetteHeader): Record<string, string | number | undefined> {
  const { bus, device } = placeOf(header);
  const { vendorId, productId, manufacturer, product, serialNumber, portPath } = header.device;
  const { packetSizes } = header;
  const isHighSpeed = Object.values(packetSizes).some((size) => size > 64);
  return {
    bConfigurationValue: 1,
    bNumConfigurations: 1,
    busnum: bus,
    devnum: device,
    devpath: /(\d+)$/.exec(portPath ?? "")?.[1] ?? "1",
    idVendor: hex(vendorId),
    idProduct: hex(productId),
    speed: isHighSpeed ? 480 : 12,
    manufacturer,
    product,
    serial: serialNumber,
  };
}

function pairs(letter: string, values: Record<string, string | number | undefined>): string[] {
  return Object.entries(values).flatMap(([name, value]) =>
    value === undefined ? [] : [`${letter}: ${name}=${escaped(value)}`],
  );
}

function escaped(value: string | number): string {
  return String(value).replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function padded(number: number): string {
  return String(number).padStart(3, "0");
}

function hex(id: number | undefined): string {
  return (id ?? 0).toString(16).padStart(4, "0");
}
