import type { SpiItem } from "./spi-log.js";

/** The four wires, as bits. */
export const WIRE = { cs: 1, clk: 2, mosi: 4, miso: 8 } as const;

/** Levels that stay for a number of ticks, at least 1. */
export interface Run {
  /** Bits of {@link WIRE} that are high. */
  readonly levels: number;
  readonly ticks: number;
}

export interface WaveOptions {
  readonly tickUs: number;
  /** Longer silences are shortened to this: nobody wants to load them. */
  readonly longestSilenceUs: number;
}

/** Nothing happens yet. */
const IDLE = WIRE.cs | WIRE.mosi | WIRE.miso;
const LEAD_TICKS = 100;
const GAP_TICKS = 2;

/**
 * SPI traffic as levels of its wires, in order: mode 0, data change at the falling edge of the clock and hold over the rising one.
 * MISO that the host did not read is high. Each array is one item, or what is around them.
 */
export function* waveOf(items: readonly SpiItem[], options: WaveOptions): Generator<Run[]> {
  const wave = new Wave(options);
  yield [{ levels: IDLE, ticks: LEAD_TICKS }];
  for (const item of items) yield wave.item(item);
  yield wave.end();
}

class Wave {
  readonly #options: WaveOptions;
  #levels: number = IDLE;
  #lastUs = 0;

  constructor(options: WaveOptions) {
    this.#options = options;
  }

  item(item: SpiItem): Run[] {
    const silence = this.#silenceUntil(item.atUs);
    this.#lastUs = Math.max(this.#lastUs, item.atUs);
    if (item.kind === "bytes") return [silence, ...this.#bytes(item)];
    this.#levels = item.level === "high" ? this.#levels | WIRE.cs : this.#levels & ~WIRE.cs;
    return [silence, { levels: this.#levels, ticks: GAP_TICKS }];
  }

  end(): Run[] {
    return [{ levels: this.#levels, ticks: LEAD_TICKS }];
  }

  #silenceUntil(atUs: number): Run {
    const { tickUs, longestSilenceUs } = this.#options;
    const silenceUs = Math.min(longestSilenceUs, Math.max(0, atUs - this.#lastUs));
    return { levels: this.#levels, ticks: Math.max(GAP_TICKS, Math.round(silenceUs / tickUs)) };
  }

  #bytes({ mosi, miso, usPerByte, atUs }: Extract<SpiItem, { kind: "bytes" }>): Run[] {
    const ticks = Math.max(1, Math.round(usPerByte / 16 / this.#options.tickUs));
    const runs: Run[] = [];
    const cs = this.#levels & WIRE.cs;
    for (let at = 0; at < mosi.length; at++) {
      for (let bit = 7; bit >= 0; bit--) {
        const out = ((mosi[at] as number) >> bit) & 1 ? WIRE.mosi : 0;
        const low = cs | out | (((miso[at] as number) >> bit) & 1 ? WIRE.miso : 0);
        runs.push({ levels: low, ticks }, { levels: low | WIRE.clk, ticks });
      }
    }
    this.#levels = (runs.at(-1)?.levels ?? this.#levels) & ~WIRE.clk;
    this.#lastUs = atUs + mosi.length * usPerByte;
    return runs;
  }
}
