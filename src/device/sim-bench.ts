import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { openImage } from "../block/image.js";
import { BadWire } from "../sim/bad-wire.js";
import { FileFlash } from "../sim/card/flash.js";
import { createCardModel, type SdCardModel } from "../sim/card/model.js";
import type { SpiDevice } from "../sim/spi-device.js";
import { type Clock, RealClock } from "../util/clock.js";
import { acquireLock } from "../util/lock.js";
import { createSimModel, type SimModel } from "./sim-adapter.js";
import type { SimOptions } from "./sim-options.js";

/** A chip model with a card model behind it, over an image file. */
export interface SimBench {
  readonly adapter: SimModel;
  readonly card: SdCardModel;
  close(): Promise<void>;
}

export interface SimCardOptions {
  readonly path: string;
  readonly sim: SimOptions;
  readonly readOnly: boolean;
}

export interface SimBenchOptions extends SimCardOptions {
  readonly clock: Clock;
  /** A round trip of the transport, where the options do not say; absent: the chip's usual one. */
  readonly roundTripUs?: number;
}

/** A card model over an image file, and what an adapter sees of it. */
export interface SimCard {
  readonly card: SdCardModel;
  readonly spi: SpiDevice;
  close(): Promise<void>;
}

/** @throws BlockError if the image is missing or unfit; LockedError if another process has it; UsageError if no such card has that size */
export async function openSimBench(options: SimBenchOptions): Promise<SimBench> {
  const { sim, clock, roundTripUs } = options;
  const { card, spi, close } = await openSimCard(options);
  try {
    const adapter = createSimModel(sim, {
      clock,
      spi,
      ...(roundTripUs === undefined ? {} : { roundTripUs }),
    });
    if (sim.unplugAt !== undefined) adapter.model.unplug(sim.unplugAt);
    return { adapter, card, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** @throws as {@link openSimBench} */
export async function openSimCard(options: SimCardOptions): Promise<SimCard> {
  const { path, sim, readOnly } = options;
  await prepareImage(options);
  const lock = readOnly
    ? undefined
    : await acquireLock(`${resolve(path)}.lock`, `the image ${path}`);
  try {
    const flash = new FileFlash(path, { readOnly });
    const card = createCardModel(flash, sim.card);
    if (sim.cut?.at === "byte") card.cutPowerAt(sim.cut.number, sim.cut.state);
    if (sim.cut?.at === "write") card.cutPowerAtWrite(sim.cut.number, sim.cut.state);
    const isWireBad = sim.miso !== undefined || sim.cleanHz !== undefined;
    const close = async (): Promise<void> => {
      flash.close();
      await lock?.release();
    };
    return { card, spi: isWireBad ? new BadWire(card, sim) : card, close };
  } catch (error) {
    await lock?.release();
    throw error;
  }
}

/** The image is checked (and made, with `create=`) as any other image, so that its errors are the same. */
async function prepareImage({ path, sim, readOnly }: SimCardOptions): Promise<void> {
  const clock = new RealClock();
  const create = sim.createBytes !== undefined && !existsSync(path);
  const checked = await openImage(path, {
    readOnly: readOnly && !create,
    clock,
    ...(sim.createBytes === undefined ? {} : { createBytes: sim.createBytes }),
  });
  await checked.close();
}
