import { openPlainSerprog, type SerprogBridge } from "../../../src/bridge/serprog/driver.js";
import { openCard, type SdCard } from "../../../src/card/sd-card.js";
import { createSpiModeBus } from "../../../src/card/spi-mode/spi-mode-bus.js";
import { MemoryFlash } from "../../../src/sim/card/flash.js";
import { createCardModel, type SdCardModel } from "../../../src/sim/card/model.js";
import type { CardModelOptions } from "../../../src/sim/card/options.js";
import { SimClock } from "../../../src/sim/clock.js";
import {
  createSerprogModel,
  type SerprogModel,
  type SerprogModelOptions,
} from "../../../src/sim/serprog/model.js";

export interface Bench {
  readonly clock: SimClock;
  readonly card: SdCardModel;
  readonly model: SerprogModel;
}

export type BenchOptions = Partial<SerprogModelOptions> & {
  readonly card?: Partial<CardModelOptions>;
};

/** A board with a 64 MiB card behind it. */
export function bench({ card = {}, ...options }: BenchOptions = {}): Bench {
  const clock = new SimClock();
  const cardModel = createCardModel(new MemoryFlash(131_072), card);
  const model = createSerprogModel({ spi: cardModel, ...options, clock });
  return { clock, card: cardModel, model };
}

export function openBridge({ clock, model }: Bench, baudRate?: number): Promise<SerprogBridge> {
  const options = baudRate === undefined ? {} : { baudRate };
  return openPlainSerprog({ transport: model.transport(), clock, options });
}

/** The whole way: port, driver, card. */
export async function openOn(bench: Bench, baudRate?: number): Promise<SdCard> {
  const bridge = await openBridge(bench, baudRate);
  const bus = createSpiModeBus({ bridge, clock: bench.clock });
  try {
    return await openCard({ bus, clock: bench.clock });
  } catch (error) {
    await bus.close();
    throw error;
  }
}

export function pattern(length: number, seed = 1): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => (at * 13 + (at >> 9) * 7 + seed) & 0xff);
}

export function codeOf(error: unknown): string {
  return typeof error === "object" && error !== null && "code" in error
    ? String(error.code)
    : String(error);
}
