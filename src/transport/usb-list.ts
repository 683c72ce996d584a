import type { Clock } from "../util/clock.js";
import { deadlineIn } from "../util/deadline.js";
import type { TransportError, UsbDeviceInfo } from "./types.js";
import { closeDevice, openDevice, portPathOf } from "./usb-device.js";
import { loadUsb, type NativeDevice, type UsbLoader, type UsbModule } from "./usb-module.js";
import { readSysfs, SYSFS_USB, type SysfsDevice } from "./usb-sysfs.js";
import { UsbTransfers } from "./usb-transfer.js";

/** A device that is plugged in, opened no longer than it takes to read its strings. */
export interface UsbListing {
  readonly device: UsbDeviceInfo;
  /** `busy`: other programs hold all of its interfaces; `denied`: see {@link error}. */
  readonly access: "ok" | "denied" | "busy";
  /** Why it cannot be opened. */
  readonly error?: TransportError;
  /** Kernel driver by interface number, where sysfs tells; `usbfs`: a program has claimed it. */
  readonly drivers: Readonly<Record<number, string>>;
}

/** What of the device descriptor decides whether a device is listed. */
export type UsbFilter = (
  ids: Pick<UsbDeviceInfo, "vendorId" | "productId" | "bcdDevice">,
) => boolean;

export interface UsbListOptions {
  readonly clock: Clock;
  /** Default: the package `usb`. */
  readonly load?: UsbLoader;
  /** Default: where Linux has it. */
  readonly sysfsRoot?: string;
}

const STRING_MS = 200;
const GET_DESCRIPTOR = 6;
const STRING_DESCRIPTOR = 3;
const ENGLISH = 0x0409;
const MAX_DESCRIPTOR = 255;

/**
 * The devices that `isWanted` takes, by port. Detaches no driver and claims nothing; a device that may not be opened,
 * or gives no strings, is listed all the same.
 * @throws TransportError TRANSPORT_PACKAGE
 */
export async function listUsb(
  options: UsbListOptions,
  isWanted: UsbFilter,
): Promise<readonly UsbListing[]> {
  const module = await (options.load ?? loadUsb)();
  const listings: UsbListing[] = [];
  for (const native of module.getDeviceList()) {
    const { idVendor, idProduct, bcdDevice } = native.deviceDescriptor;
    if (!isWanted({ vendorId: idVendor, productId: idProduct, bcdDevice })) continue;
    const listing = await describe(module, native, options);
    if (listing.error?.code !== "TRANSPORT_DISCONNECTED") listings.push(listing);
  }
  const byPort = new Intl.Collator("en", { numeric: true });
  return listings.sort((a, b) => byPort.compare(a.device.portPath, b.device.portPath));
}

async function describe(
  module: UsbModule,
  native: NativeDevice,
  options: UsbListOptions,
): Promise<UsbListing> {
  const portPath = portPathOf(native);
  const { idVendor, idProduct, bcdDevice } = native.deviceDescriptor;
  const { drivers, ...known } = await readSysfs(portPath, options.sysfsRoot ?? SYSFS_USB);
  const { strings, error } = await readStrings(module, native, known, options.clock);
  const device = { vendorId: idVendor, productId: idProduct, bcdDevice, ...strings, portPath };
  const access = accessOf(error, Object.values(drivers));
  return { device, access, drivers, ...(error === undefined ? {} : { error }) };
}

function accessOf(error: TransportError | undefined, drivers: string[]): UsbListing["access"] {
  if (error !== undefined) return error.code === "TRANSPORT_BUSY" ? "busy" : "denied";
  const taken = drivers.length > 0 && drivers.every((driver) => driver === "usbfs");
  return taken ? "busy" : "ok";
}

type Strings = Pick<UsbDeviceInfo, "manufacturer" | "product" | "serialNumber">;

/** What sysfs has needs no asking; the device is opened in any case, to see whether that is allowed. */
async function readStrings(
  module: UsbModule,
  native: NativeDevice,
  known: Omit<SysfsDevice, "drivers">,
  clock: Clock,
): Promise<{ readonly strings: Strings; readonly error?: TransportError }> {
  try {
    openDevice(native);
  } catch (error) {
    return { strings: known, error: error as TransportError };
  }
  try {
    const transfers = new UsbTransfers(module, native, clock);
    const { iManufacturer, iProduct, iSerialNumber } = native.deviceDescriptor;
    const read = (index: number): Promise<string | undefined> =>
      readString(transfers, index, clock);
    const manufacturer = known.manufacturer ?? (await read(iManufacturer));
    const product = known.product ?? (await read(iProduct));
    const serialNumber = known.serialNumber ?? (await read(iSerialNumber));
    return {
      strings: {
        ...(manufacturer === undefined ? {} : { manufacturer }),
        ...(product === undefined ? {} : { product }),
        ...(serialNumber === undefined ? {} : { serialNumber }),
      },
    };
  } finally {
    closeDevice(native);
  }
}

/** A string descriptor (USB 2.0 9.6.7); undefined if there is none or the device does not give it. */
async function readString(
  transfers: UsbTransfers,
  index: number,
  clock: Clock,
): Promise<string | undefined> {
  if (index === 0) return undefined;
  const setup = {
    requestType: 0x80,
    request: GET_DESCRIPTOR,
    value: (STRING_DESCRIPTOR << 8) | index,
    index: ENGLISH,
  };
  try {
    const deadline = deadlineIn(clock, STRING_MS);
    const bytes = await transfers.controlIn(setup, MAX_DESCRIPTOR, deadline).done;
    const text = Buffer.from(bytes.subarray(2, bytes[0])).toString("utf16le").replaceAll("\0", "");
    return text.trim() === "" ? undefined : text.trim();
  } catch {
    return undefined;
  }
}
