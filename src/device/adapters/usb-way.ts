import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { CH341_INTERFACE } from "../../bridge/ch341/chips.js";
import { requireCh347 } from "../../bridge/ch347/chips.js";
import { findFtdiChip, ftdiChannel, requireFtdiChip } from "../../bridge/ftdi/chips.js";
import { TransportError, type UsbDeviceInfo } from "../../transport/types.js";
import { openUsb } from "../../transport/usb.js";
import { listUsb, type UsbFilter, type UsbListing } from "../../transport/usb-list.js";
import { loadUsb } from "../../transport/usb-module.js";
import { RealClock } from "../../util/clock.js";
import type { AdapterChip, AdapterSpec } from "../spec.js";
import { ADAPTERS, formatUsbId } from "./data.js";
import type { AdapterData, AdapterUsbId } from "./data-types.js";
import {
  type BenchDeps,
  describeDevice,
  type FoundAdapter,
  type Refusal,
  usbIdOf,
  type Way,
} from "./found.js";
import type { StepOutcome } from "./outcome.js";

/** Adapters behind the package `usb`: FTDI and WCH. */
export function usbWay(deps: BenchDeps): Way {
  const load = deps.loadUsb ?? loadUsb;
  const list = (isWanted: UsbFilter): Promise<readonly UsbListing[]> =>
    listUsb({ clock: deps.clock ?? new RealClock(), load, sysfsRoot: sysfsOf(deps) }, isWanted);
  return {
    packageName: "usb",
    load,
    list: async (spec) => {
      const listings = await list((ids) => isUsable(ids) && hasChip(ids, spec));
      return Promise.all(listings.map((listing) => describe(listing, spec, deps)));
    },
    refused: async (spec) => (await list(isRefused(spec))).map((listing) => refusal(listing)),
  };
}

function sysfsOf({ sysRoot = "/sys" }: BenchDeps): string {
  return join(sysRoot, "bus", "usb", "devices");
}

type Ids = Parameters<UsbFilter>[0];

/** A product id is not enough with FTDI: 6010 is two chips. */
function isUsable(ids: Ids): boolean {
  const known = usbIdOf(ids);
  if (known?.adapter.transport !== "usb") return false;
  return !known.adapter.id.startsWith("ft") || findFtdiChip(ids) !== undefined;
}

function hasChip(ids: Ids, { chip }: AdapterSpec): boolean {
  return chip === undefined || usbIdOf(ids)?.adapter.id === chip;
}

async function describe(
  listing: UsbListing,
  spec: AdapterSpec,
  deps: BenchDeps,
): Promise<FoundAdapter> {
  const { device, error, access } = listing;
  const known = usbIdOf(device);
  if (known === undefined) throw notKnown(device);
  const { portPath } = device;
  const channel = known.adapter.id.startsWith("ft")
    ? ftdiChannel(requireFtdiChip(device), channelOf(known.adapter, device, spec)).name
    : undefined;
  const interfaceNumber = interfaceOf(known.adapter.id, device, channel);
  const node = await nodeOf(portPath, deps);
  return {
    ...known,
    chip: nameOf(known, device),
    text: describeDevice(nameOf(known, device), device),
    serialNumber: device.serialNumber,
    portPath,
    node,
    access,
    kernelDriver: listing.drivers[interfaceNumber],
    ...(channel === undefined ? {} : { channel }),
    lockName: `usb:${portPath}${channel === undefined ? "" : `/${channel}`}`,
    driver: () => driverOutcome(listing.drivers[interfaceNumber], interfaceNumber, node),
    ...(error === undefined ? {} : { error }),
    open: async (clock, log) => ({
      kind: "usb",
      transport: await openUsb({
        device,
        interfaceNumber,
        clock,
        log,
        ...(deps.loadUsb === undefined ? {} : { load: deps.loadUsb }),
      }),
    }),
  };
}

type Known = Readonly<{ adapter: AdapterData; id: AdapterUsbId }>;

/** An FTDI chip is told by its release too, the others by their ids alone. */
function nameOf({ adapter, id }: Known, device: UsbDeviceInfo): string {
  if (adapter.id.startsWith("ft")) return findFtdiChip(device)?.name ?? id.name;
  return id.name.includes(",") ? adapter.chip : id.name;
}

/** What was asked for; but only this device need have such a channel. */
function channelOf(
  { boards }: AdapterData,
  device: UsbDeviceInfo,
  spec: AdapterSpec,
): string | undefined {
  const { portPath, serialNumber } = spec;
  const isMeant =
    (portPath ?? device.portPath) === device.portPath &&
    (serialNumber ?? device.serialNumber) === device.serialNumber;
  if (isMeant && spec.channel !== undefined) return spec.channel;
  return boards.find(({ product }) => product !== undefined && device.product?.includes(product))
    ?.channel;
}

function interfaceOf(
  chip: AdapterChip,
  device: UsbDeviceInfo,
  channel: string | undefined,
): number {
  if (chip === "ch341a") return CH341_INTERFACE;
  if (chip === "ch347") return requireCh347(device).interfaceNumber;
  return ftdiChannel(requireFtdiChip(device), channel).interfaceNumber;
}

function driverOutcome(
  driver: string | undefined,
  interfaceNumber: number,
  node: string | undefined,
): StepOutcome {
  if (driver === undefined) return { finding: "no kernel driver is bound to it" };
  if (driver !== "usbfs")
    return {
      finding: `${driver} is bound to interface ${interfaceNumber}: it is detached while the adapter is in use, and given back`,
    };
  throw new TransportError(
    "TRANSPORT_BUSY",
    `another program has claimed interface ${interfaceNumber}`,
    {
      details: { interfaceNumber, driver },
      hint: node === undefined ? "end that program" : `end it: lsof ${node} names it`,
    },
  );
}

/** `/dev/bus/usb/001/017`, as sysfs counts. */
async function nodeOf(portPath: string, deps: BenchDeps): Promise<string | undefined> {
  const folder = join(sysfsOf(deps), portPath);
  const [bus, device] = await Promise.all(
    ["busnum", "devnum"].map(async (name) =>
      Number(await readFile(join(folder, name), "utf8").catch(() => "")),
    ),
  );
  if (bus === undefined || device === undefined || bus <= 0 || device <= 0) return undefined;
  const digits = (value: number): string => String(value).padStart(3, "0");
  return join(deps.devRoot ?? "/dev", "bus", "usb", digits(bus), digits(device));
}

/** Devices that are one of ours, but in another mode, or an older chip. */
function isRefused(spec: AdapterSpec): UsbFilter {
  const { chip } = spec;
  return (ids) =>
    !isUsable(ids) &&
    ADAPTERS.some(
      (adapter) =>
        (chip === undefined || adapter.maker === makerOf(chip)) &&
        refusedOf(adapter, ids) !== undefined,
    );
}

/** Who asked for an FT232H and has an FT232R wants to hear of that. */
function makerOf(chip: AdapterChip): string | undefined {
  return ADAPTERS.find(({ id }) => id === chip)?.maker;
}

function refusedOf(
  { refused }: (typeof ADAPTERS)[number],
  { vendorId, productId }: Pick<Ids, "vendorId" | "productId">,
): (typeof ADAPTERS)[number]["refused"][number] | undefined {
  return refused.find((one) => one.vendorId === vendorId && one.productId === productId);
}

function refusal({ device }: UsbListing): Refusal {
  for (const adapter of ADAPTERS) {
    const found = refusedOf(adapter, device);
    if (found !== undefined) return refusalOf(found.name, device, found.fix);
  }
  return refusalOf(formatUsbId(device), device, "use another adapter");
}

function refusalOf(name: string, device: UsbDeviceInfo, fix: string): Refusal {
  const { portPath, serialNumber } = device;
  const serial = serialNumber === undefined ? {} : { serialNumber };
  const text = `${describeDevice(name, device)} cannot be used`;
  return { text, fix, device: { name, portPath, ...serial } };
}

function notKnown(device: UsbDeviceInfo): TransportError {
  return new TransportError("TRANSPORT_NOT_FOUND", `${formatUsbId(device)} is not a known adapter`);
}
