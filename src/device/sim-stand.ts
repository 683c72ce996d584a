import { SimClock } from "../sim/clock.js";
import type { BridgeFamily } from "../transport/cassette.js";
import { type Clock, RealClock } from "../util/clock.js";
import type { BridgeSettings } from "./families.js";
import type { AdapterLink } from "./link.js";
import { linkOf, settingsOfSim } from "./sim-adapter.js";
import { openSimBench } from "./sim-bench.js";
import { openFirmwareBench } from "./sim-firmware.js";
import { parseSimOptions } from "./sim-options.js";
import type { DeviceSpec, SimOptionTexts } from "./spec.js";

/** What a `sim:` string names, ready to be claimed: a chip model, or own firmware in a process of its own. */
export interface SimStand {
  readonly family: BridgeFamily;
  readonly settings: BridgeSettings;
  /** Claims it. @throws TransportError TRANSPORT_BUSY while it is claimed */
  link(): AdapterLink;
  close(): Promise<void>;
}

export interface StandOptions {
  readonly spec: Extract<DeviceSpec, { kind: "sim" }>;
  readonly readOnly: boolean;
  readonly clock: Clock;
  /** Where own firmware may be. */
  readonly places: readonly string[];
}

/** Where own firmware is looked for, if nobody says. */
export const FIRMWARE_PLACES: readonly string[] = ["firmware"];

/** A process of its own knows no simulated time. */
export function clockOfSim(options: SimOptionTexts): Clock {
  const real = new RealClock();
  return isOwnFirmware(options) ? real : new SimClock(real.wallTime());
}

function isOwnFirmware(options: SimOptionTexts): boolean {
  return options["bridge"] === "mmcpstore";
}

/** @throws UsageError for unknown options; BlockError, LockedError for the image; TransportError without the firmware's program */
export async function openSimStand({
  spec,
  readOnly,
  clock,
  places,
}: StandOptions): Promise<SimStand> {
  const sim = parseSimOptions(spec.options);
  const { path } = spec;
  if (isOwnFirmware(spec.options)) {
    const { firmware, close } = await openFirmwareBench({ path, sim, readOnly, places });
    const link = (): AdapterLink => ({ kind: "serial", transport: firmware.transport() });
    return { family: "serprog", settings: {}, link, close };
  }
  const { adapter, close } = await openSimBench({ path, sim, readOnly, clock });
  const settings = settingsOfSim(sim);
  return { family: adapter.family, settings, link: () => linkOf(adapter), close };
}
