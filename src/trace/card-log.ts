import { CardDecoder, type CardEvent } from "../card/decoder.js";
import type { SpiItem } from "./spi-log.js";

/** A card event with its time in µs since the start of the recording. */
export interface TimedCardEvent {
  readonly atUs: number;
  readonly event: CardEvent;
}

/** What host and card said to each other, read off the SPI wires. */
export function decodeCard(items: readonly SpiItem[]): TimedCardEvent[] {
  const events: TimedCardEvent[] = [];
  const starts: { readonly byte: number; readonly atUs: number; readonly usPerByte: number }[] = [];
  const decoder = new CardDecoder((event) => {
    const start = starts.findLast(({ byte }) => byte <= event.at);
    events.push({
      atUs: start === undefined ? 0 : start.atUs + (event.at - start.byte) * start.usPerByte,
      event,
    });
  });
  let byte = 0;
  for (const item of items) {
    if (item.kind === "cs") {
      if (item.level === "high") decoder.deselect();
    } else if (item.selected) {
      starts.push({ byte, atUs: item.atUs, usPerByte: item.usPerByte });
      decoder.push(item.mosi, item.miso);
      byte += item.mosi.length;
    }
  }
  decoder.finish();
  return events;
}
