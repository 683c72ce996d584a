import { readdir, realpath } from "node:fs/promises";
import { join } from "node:path";
import { type NodeAccess, nodeAccess } from "./node-access.js";
import { type NodeListOptions, type UsbFacts, usbDeviceAbove } from "./serial-list.js";
import type { HidDeviceInfo } from "./types.js";

/** A HID device on USB that is there. */
export interface HidListing {
  readonly device: HidDeviceInfo & { readonly portPath: string };
  readonly access: NodeAccess;
}

/** Which devices are meant, by their descriptor. */
export type HidFilter = (ids: Pick<UsbFacts, "vendorId" | "productId">) => boolean;

/** HID devices on USB by sysfs (hidraw); none on systems without. Never throws. */
export async function listHid(
  isWanted: HidFilter,
  { sysRoot = "/sys", devRoot = "/dev" }: NodeListOptions = {},
): Promise<readonly HidListing[]> {
  const folder = join(sysRoot, "class", "hidraw");
  const listings: HidListing[] = [];
  for (const name of (await readdir(folder).catch(() => [])).sort()) {
    const device = await realpath(join(folder, name, "device")).catch(() => undefined);
    const usb = device === undefined ? undefined : await usbDeviceAbove(device);
    if (usb === undefined || !isWanted(usb)) continue;
    const path = join(devRoot, name);
    listings.push({ device: { ...usb, path }, access: await nodeAccess(path) });
  }
  return listings;
}
