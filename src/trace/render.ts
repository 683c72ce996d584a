import { describeCardEvent } from "../card/decoder.js";
import type { Cassette } from "../transport/cassette.js";
import { UsageError } from "../util/errors.js";
import { decodeCard } from "./card-log.js";
import { decodeCassette } from "./chips.js";
import { describeUsb, hexOf } from "./describe.js";

/** How deep a recording is decoded. */
export const TRACE_LEVELS = ["usb", "chip", "spi", "card"] as const;
export type TraceLevel = (typeof TRACE_LEVELS)[number];

/** One thing that happened, in words. */
export interface TraceLine {
  /** µs since the start of the recording. */
  readonly atUs: number;
  readonly text: string;
}

/** @throws UsageError */
export function parseTraceLevel(text: string): TraceLevel {
  const level = TRACE_LEVELS.find((one) => one === text);
  if (level !== undefined) return level;
  throw new UsageError(`'${text}' is no level of a trace`, {
    hint: `it is one of ${TRACE_LEVELS.join(", ")}`,
  });
}

/** A recording as lines. */
export function renderTrace(cassette: Cassette, level: TraceLevel): TraceLine[] {
  if (level === "usb")
    return cassette.events.map((event) => ({ atUs: event.atUs, text: describeUsb(event) }));
  const log = decodeCassette(cassette);
  if (level === "chip") return [...log.chip];
  if (level === "card")
    return decodeCard(log.spi).map(({ atUs, event }) => ({ atUs, text: describeCardEvent(event) }));
  return log.spi.map((item) => ({
    atUs: item.atUs,
    text:
      item.kind === "cs"
        ? `CS ${item.level}`
        : `${item.selected ? "" : "(CS high) "}MOSI ${hexOf(item.mosi)} MISO ${hexOf(item.miso)}`,
  }));
}
