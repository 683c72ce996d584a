import type { SpiItem } from "./spi-log.js";
import { type Run, WIRE, waveOf } from "./wave.js";

/** One tick of the file, in µs: 10 ns. A tool that makes a sample of each tick can still read seconds of it. */
const TICK_US = 0.01;
const LONGEST_SILENCE_US = 2000;
const HEADER = `$comment SPI mode 0; MISO that the host did not read is shown high; silences are cut to 2 ms $end
$timescale 10 ns $end
$scope module spi $end
$var wire 1 ! cs $end
$var wire 1 " clk $end
$var wire 1 # mosi $end
$var wire 1 $ miso $end
$upscope $end
$enddefinitions $end
`;
const IDENTIFIERS = [
  ["!", WIRE.cs],
  ['"', WIRE.clk],
  ["#", WIRE.mosi],
  ["$", WIRE.miso],
] as const;
const EVERYTHING = WIRE.cs | WIRE.clk | WIRE.mosi | WIRE.miso;

/** SPI traffic as a Value Change Dump (IEEE 1364-2001 chapter 18), in pieces. */
export function* exportVcd(items: readonly SpiItem[]): Generator<string> {
  yield HEADER;
  const writer = new VcdWriter();
  const options = { tickUs: TICK_US, longestSilenceUs: LONGEST_SILENCE_US };
  for (const runs of waveOf(items, options)) yield writer.runs(runs);
  yield writer.end();
}

class VcdWriter {
  #tick = 0;
  /** Undefined before the first: then all levels are given. */
  #levels: number | undefined;

  runs(runs: readonly Run[]): string {
    const lines: string[] = [];
    for (const { levels, ticks } of runs) {
      const changed = this.#levels === undefined ? EVERYTHING : levels ^ this.#levels;
      if (changed !== 0) lines.push(`#${this.#tick}\n${valuesOf(levels, changed)}`);
      this.#levels = levels;
      this.#tick += ticks;
    }
    return lines.join("");
  }

  end(): string {
    return `#${this.#tick}\n`;
  }
}

function valuesOf(levels: number, changed: number): string {
  let text = "";
  for (const [identifier, wire] of IDENTIFIERS)
    if ((changed & wire) !== 0) text += `${(levels & wire) === 0 ? 0 : 1}${identifier}\n`;
  return text;
}
