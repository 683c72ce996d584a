import type { SpiItem } from "./spi-log.js";

/** One tick of the file, in µs: 10 ns. A tool that makes a sample of each tick can still read seconds of it. */
const TICK_US = 0.01;
/** Longer silences are shortened: nobody wants to load them. */
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
#0
1!
0"
1#
1$
`;

/** SPI traffic as a Value Change Dump (IEEE 1364-2001 chapter 18), in pieces. Data change at the falling edge of the clock and hold over the rising one. */
export function* exportVcd(items: readonly SpiItem[]): Generator<string> {
  yield HEADER;
  const writer = new VcdWriter();
  for (const item of items) {
    writer.moveTo(item.atUs);
    if (item.kind === "cs") yield writer.chipSelect(item.level);
    else yield writer.bytes(item);
  }
  yield writer.end();
}

class VcdWriter {
  #tick = 100;
  #lastUs = 0;
  #mosi = 1;
  #miso = 1;

  moveTo(atUs: number): void {
    const silence = Math.min(LONGEST_SILENCE_US, Math.max(0, atUs - this.#lastUs));
    this.#tick += Math.max(2, Math.round(silence / TICK_US));
    this.#lastUs = Math.max(this.#lastUs, atUs);
  }

  chipSelect(level: "high" | "low"): string {
    const at = this.#tick;
    this.#tick += 2;
    return `#${at}\n${level === "high" ? 1 : 0}!\n`;
  }

  bytes({ mosi, miso, usPerByte, atUs }: Extract<SpiItem, { kind: "bytes" }>): string {
    const half = Math.max(1, Math.round(usPerByte / 16 / TICK_US));
    const lines: string[] = [];
    for (let at = 0; at < mosi.length; at++) {
      for (let bit = 7; bit >= 0; bit--)
        this.#bit(
          lines,
          ((mosi[at] as number) >> bit) & 1,
          ((miso[at] as number) >> bit) & 1,
          half,
        );
    }
    this.#lastUs = atUs + mosi.length * usPerByte;
    lines.push(`#${this.#tick}\n0"\n`);
    return lines.join("");
  }

  #bit(lines: string[], mosi: number, miso: number, half: number): void {
    const changes = `${mosi === this.#mosi ? "" : `${mosi}#\n`}${miso === this.#miso ? "" : `${miso}$\n`}`;
    lines.push(`#${this.#tick}\n0"\n${changes}#${this.#tick + half}\n1"\n`);
    this.#mosi = mosi;
    this.#miso = miso;
    this.#tick += 2 * half;
  }

  end(): string {
    return `#${this.#tick}\n0"\n#${this.#tick + 100}\n`;
  }
}
