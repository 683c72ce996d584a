import { basename } from "node:path";
import { openHid } from "../../transport/hid.js";
import { type HidListing, listHid } from "../../transport/hid-list.js";
import { loadHid } from "../../transport/hid-module.js";
import { nodeAccess } from "../../transport/node-access.js";
import { openSerial } from "../../transport/serial.js";
import { listSerial, type SerialListing } from "../../transport/serial-list.js";
import { loadSerial } from "../../transport/serial-module.js";
import type { AdapterSpec } from "../spec.js";
import { SERPROG_DATA } from "./data-others.js";
import { type BenchDeps, describeDevice, type FoundAdapter, usbIdOf, type Way } from "./found.js";

/** What a port of a USB board does not care about, and a UART has to be told. */
const DEFAULT_BAUD = 115_200;

/** Adapters that are HID devices: MCP2210. */
export function hidWay(deps: BenchDeps): Way {
  const isOurs = (ids: { vendorId: number; productId: number }): boolean =>
    usbIdOf(ids)?.adapter.transport === "hid";
  return {
    packageName: "node-hid",
    load: deps.loadHid ?? loadHid,
    list: async () =>
      (await listHid(isOurs, deps)).flatMap((listing) => describeHid(listing, deps)),
    refused: async () => [],
  };
}

function describeHid({ device, access }: HidListing, deps: BenchDeps): FoundAdapter[] {
  const known = usbIdOf(device);
  if (known === undefined) return [];
  return [
    {
      ...known,
      chip: known.adapter.chip,
      text: describeDevice(known.id.name, device),
      serialNumber: device.serialNumber,
      portPath: device.portPath,
      node: device.path,
      access: access === "ok" ? "ok" : "denied",
      kernelDriver: "usbhid",
      lockName: `usb:${device.portPath}`,
      driver: () => ({ finding: "usbhid is bound to it, as it has to be" }),
      open: async (clock, log) => ({
        kind: "hid",
        transport: await openHid({
          device,
          clock,
          log,
          ...(deps.loadHid === undefined ? {} : { load: deps.loadHid }),
        }),
      }),
    },
  ];
}

/** Boards with serprog firmware: a port by its path, or the only one with the ids of such a board. */
export function serialWay(deps: BenchDeps): Way {
  return {
    packageName: "serialport",
    load: deps.loadSerial ?? loadSerial,
    list: (spec) => listPorts(spec, deps),
    refused: async ({ path }) =>
      path === undefined
        ? (await listSerial(deps)).map(({ port }) => ({
            text: `${describeDevice("a serial port", port)} may have a programmer behind it`,
            fix: `name it: -d serprog:${port.path}`,
          }))
        : [],
  };
}

async function listPorts(spec: AdapterSpec, deps: BenchDeps): Promise<readonly FoundAdapter[]> {
  const listings = await listSerial(deps);
  const { path } = spec;
  if (path === undefined)
    return listings
      .filter(({ port }) => usbIdOf(port)?.adapter.transport === "serial")
      .map((listing) => describePort(listing, spec, deps));
  const listed = listings.find(({ port }) => port.path === path);
  if (listed !== undefined) return [describePort(listed, spec, deps)];
  // A UART of the machine, a pty, or a link by another name.
  const access = await nodeAccess(path);
  return access === "missing" ? [] : [describePort({ port: { path }, access }, spec, deps)];
}

function describePort(
  { port, driver, access }: SerialListing,
  spec: AdapterSpec,
  deps: BenchDeps,
): FoundAdapter {
  const known = usbIdOf(port);
  const isKnown = known?.adapter.transport === "serial";
  return {
    adapter: SERPROG_DATA,
    id: isKnown ? known.id : undefined,
    chip: SERPROG_DATA.chip,
    text: describeDevice(port.product ?? "serial port", port),
    serialNumber: port.serialNumber,
    portPath: port.portPath,
    node: port.path,
    access: access === "ok" ? "ok" : "denied",
    kernelDriver: driver,
    lockName: `serial:${basename(port.path)}`,
    driver: () => ({
      finding: driver === undefined ? "a serial port" : `${driver} is bound to it, as it has to be`,
    }),
    open: async (clock, log) => ({
      kind: "serial",
      transport: await openSerial({
        path: port.path,
        port,
        baudRate: spec.baudRate ?? DEFAULT_BAUD,
        clock,
        log,
        ...(deps.loadSerial === undefined ? {} : { load: deps.loadSerial }),
      }),
    }),
  };
}
