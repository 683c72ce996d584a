import type { SpiItem } from "./spi-log.js";
import { WIRE, waveOf } from "./wave.js";
import { type ZipEntry, zipOf } from "./zip.js";

/** Channels in the order of their bits in a sample. */
const CHANNELS = Object.keys(WIRE);
/** Samples of one entry, as sigrok's own writer cuts them. */
const ENTRY_SAMPLES = 4 * 1024 * 1024;
const LONGEST_SILENCE_US = 100;
/** If nothing was clocked. */
const DEFAULT_US_PER_BYTE = 8;
const SAMPLES_PER_BIT = 2;
/** Rates are told in whole Hz; more than this no analyser samples. */
const MOST_HZ = 1e9;

/**
 * SPI traffic as a sigrok session file, version 2 (sigrok wiki, File format:Sigrok/v2), in pieces: logic samples at twice the fastest clock of
 * the recording, silences cut to 0.1 ms.
 * @throws UsageError if it becomes larger than 4 GiB
 */
export function* exportSigrok(items: readonly SpiItem[]): Generator<Uint8Array> {
  const hz = sampleRateOf(items);
  yield* zipOf(entriesOf(items, hz));
}

function sampleRateOf(items: readonly SpiItem[]): number {
  let fastest = DEFAULT_US_PER_BYTE;
  for (const item of items)
    if (item.kind === "bytes" && item.usPerByte > 0) fastest = Math.min(fastest, item.usPerByte);
  return Math.min(MOST_HZ, Math.round((SAMPLES_PER_BIT * 8e6) / fastest));
}

function* entriesOf(items: readonly SpiItem[], hz: number): Generator<ZipEntry> {
  yield { name: "version", data: Buffer.from("2") };
  yield { name: "metadata", data: Buffer.from(metadata(hz)) };
  let number = 0;
  for (const data of chunksOf(items, 1e6 / hz)) yield { name: `logic-1-${++number}`, data };
}

function metadata(hz: number): string {
  const probes = CHANNELS.map((name, at) => `probe${at + 1}=${name}\n`).join("");
  return `[global]
sigrok version=0.5.2

[device 1]
capturefile=logic-1
total probes=${CHANNELS.length}
samplerate=${hz} Hz
total analog=0
${probes}unitsize=1
`;
}

function* chunksOf(items: readonly SpiItem[], tickUs: number): Generator<Uint8Array> {
  let chunk = new Uint8Array(ENTRY_SAMPLES);
  let filled = 0;
  for (const runs of waveOf(items, { tickUs, longestSilenceUs: LONGEST_SILENCE_US })) {
    for (const { levels, ticks } of runs) {
      for (let left = ticks; left > 0; ) {
        const count = Math.min(left, ENTRY_SAMPLES - filled);
        chunk.fill(levels, filled, filled + count);
        filled += count;
        left -= count;
        if (filled < ENTRY_SAMPLES) continue;
        yield chunk;
        chunk = new Uint8Array(ENTRY_SAMPLES);
        filled = 0;
      }
    }
  }
  if (filled > 0) yield chunk.subarray(0, filled);
}
