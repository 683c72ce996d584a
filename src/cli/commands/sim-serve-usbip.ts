import type { UsbipSim, UsbipSimDevice } from "../../device/serve-usbip.js";
import { UsageError } from "../../util/errors.js";
import { type Context, note, type VerbFlags, writeJson } from "../context.js";
import { openLog } from "../log.js";

const LOOPBACK = "127.0.0.1";
const MAX_PORT = 0xffff;
const DEFAULT_PORT = 3240;

/** `sim serve --usbip`: says where the devices are and how to attach them. */
export async function startUsbip(
  context: Context,
  address: string,
  flags: VerbFlags,
): Promise<{ close(): Promise<void> }> {
  const { serveUsbipSim } = await import("../../device/serve-usbip.js");
  const devices = simulators(context, flags);
  const { readOnly } = context.settings;
  const log = await openLog(context);
  const server = await serveUsbipSim({ ...parseAddress(address), devices, readOnly, log });
  await announce(context, server);
  return server;
}

function simulators(context: Context, flags: VerbFlags): string[] {
  const { bridge, card, export: exported } = flags;
  const several = Array.isArray(exported) ? exported.map((one) => `sim:${one}`) : [];
  const { device } = context.settings;
  const given = [several.length > 0, card !== undefined, device !== undefined];
  if (given.filter(Boolean).length !== 1 || (bridge !== undefined && card === undefined))
    throw new UsageError("give one of --card (with --bridge), --export and -d", {
      hint: "mmcpstore sim serve --usbip 3240 --bridge ft232h --card card.img",
    });
  if (card !== undefined) return [`sim:${card}${bridge === undefined ? "" : `?bridge=${bridge}`}`];
  return device === undefined ? several : [device];
}

/** `3240`, `127.0.0.1:3240`, `[::1]:3240` */
function parseAddress(text: string): { readonly host: string; readonly port: number } {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]:|([^:]+):)?(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (port <= MAX_PORT) return { host: bracketed ?? plain ?? LOOPBACK, port };
  throw new UsageError(`'${text}' is no [HOST:]PORT`, { hint: "--usbip 127.0.0.1:3240" });
}

async function announce(context: Context, server: UsbipSim): Promise<void> {
  const { host, port, devices } = server;
  if (context.settings.json) await writeJson(context, "usbip", { host, port, devices });
  const tool = port === DEFAULT_PORT ? "usbip" : `usbip --tcp-port ${port}`;
  for (const device of devices) {
    note(
      context,
      `${device.busid} is ${nameOf(device)}; attach it: ${tool} attach -r ${host} -b ${device.busid}`,
    );
  }
  if (host !== LOOPBACK && host !== "localhost" && host !== "::1")
    note(context, `warning: whoever reaches ${host}:${port} can use these devices`);
  note(context, `serving USB/IP on ${host}:${port}; Ctrl-C ends it`);
}

function nameOf({ device, vendorId, productId, serialNumber }: UsbipSimDevice): string {
  const hex = (value: number): string => value.toString(16).padStart(4, "0");
  const serial = serialNumber === undefined ? "" : ` ${serialNumber}`;
  return `${hex(vendorId)}:${hex(productId)}${serial} (${device})`;
}
