import { readFileSync } from "node:fs";
import { unzipSync } from "fflate";

/** A sigrok capture: logic samples, one byte each, with the bit of every channel. */
export interface SigrokCapture {
  readonly samples: Uint8Array;
  readonly channels: Readonly<Record<string, number>>;
}

/** Reads a `.sr` file: a zip with `metadata` and `logic-1` (version 1) or `logic-1-1`, `logic-1-2`, ... (version 2). */
export function readSigrok(path: string): SigrokCapture {
  const entries = unzipSync(readFileSync(path));
  const metadata = Buffer.from(entries["metadata"] ?? []).toString("utf8");
  const channels: Record<string, number> = {};
  for (const [, number, name] of metadata.matchAll(/^probe(\d+)\s*=\s*(\S+)/gm))
    channels[name as string] = Number(number) - 1;
  const parts = Object.keys(entries)
    .filter((name) => name.startsWith("logic-1"))
    .sort((a, b) => Number(a.split("-")[2] ?? 0) - Number(b.split("-")[2] ?? 0));
  return { samples: Buffer.concat(parts.map((name) => entries[name] as Uint8Array)), channels };
}

/** Bytes of one CS frame. */
export interface SpiFrame {
  readonly start: number;
  readonly end: number | null;
  readonly mosi: Uint8Array;
  readonly miso: Uint8Array;
  readonly strayBits: number;
}

type Lines = Readonly<Record<"clk" | "mosi" | "miso" | "cs", string>>;

/** Samples SPI mode 0: bits at the rising edge of the clock while CS is low. */
export function sampleSpi({ samples, channels }: SigrokCapture, map: Lines): SpiFrame[] {
  const bit = (name: string): number => 1 << (channels[name] ?? 0);
  const sampler = new Sampler({
    clk: bit(map.clk),
    mosi: bit(map.mosi),
    miso: bit(map.miso),
    cs: bit(map.cs),
  });
  let before = 0xff;
  for (let at = 0; at < samples.length; at++) {
    const now = samples[at] as number;
    if (now !== before) sampler.change(now, before, at);
    before = now;
  }
  sampler.close(null);
  return sampler.frames;
}

class Sampler {
  readonly frames: SpiFrame[] = [];
  readonly #mask: Readonly<Record<"clk" | "mosi" | "miso" | "cs", number>>;
  #start = -1;
  #mosi: number[] = [];
  #miso: number[] = [];
  #bits = 0;
  #out = 0;
  #in = 0;

  constructor(mask: Readonly<Record<"clk" | "mosi" | "miso" | "cs", number>>) {
    this.#mask = mask;
  }

  change(now: number, before: number, at: number): void {
    const { clk, cs } = this.#mask;
    const selected = (now & cs) === 0;
    if (selected && this.#start < 0) this.#start = at;
    if (!selected) this.close(at);
    else if ((now & clk) !== 0 && (before & clk) === 0) this.#edge(now);
  }

  #edge(now: number): void {
    this.#out = ((this.#out << 1) | ((now & this.#mask.mosi) === 0 ? 0 : 1)) & 0xff;
    this.#in = ((this.#in << 1) | ((now & this.#mask.miso) === 0 ? 0 : 1)) & 0xff;
    if (++this.#bits < 8) return;
    this.#mosi.push(this.#out);
    this.#miso.push(this.#in);
    this.#bits = 0;
  }

  close(end: number | null): void {
    if (this.#start < 0) return;
    const [mosi, miso] = [Uint8Array.from(this.#mosi), Uint8Array.from(this.#miso)];
    this.frames.push({ start: this.#start, end, mosi, miso, strayBits: this.#bits });
    this.#start = -1;
    this.#mosi = [];
    this.#miso = [];
    this.#bits = 0;
  }
}
