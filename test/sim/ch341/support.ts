import {
  type Ch341Bridge,
  type Ch341Options,
  openCh341,
} from "../../../src/bridge/ch341/driver.js";
import { openCard, type SdCard } from "../../../src/card/sd-card.js";
import { createSpiModeBus } from "../../../src/card/spi-mode/spi-mode-bus.js";
import { MemoryFlash } from "../../../src/sim/card/flash.js";
import { createCardModel, type SdCardModel } from "../../../src/sim/card/model.js";
import type { CardModelOptions } from "../../../src/sim/card/options.js";
import {
  type Ch341Model,
  type Ch341ModelOptions,
  createCh341Model,
} from "../../../src/sim/ch341/model.js";
import { SimClock } from "../../../src/sim/clock.js";
import type { SpiDevice } from "../../../src/sim/spi-device.js";
import type { UsbTransport } from "../../../src/transport/types.js";
import type { Clock } from "../../../src/util/clock.js";
import { BENCH_CARD } from "../../support/bench-card.js";

export { BENCH_CARD, pattern } from "../../support/bench-card.js";

const SECTORS = 131_072;

export interface CardRig {
  readonly clock: SimClock;
  readonly model: Ch341Model;
  readonly card: SdCardModel;
}

export interface RigOptions {
  readonly chip?: Partial<Ch341ModelOptions>;
  readonly card?: Partial<CardModelOptions>;
  readonly wire?: (card: SpiDevice) => SpiDevice;
}

/** A CH341A with a 64 MiB card on its pins. */
export function cardRig({ chip, card: options, wire = (spi) => spi }: RigOptions = {}): CardRig {
  const clock = new SimClock();
  const card = createCardModel(new MemoryFlash(SECTORS), { ...BENCH_CARD, ...options });
  return { clock, card, model: createCh341Model({ spi: wire(card), ...chip, clock }) };
}

/** Opens bridge and card over any transport. */
export async function openOver(
  transport: UsbTransport,
  clock: Clock,
  options: Ch341Options = {},
): Promise<{ bridge: Ch341Bridge; device: SdCard }> {
  const bridge = await openCh341({ transport, clock, options });
  const bus = createSpiModeBus({ bridge, clock });
  return { bridge, device: await openCard({ bus, clock }) };
}

export function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "done",
    (error: { readonly code?: string }) => error.code ?? String(error),
  );
}
