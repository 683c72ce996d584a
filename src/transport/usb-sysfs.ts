import { readdir, readFile, readlink } from "node:fs/promises";
import { basename, join } from "node:path";

/** Where Linux describes USB devices, readable for everybody. */
export const SYSFS_USB = "/sys/bus/usb/devices";

/** What sysfs says of a device; everything is missing on other systems. */
export interface SysfsDevice {
  readonly manufacturer?: string;
  readonly product?: string;
  readonly serialNumber?: string;
  /** Driver bound to each interface, by interface number; `usbfs`: a program has claimed it. */
  readonly drivers: Readonly<Record<number, string>>;
}

/** Reads what can be read; never throws. */
export async function readSysfs(portPath: string, root: string = SYSFS_USB): Promise<SysfsDevice> {
  const folder = join(root, portPath);
  const [manufacturer, product, serialNumber, drivers] = await Promise.all([
    readText(join(folder, "manufacturer")),
    readText(join(folder, "product")),
    readText(join(folder, "serial")),
    readDrivers(folder, portPath),
  ]);
  return {
    ...(manufacturer === undefined ? {} : { manufacturer }),
    ...(product === undefined ? {} : { product }),
    ...(serialNumber === undefined ? {} : { serialNumber }),
    drivers,
  };
}

async function readText(path: string): Promise<string | undefined> {
  const text = await readFile(path, "utf8").catch(() => "");
  return text.trim() === "" ? undefined : text.trim();
}

/** Interfaces are folders in the device's: `1-3.4:1.0` is interface 0 of configuration 1. */
async function readDrivers(
  folder: string,
  portPath: string,
): Promise<Readonly<Record<number, string>>> {
  const drivers: Record<number, string> = {};
  for (const name of await readdir(folder).catch(() => [])) {
    const match = /^:\d+\.(\d+)$/.exec(
      name.startsWith(portPath) ? name.slice(portPath.length) : "",
    );
    const link = match && (await readlink(join(folder, name, "driver")).catch(() => undefined));
    if (match?.[1] !== undefined && link) drivers[Number(match[1])] = basename(link);
  }
  return drivers;
}
