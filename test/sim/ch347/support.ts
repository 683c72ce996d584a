import { type Ch347Bridge, openCh347 } from "../../../src/bridge/ch347/driver.js";
import { type CardOptions, openCard, type SdCard } from "../../../src/card/sd-card.js";
import { createSpiModeBus } from "../../../src/card/spi-mode/spi-mode-bus.js";
import { MemoryFlash } from "../../../src/sim/card/flash.js";
import { createCardModel, type SdCardModel } from "../../../src/sim/card/model.js";
import type { CardModelOptions } from "../../../src/sim/card/options.js";
import {
  type Ch347Model,
  type Ch347ModelOptions,
  createCh347Model,
} from "../../../src/sim/ch347/model.js";
import { SimClock } from "../../../src/sim/clock.js";
import type { SpiDevice } from "../../../src/sim/spi-device.js";
import type { UsbTransport } from "../../../src/transport/types.js";
import type { Clock } from "../../../src/util/clock.js";
import { BENCH_CARD } from "../../support/bench-card.js";

const SECTORS = 131_072;
/** The chip's slowest clock: the card bears it. */
const SLOWEST_HZ = 468_750;

export interface CardRig {
  readonly clock: SimClock;
  readonly model: Ch347Model;
  readonly card: SdCardModel;
}

export interface RigOptions {
  readonly chip?: Partial<Ch347ModelOptions>;
  readonly card?: Partial<CardModelOptions>;
  readonly wire?: (card: SpiDevice) => SpiDevice;
}

/** A CH347 with a 64 MiB card on its pins. */
export function cardRig({ chip, card: options, wire = (spi) => spi }: RigOptions = {}): CardRig {
  const clock = new SimClock();
  const card = createCardModel(new MemoryFlash(SECTORS), {
    ...BENCH_CARD,
    maxIdentificationHz: SLOWEST_HZ,
    ...options,
  });
  return { clock, card, model: createCh347Model({ spi: wire(card), ...chip, clock }) };
}

/** Opens bridge and card over any transport; nothing stays open if that fails. */
export async function openOver(
  transport: UsbTransport,
  clock: Clock,
  options: CardOptions = {},
): Promise<{ bridge: Ch347Bridge; device: SdCard }> {
  const bridge = await openCh347({ transport, clock });
  const bus = createSpiModeBus({ bridge, clock });
  try {
    return { bridge, device: await openCard({ bus, clock, options }) };
  } catch (error) {
    await bus.close().catch(() => undefined);
    throw error;
  }
}
