import { type CardOptions, openCard, type SdCard } from "../../src/card/sd-card.js";
import { FakeCardBus, type FakeRule } from "../support/fake-card-bus.js";
import type { FakeCard } from "../support/fake-cards.js";

/** Blocks whose content tells their number and a seed. */
export function pattern(lba: number, count: number, seed = 0): Uint8Array {
  return Uint8Array.from({ length: count * 512 }, (_, at) => {
    const block = lba + Math.floor(at / 512);
    return (block * 7 + at * 13 + (at >> 8) + seed) & 0xff;
  });
}

export interface CardBench {
  readonly bus: FakeCardBus;
  readonly card: SdCard;
}

/** An opened card on a fake bus; the rules begin behind the identification, whose calls are forgotten. */
export async function cardBench(
  fake: FakeCard,
  rules: readonly FakeRule[] = [],
  options: CardOptions = {},
): Promise<CardBench> {
  const bus = new FakeCardBus(fake);
  const card = await openCard({ bus, clock: bus.clock, options });
  bus.forget().rule(...rules);
  return { bus, card };
}

/** What the card holds, as one array. */
export function contents(bus: FakeCardBus, lba: number, count: number): Uint8Array {
  const bytes = new Uint8Array(count * 512);
  for (let index = 0; index < count; index++) {
    const block = bus.memory.get(lba + index);
    if (block !== undefined) bytes.set(block, index * 512);
  }
  return bytes;
}
