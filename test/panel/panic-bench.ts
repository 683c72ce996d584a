import { BLOCK_SIZE, MemoryBlockDevice } from "../../src/block/device.js";
import { PartitionView } from "../../src/block/partition-view.js";
import { openCard, type SdCard } from "../../src/card/sd-card.js";
import { createSpiModeBus } from "../../src/card/spi-mode/spi-mode-bus.js";
import type { ArmedRecords, PanicReport } from "../../src/pstore/panic.js";
import { scanPartition } from "../../src/pstore/scan.js";
import { PstoreStore } from "../../src/pstore/store.js";
import type { Geometry } from "../../src/pstore/types.js";
import { MemoryFlash } from "../../src/sim/card/flash.js";
import { createCardModel, type SdCardModel } from "../../src/sim/card/model.js";
import type { CardModelOptions } from "../../src/sim/card/options.js";
import type { SpiDevice } from "../../src/sim/spi-device.js";
import { deadlineIn } from "../../src/util/deadline.js";
import { createDirectBridge, type DirectBridge } from "../support/direct-bridge.js";

export const START_LBA = 64;
export const ZONES = 4;
const CARD_SECTORS = 4096;

export interface PanicBenchOptions {
  readonly kmsgSize?: number;
  /** Records there before. */
  readonly records?: number;
  readonly card?: Partial<CardModelOptions>;
  readonly crc?: boolean;
}

/** Where a card can be taken out and another one put in. */
export class Slot implements SpiDevice {
  card: SpiDevice;

  constructor(card: SpiDevice) {
    this.card = card;
  }

  setCs(level: "high" | "low"): void {
    this.card.setCs(level);
  }

  exchange(...args: Parameters<SpiDevice["exchange"]>): void {
    this.card.exchange(...args);
  }

  peek(atUs: number): number {
    return this.card.peek(atUs);
  }
}

/** A card with a partition of 4 zones behind the whole card layer, armed. */
export class PanicBench {
  readonly geometry: Geometry;
  readonly flash: MemoryFlash;
  readonly model: SdCardModel;
  readonly slot: Slot;
  readonly bridge: DirectBridge;
  readonly card: SdCard;
  readonly store: PstoreStore;
  readonly armed: ArmedRecords;

  private constructor(parts: Omit<PanicBench, "fire" | "names" | "partition">) {
    this.geometry = parts.geometry;
    this.flash = parts.flash;
    this.model = parts.model;
    this.slot = parts.slot;
    this.bridge = parts.bridge;
    this.card = parts.card;
    this.store = parts.store;
    this.armed = parts.armed;
  }

  static async open(options: PanicBenchOptions = {}): Promise<PanicBench> {
    const { kmsgSize = 4096, records = 1 } = options;
    const geometry = { kmsgSize, pmsgSize: 0, consoleSize: 0, ftraceSize: 0, cpus: 1 };
    const flash = new MemoryFlash(CARD_SECTORS);
    const partition = await filled(geometry, records);
    for (let at = 0; at < partition.length; at += BLOCK_SIZE)
      flash.write(START_LBA + at / BLOCK_SIZE, partition.subarray(at, at + BLOCK_SIZE));
    const model = createCardModel(flash, {
      maxFrequencyHz: 30e6,
      initialisationUs: 1000,
      ...options.card,
    });
    const slot = new Slot(model);
    const bridge = createDirectBridge({ device: slot, roundTripUs: 125 });
    const { clock } = bridge;
    const bus = createSpiModeBus({ bridge, clock });
    const card = await openCard({ bus, clock, options: { crc: options.crc ?? true } });
    const view = new PartitionView(card, START_LBA, partition.length / BLOCK_SIZE);
    const store = new PstoreStore(view, geometry, clock);
    const armed = await store.arm(clock);
    return new PanicBench({ geometry, flash, model, slot, bridge, card, store, armed });
  }

  fire(text: string | Uint8Array = "the last words\n", ms = 5000): Promise<PanicReport> {
    const bytes = typeof text === "string" ? Buffer.from(text) : text;
    const record = this.armed.prepare(bytes, { reason: 1 });
    return this.armed.fire(record, deadlineIn(this.bridge.clock, ms));
  }

  /** Names of the records as a kernel would list them. */
  async names(): Promise<string[]> {
    const scan = await scanPartition(new MemoryBlockDevice(this.partition()), this.geometry);
    return scan.records
      .filter(({ state }) => state !== "erased")
      .map(({ name, state }) => `${name} ${state}`);
  }

  partition(): Uint8Array {
    const bytes = new Uint8Array(ZONES * this.geometry.kmsgSize);
    for (let at = 0; at < bytes.length; at += BLOCK_SIZE)
      this.flash.read(START_LBA + at / BLOCK_SIZE, bytes.subarray(at, at + BLOCK_SIZE));
    return bytes;
  }
}

async function filled(geometry: Geometry, records: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(ZONES * geometry.kmsgSize);
  const wall = { wallTime: () => Date.UTC(2025, 0, 1) };
  const store = new PstoreStore(new MemoryBlockDevice(bytes), geometry, wall);
  for (let at = 0; at < records; at++)
    await store.append({ text: Buffer.from(`old record ${at}\n`), reason: 1, compress: "never" });
  return bytes;
}
