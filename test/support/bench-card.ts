import type { CardModelOptions } from "../../src/sim/card/options.js";

/** The bench card of all gates. */
export const BENCH_CARD: Partial<CardModelOptions> = {
  kind: "sdhc",
  ncr: 1,
  nac: { bytes: 8 },
  gap: 1,
  dataResponseDelay: 0,
  busy: { bytes: 14 },
  stopBusy: { bytes: 8 },
};

/** Bytes that repeat at no border of a packet or a block. */
export function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => (at * 7 + (at >> 8) * 13 + 1) & 0xff);
}
