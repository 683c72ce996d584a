import { ANY_ADAPTER, type DeviceSpec, parseDeviceSpec } from "./spec.js";
import type { AdapterInventory, OpenedDevice, OpenOptions } from "./types.js";

/**
 * Opens what a device string names; without one, the only adapter that is plugged in. Loads the code of that kind of device only: images and
 * simulators work where no USB library is installed.
 * @throws UsageError for a malformed string, and what the kind of device throws
 */
export async function openDevice(
  text: string | undefined,
  options: OpenOptions,
): Promise<OpenedDevice> {
  if (text !== undefined) return openSpec(parseDeviceSpec(text), options);
  const { openAdapter } = await import("./adapters/adapters.js");
  return openAdapter(ANY_ADAPTER, options);
}

/**
 * The adapters that are plugged in, also those that cannot be opened or used, each with the reason. Claims nothing, detaches no driver.
 * Works where native packages cannot be loaded, and says which.
 */
export async function listAdapters(): Promise<AdapterInventory> {
  return (await import("./adapters/adapters.js")).listAdapters();
}

async function openSpec(spec: DeviceSpec, options: OpenOptions): Promise<OpenedDevice> {
  switch (spec.kind) {
    case "image":
      return (await import("./image.js")).openImageDevice(spec.path, options);
    case "replay":
      return (await import("./replay.js")).openReplay(spec.path, options);
    case "sim":
      return (await import("./sim.js")).openSim(spec, options);
    case "sim-socket":
      return (await import("./sim.js")).openSimSocket(spec.path, options);
    case "adapter":
      return (await import("./adapters/adapters.js")).openAdapter(spec, options);
  }
}
