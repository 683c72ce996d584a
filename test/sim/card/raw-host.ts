import { MemoryFlash } from "../../../src/sim/card/flash.js";
import { createCardModel, type SdCardModel } from "../../../src/sim/card/model.js";
import type { CardModelKind, CardModelOptions } from "../../../src/sim/card/options.js";
import type { SpiDevice } from "../../../src/sim/spi-device.js";
import { toHex } from "../../../src/util/bytes.js";
import { crc7, crc16 } from "../../../src/util/crc.js";

/** 400 kHz. */
export const US_PER_BYTE = 20;
const MOST_BYTES = 20_000;

/** Six bytes with their CRC7. */
export function frame(index: number, argument = 0): Uint8Array {
  const bytes = Uint8Array.of(0x40 | index, 0, 0, 0, 0, 0);
  new DataView(bytes.buffer).setUint32(1, argument);
  bytes[5] = (crc7(bytes.subarray(0, 5)) << 1) | 1;
  return bytes;
}

/** Token, data, CRC16. */
export function packet(token: number, data: Uint8Array): Uint8Array {
  const crc = crc16(data);
  return Uint8Array.of(token, ...data, crc >> 8, crc & 0xff);
}

export const block = (seed: number, length = 512): Uint8Array =>
  Uint8Array.from({ length }, (_, at) => (at * 7 + (at >> 8) + seed) & 0xff);

/** A host that knows nothing but bytes: what it sees is what the model shows. */
export class RawHost {
  readonly card: SpiDevice;
  nowUs = 0;

  constructor(card: SpiDevice) {
    this.card = card;
  }

  /** Clocks bytes, or that many FF; returns MISO. */
  clock(bytes: Uint8Array | number): Uint8Array {
    const mosi = typeof bytes === "number" ? undefined : bytes;
    const length = typeof bytes === "number" ? bytes : bytes.length;
    const miso = new Uint8Array(length);
    this.card.exchange(mosi, miso, length, { startUs: this.nowUs, usPerByte: US_PER_BYTE });
    this.nowUs += length * US_PER_BYTE;
    return miso;
  }

  /** {@link clock} in hex. */
  hex(bytes: Uint8Array | number): string {
    return toHex(this.clock(bytes));
  }

  wait(us: number): void {
    this.nowUs += us;
  }

  select(): void {
    this.card.setCs("low");
    this.clock(1);
  }

  deselect(): void {
    this.card.setCs("high");
    this.clock(1);
  }

  until(found: (byte: number) => boolean): number {
    for (let at = 0; at < MOST_BYTES; at++) {
      const byte = this.clock(1)[0] as number;
      if (found(byte)) return byte;
    }
    throw new Error("what was awaited never came");
  }

  /** R1 of a command and `extra` bytes behind it, in hex; "" for silence. */
  command(index: number, argument = 0, extra = 0): string {
    return this.send(frame(index, argument), extra);
  }

  send(bytes: Uint8Array, extra = 0): string {
    this.clock(1);
    this.clock(bytes);
    if (((bytes[0] as number) & 0x3f) === 12) this.clock(1);
    for (let at = 0; at < 16; at++) {
      const [byte = 0xff] = this.clock(1);
      if ((byte & 0x80) === 0) return toHex(Uint8Array.of(byte, ...this.clock(extra)));
    }
    return "";
  }

  app(index: number, argument = 0, extra = 0): string {
    this.command(55);
    return this.command(index, argument, extra);
  }

  /** The data of the next block; its CRC must be right. */
  data(length: number): Uint8Array {
    const token = this.until((byte) => byte !== 0xff);
    if (token !== 0xfe) throw new Error(`token ${token.toString(16)}`);
    const data = this.clock(length);
    const [high = 0, low = 0] = this.clock(2);
    if (((high << 8) | low) !== crc16(data)) throw new Error("wrong CRC16");
    return data;
  }

  /** Sends a block; returns the data response's lower five bits. */
  block(token: number, data: Uint8Array): number {
    this.clock(1);
    this.clock(packet(token, data));
    return this.until((byte) => byte !== 0xff) & 0x1f;
  }

  ready(): void {
    this.until((byte) => byte === 0xff);
  }

  stop(): void {
    this.clock(Uint8Array.of(0xff, 0xfd, 0xff));
    this.ready();
  }

  /** R2 of CMD13: both bytes. */
  status(): string {
    return this.command(13, 0, 1);
  }

  readBlock(lba: number, unit = 1): Uint8Array {
    const r1 = this.command(17, lba * unit);
    if (r1 !== "00") throw new Error(`CMD17: ${r1}`);
    return this.data(512);
  }

  writeBlock(lba: number, data: Uint8Array, unit = 1): number {
    const r1 = this.command(24, lba * unit);
    if (r1 !== "00") throw new Error(`CMD24: ${r1}`);
    const response = this.block(0xfe, data);
    this.ready();
    return response;
  }

  /** From power-up to transfer state, CS low at the end. */
  initialise({ mmc = false, crc = true }: { mmc?: boolean; crc?: boolean } = {}): void {
    this.card.setCs("high");
    this.clock(20);
    this.select();
    for (let tries = 0; tries < 4 && this.command(0) !== "01"; tries++);
    if (!mmc) this.command(8, 0x1aa, 4);
    if (crc) this.command(59, 1);
    for (let tries = 0; tries < 5000; tries++) {
      const r1 = mmc ? this.command(1, 0x40000000) : this.app(41, 0x40000000);
      if (r1 === "00") return;
    }
    throw new Error("never ready");
  }
}

export const SECTORS: Readonly<Record<CardModelKind, number>> = {
  sdsc: 131_072,
  sdhc: 131_072,
  sdxc: 64 * 2 ** 21,
  mmc: 131_072,
};

export interface Bench {
  readonly model: SdCardModel;
  readonly flash: MemoryFlash;
  readonly host: RawHost;
  /** What an address counts: 512 for cards that address bytes. */
  readonly unit: number;
}

export function powered(
  options: Partial<CardModelOptions> = {},
  sectorCount: number = SECTORS[options.kind ?? "sdhc"],
): Bench {
  const flash = new MemoryFlash(sectorCount);
  const model = createCardModel(flash, { initialisationUs: 1000, ...options });
  const unit = options.kind === "sdsc" || options.kind === "mmc" ? 512 : 1;
  return { model, flash, host: new RawHost(model), unit };
}

/** A card in transfer state with CRC on (unless `crc: false`). */
export function ready(
  options: Partial<CardModelOptions> & { readonly crc?: boolean } = {},
  sectorCount: number = SECTORS[options.kind ?? "sdhc"],
): Bench {
  const { crc = true, ...rest } = options;
  const bench = powered(rest, sectorCount);
  bench.host.initialise({ mmc: options.kind === "mmc", crc });
  return bench;
}

export function sectorOf(flash: MemoryFlash, sector: number): Uint8Array {
  const data = new Uint8Array(512);
  flash.read(sector, data);
  return data;
}
