import type { Ch347Model } from "../sim/ch347/model.js";
import {
  type ExportedDevice,
  exportCh341,
  exportCh347,
  exportFtdi,
  exportMcp2210,
  exportSerprog,
} from "../sim/usbip/exported-device.js";
import { serveUsbip } from "../sim/usbip/server.js";
import { RealClock } from "../util/clock.js";
import { UsageError } from "../util/errors.js";
import type { Log } from "../util/log.js";
import type { SimModel } from "./sim-adapter.js";
import { openSimBench, type SimBench } from "./sim-bench.js";
import { parseSimOptions, type SimOptions } from "./sim-options.js";
import { parseDeviceSpec } from "./spec.js";

export interface UsbipSimOptions {
  /** Device strings of simulators, in the order of their bus ids. */
  readonly devices: readonly string[];
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly readOnly: boolean;
  readonly log: Log;
}

/** A simulated adapter that any Linux with vhci_hcd can attach. */
export interface UsbipSimDevice {
  /** What to give to `usbip attach -b`. */
  readonly busid: string;
  /** The device string that it is made from. */
  readonly device: string;
  readonly vendorId: number;
  readonly productId: number;
  readonly serialNumber?: string;
}

export interface UsbipSim {
  readonly host: string;
  readonly port: number;
  readonly devices: readonly UsbipSimDevice[];
  close(): Promise<void>;
}

/** A simulator of the export list, opened. */
interface Exported {
  readonly device: string;
  readonly exported: ExportedDevice;
  readonly bench: SimBench;
}

/**
 * Exports simulators over USB/IP. Cards and engines live on between clients.
 * @throws UsageError for what is no simulator; LockedError if the port is taken; IoError; what the images throw
 */
export async function serveUsbipSim(options: UsbipSimOptions): Promise<UsbipSim> {
  const clock = new RealClock();
  const opened: Exported[] = [];
  const closeBenches = async (): Promise<void> => {
    for (const { bench } of opened) await bench.close();
  };
  try {
    for (const device of options.devices)
      opened.push(await openExported(device, options.readOnly, clock));
    const devices = opened.map(({ exported }) => exported);
    const server = await serveUsbip({ ...options, devices, clock });
    return {
      host: server.host,
      port: server.port,
      devices: opened.map((one, at) => describe(one, server.records[at]?.busid ?? "")),
      close: async () => {
        await server.close();
        await closeBenches();
      },
    };
  } catch (error) {
    await closeBenches();
    throw error;
  }
}

async function openExported(
  device: string,
  readOnly: boolean,
  clock: RealClock,
): Promise<Exported> {
  const spec = parseDeviceSpec(device);
  if (spec.kind !== "sim")
    throw new UsageError(`'${device}' is no simulated device`, {
      hint: "mmcpstore sim serve --usbip 3240 --bridge ft232h --card card.img",
    });
  const sim = parseSimOptions(spec.options);
  // Real timers are a millisecond at best: the connection itself is the round trip.
  const bench = await openSimBench({ path: spec.path, sim, readOnly, clock, roundTripUs: 0 });
  try {
    return { device, bench, exported: exportAdapter(bench.adapter, sim, clock) };
  } catch (error) {
    await bench.close();
    throw error;
  }
}

function exportAdapter(adapter: SimModel, sim: SimOptions, clock: RealClock): ExportedDevice {
  const { serialNumber } = sim;
  switch (adapter.family) {
    case "ftdi":
      return exportFtdi(adapter.model);
    case "ch341":
      return exportCh341(adapter.model);
    case "ch347":
      return exportCh347Of(adapter.model);
    case "mcp2210":
      return exportMcp2210(adapter.model, clock, serialNumber);
    case "serprog":
      return exportSerprog(adapter.model, clock, serialNumber);
  }
}

/** @throws UsageError in a mode without SPI: there are no descriptors of it to show */
function exportCh347Of(model: Ch347Model): ExportedDevice {
  const { part, device } = model;
  if (part === "ch347t" || part === "ch347f") return exportCh347(model, part, device.serialNumber);
  throw new UsageError("only a CH347T in mode 1 and a CH347F can be exported over USB/IP", {
    hint: "give bridge=ch347t or bridge=ch347f",
  });
}

function describe({ device, exported }: Exported, busid: string): UsbipSimDevice {
  const { vendorId, productId, serialNumber } = exported.table;
  const serial = serialNumber === undefined ? {} : { serialNumber };
  return { busid, device, vendorId, productId, ...serial };
}
