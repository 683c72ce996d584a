import { type Mcp2210Bridge, openMcp2210 } from "../../../src/bridge/mcp2210/driver.js";
import { openCard, type SdCard } from "../../../src/card/sd-card.js";
import { createSpiModeBus } from "../../../src/card/spi-mode/spi-mode-bus.js";
import { MemoryFlash } from "../../../src/sim/card/flash.js";
import { createCardModel } from "../../../src/sim/card/model.js";
import type { CardModelOptions } from "../../../src/sim/card/options.js";
import { SimClock } from "../../../src/sim/clock.js";
import {
  createMcp2210Model,
  type Mcp2210Model,
  type Mcp2210ModelOptions,
} from "../../../src/sim/mcp2210/model.js";
import type { HidTransport } from "../../../src/transport/types.js";

/** The bench card of every gate, behind this adapter. */
export const BENCH_CARD: Partial<CardModelOptions> = {
  kind: "sdhc",
  ncr: 1,
  nac: { bytes: 8 },
  gap: 1,
  dataResponseDelay: 0,
  busy: { bytes: 14 },
  stopBusy: { bytes: 8 },
};
const SECTORS = 131_072;

export interface CardBench {
  readonly clock: SimClock;
  readonly model: Mcp2210Model;
  readonly cardModel: ReturnType<typeof createCardModel>;
  readonly flash: MemoryFlash;
}

export function cardBench(
  options: Partial<Mcp2210ModelOptions> = {},
  card: Partial<CardModelOptions> = {},
): CardBench {
  const clock = new SimClock();
  const flash = new MemoryFlash(SECTORS);
  const cardModel = createCardModel(flash, { ...BENCH_CARD, ...card });
  const model = createMcp2210Model({ spi: cardModel, ...options, clock });
  return { clock, model, cardModel, flash };
}

/** Driver and card layer over the model; the card's own bridge closes all. */
export async function openBenchCard(
  { clock, model }: CardBench,
  wrap: (transport: HidTransport) => HidTransport = (same) => same,
): Promise<{ readonly bridge: Mcp2210Bridge; readonly card: SdCard }> {
  const bridge = await openMcp2210({ transport: wrap(model.transport()), clock });
  const bus = createSpiModeBus({ bridge, clock });
  try {
    return { bridge, card: await openCard({ bus, clock }) };
  } catch (error) {
    await bus.close().catch(() => undefined);
    throw error;
  }
}

/** Bytes that repeat at no report's border. */
export function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => (at * 7 + (at >> 8) * 13 + 1) & 0xff);
}
