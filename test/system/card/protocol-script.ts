import type { SpiDevice } from "../../../src/sim/spi-device.js";
import { toHex } from "../../../src/util/bytes.js";
import { crc7, crc16 } from "../../../src/util/crc.js";

/** What a card answered, by step: responses and data blocks in hex, without the timing between them. */
export type Answers = ReadonlyMap<string, string>;
const US_PER_BYTE = 20;
const MOST_FILL = 3000;
/** Erasing takes the model 20 ms. */
const MOST_BUSY = 5000;

/** A host that knows the frames of SPI mode (SD Physical Layer 7.3) and nothing else. */
export class ProtocolHost {
  readonly answers: Map<string, string> = new Map();
  readonly #card: SpiDevice;
  #nowUs = 0;

  constructor(card: SpiDevice) {
    this.#card = card;
  }

  powerUp(): void {
    this.#card.setCs("high");
    this.#clock(new Uint8Array(20).fill(0xff));
  }

  /** One command with `extra` bytes behind R1, then blocks of the lengths given. */
  command(name: string, index: number, argument: number, extra = 0, blocks: number[] = []): string {
    this.#select();
    const r1 = this.#frame(index, argument);
    const parts = [toHex(Uint8Array.of(r1, ...this.#read(extra)))];
    if ((r1 & 0xfe) === 0) for (const length of blocks) parts.push(this.#block(length));
    if (blocks.length > 1) parts.push(`stop ${this.#stop()}`);
    this.#untilReady();
    this.#deselect();
    this.answers.set(name, parts.join(" "));
    return parts.join(" ");
  }

  /** CMD24 (one block) or CMD25 with its stop token. */
  write(name: string, index: 24 | 25, argument: number, blocks: readonly Uint8Array[]): void {
    this.#select();
    const parts = [toHex(Uint8Array.of(this.#frame(index, argument)))];
    for (const data of blocks) {
      const crc = crc16(data);
      this.#clock(Uint8Array.of(0xff, index === 25 ? 0xfc : 0xfe, ...data, crc >> 8, crc & 0xff));
      parts.push(`data response ${this.#until((byte) => (byte & 0x11) === 1) & 0x1f}`);
      this.#untilReady();
    }
    if (index === 25) this.#clock(Uint8Array.of(0xfd, 0xff));
    this.#untilReady();
    this.#deselect();
    this.answers.set(name, parts.join(" "));
  }

  #frame(index: number, argument: number): number {
    const frame = Uint8Array.of(0x40 | index, 0, 0, 0, 0, 0);
    new DataView(frame.buffer).setUint32(1, argument);
    frame[5] = (crc7(frame.subarray(0, 5)) << 1) | 1;
    this.#clock(frame);
    if (index === 12) this.#read(1);
    return this.#until((byte) => (byte & 0x80) === 0);
  }

  #stop(): string {
    return toHex(Uint8Array.of(this.#frame(12, 0)));
  }

  #block(length: number): string {
    const token = this.#until((byte) => byte !== 0xff);
    if (token !== 0xfe) return `token ${token.toString(16)}`;
    const data = this.#read(length);
    const [high = 0, low = 0] = this.#read(2);
    return `${toHex(data)} crc ${((high << 8) | low) === crc16(data) ? "right" : "wrong"}`;
  }

  #untilReady(): void {
    for (let count = 0; count < MOST_BUSY; count++) if (this.#read(1)[0] === 0xff) return;
    throw new Error("the card stays busy");
  }

  #until(found: (byte: number) => boolean): number {
    for (let count = 0; count < MOST_FILL; count++) {
      const [byte = 0xff] = this.#read(1);
      if (found(byte)) return byte;
    }
    throw new Error(`no answer; after ${[...this.answers.keys()].at(-1)}`);
  }

  #select(): void {
    this.#card.setCs("low");
    this.#read(1);
  }

  #deselect(): void {
    this.#card.setCs("high");
    this.#read(1);
  }

  #read(length: number): Uint8Array {
    return this.#clock(new Uint8Array(length).fill(0xff));
  }

  #clock(mosi: Uint8Array): Uint8Array {
    const miso = new Uint8Array(mosi.length);
    const time = { startUs: this.#nowUs, usPerByte: US_PER_BYTE };
    this.#card.exchange(mosi, miso, mosi.length, time);
    this.#nowUs += mosi.length * US_PER_BYTE;
    return miso;
  }
}

const block = (seed: number): Uint8Array => new Uint8Array(512).fill(seed);

/** @param unit what the argument counts for one block: 512 on SDSC, 1 on SDHC */
export function runScript(card: SpiDevice, unit: 1 | 512): Answers {
  const host = new ProtocolHost(card);
  host.powerUp();
  host.command("CMD0", 0, 0);
  host.command("CMD0 again", 0, 0);
  host.command("CMD8", 8, 0x1aa, 4);
  let ready = "01";
  for (let tries = 0; ready !== "00" && tries < 1000; tries++) {
    host.command("CMD55", 55, 0);
    ready = host.command("ACMD41", 41, 0x40000000);
  }
  host.command("CMD58", 58, 0, 4);
  host.command("CMD9", 9, 0, 0, [16]);
  host.command("CMD10", 10, 0, 0, [16]);
  host.command("CMD16", 16, 512);
  host.command("CMD17 untouched", 17, 9 * unit, 0, [512]);
  host.write("CMD24", 24, 9 * unit, [block(0x11)]);
  host.command("CMD17", 17, 9 * unit, 0, [512]);
  host.write("CMD25", 25, 20 * unit, [block(0x22), block(0x33), block(0x44)]);
  host.command("CMD55 before ACMD22", 55, 0);
  host.command("ACMD22", 22, 0, 0, [4]);
  host.command("CMD18", 18, 20 * unit, 0, [512, 512, 512]);
  host.command("CMD13", 13, 0, 1);
  host.command("CMD32", 32, 20 * unit);
  host.command("CMD33", 33, 21 * unit);
  host.command("CMD38", 38, 0);
  host.command("CMD18 erased", 18, 20 * unit, 0, [512, 512, 512]);
  host.command("CMD55 before ACMD13", 55, 0);
  host.command("ACMD13", 13, 0, 1, [64]);
  host.command("CMD55 before ACMD51", 55, 0);
  host.command("ACMD51", 51, 0, 0, [8]);
  host.command("CMD55 before ACMD23", 55, 0);
  host.command("ACMD23", 23, 3);
  host.command("CMD52 illegal", 52, 0);
  host.command("CMD13 after illegal", 13, 0, 1);
  host.command("CMD13 once more", 13, 0, 1);
  host.command("CMD59", 59, 1);
  host.command("CMD17 with CRC", 17, 22 * unit, 0, [512]);
  return host.answers;
}
