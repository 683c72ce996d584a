import type { SdCardModel } from "../sim/card/model.js";
import { type FirmwareProcess, startFirmware } from "../sim/firmware/process.js";
import { type Clock, RealClock } from "../util/clock.js";
import { nativeFirmware } from "./firmware/native.js";
import { openSimCard } from "./sim-bench.js";
import type { SimOptions } from "./sim-options.js";

/** The project's own firmware in a process of its own, with a card model over an image file. */
export interface FirmwareBench {
  readonly firmware: FirmwareProcess;
  readonly card: SdCardModel;
  readonly clock: Clock;
  close(): Promise<void>;
}

export interface FirmwareBenchOptions {
  readonly path: string;
  readonly sim: SimOptions;
  readonly readOnly: boolean;
  /** Where the firmware may be: folders of its sources, or programs. */
  readonly places: readonly string[];
}

/** @throws TransportError TRANSPORT_NOT_FOUND without the program; what {@link openSimCard} throws */
export async function openFirmwareBench(options: FirmwareBenchOptions): Promise<FirmwareBench> {
  const { path, sim, readOnly, places } = options;
  const program = await nativeFirmware(sim.firmware === undefined ? places : [sim.firmware]);
  const clock = new RealClock();
  const simCard = await openSimCard({ path, sim, readOnly });
  try {
    const firmware = await startFirmware({
      program,
      args: sim.window === undefined ? [] : ["--window", String(sim.window)],
      clock,
      spi: simCard.spi,
      power: (on) => on && simCard.card.powerCycle(),
      ...(sim.serialNumber === undefined ? {} : { serialNumber: sim.serialNumber }),
    });
    const close = (): Promise<void> => firmware.close().finally(() => simCard.close());
    return { firmware, card: simCard.card, clock, close };
  } catch (error) {
    await simCard.close();
    throw error;
  }
}
