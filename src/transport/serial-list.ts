import { readdir, readFile, readlink, realpath } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type NodeAccess, nodeAccess } from "./node-access.js";
import type { SerialPortInfo } from "./types.js";

/** A serial port on USB that is there. */
export interface SerialListing {
  readonly port: SerialPortInfo;
  readonly access: NodeAccess;
  /** `cdc_acm`, `ftdi_sio`. */
  readonly driver?: string;
}

export interface NodeListOptions {
  /** Default `/sys`. */
  readonly sysRoot?: string;
  /** Default `/dev`. */
  readonly devRoot?: string;
}

/** Serial ports on USB by sysfs, so that nothing needs to be loaded or run; none on systems without. Never throws. */
export async function listSerial({
  sysRoot = "/sys",
  devRoot = "/dev",
}: NodeListOptions = {}): Promise<readonly SerialListing[]> {
  const folder = join(sysRoot, "class", "tty");
  const listings: SerialListing[] = [];
  for (const name of (await readdir(folder).catch(() => [])).sort(byNumber)) {
    const device = await realpath(join(folder, name, "device")).catch(() => undefined);
    const usb = device === undefined ? undefined : await usbDeviceAbove(device);
    if (device === undefined || usb === undefined) continue;
    const path = join(devRoot, name);
    const driver = await driverOf(device);
    listings.push({
      port: { path, ...usb },
      access: await nodeAccess(path),
      ...(driver === undefined ? {} : { driver }),
    });
  }
  return listings;
}

const byNumber = (a: string, b: string): number => a.localeCompare(b, "en", { numeric: true });

async function driverOf(device: string): Promise<string | undefined> {
  for (const folder of [device, dirname(device)]) {
    const link = await readlink(join(folder, "driver")).catch(() => undefined);
    if (link !== undefined && !/usb-serial$|^usb$/.test(link)) return basename(link);
  }
  return undefined;
}

/** What identifies a USB device. */
export interface UsbFacts {
  readonly vendorId: number;
  readonly productId: number;
  readonly bcdDevice: number;
  readonly portPath: string;
  readonly manufacturer?: string;
  readonly product?: string;
  readonly serialNumber?: string;
}

/** Deepest nesting of a node below its USB device. */
const MAX_LEVELS = 6;

/** The USB device that a folder of sysfs belongs to. */
export async function usbDeviceAbove(folder: string): Promise<UsbFacts | undefined> {
  let at = folder;
  for (let level = 0; level < MAX_LEVELS; level++) {
    const vendor = await text(join(at, "idVendor"));
    if (vendor !== undefined) return factsOf(at, vendor);
    at = dirname(at);
  }
  return undefined;
}

async function factsOf(folder: string, vendor: string): Promise<UsbFacts> {
  const [product, release, manufacturer, name, serial] = await Promise.all(
    ["idProduct", "bcdDevice", "manufacturer", "product", "serial"].map((file) =>
      text(join(folder, file)),
    ),
  );
  return {
    vendorId: Number.parseInt(vendor, 16),
    productId: Number.parseInt(product ?? "0", 16),
    bcdDevice: Number.parseInt(release ?? "0", 16),
    portPath: basename(folder),
    ...(manufacturer === undefined ? {} : { manufacturer }),
    ...(name === undefined ? {} : { product: name }),
    ...(serial === undefined ? {} : { serialNumber: serial }),
  };
}

async function text(path: string): Promise<string | undefined> {
  const content = await readFile(path, "utf8").catch(() => "");
  return content.trim() === "" ? undefined : content.trim();
}
