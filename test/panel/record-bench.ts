import { createHash } from "node:crypto";
import { BLOCK_SIZE, MemoryBlockDevice } from "../../src/block/device.js";
import { PartitionView } from "../../src/block/partition-view.js";
import { openCard } from "../../src/card/sd-card.js";
import { createSpiModeBus } from "../../src/card/spi-mode/spi-mode-bus.js";
import { scanPartition } from "../../src/pstore/scan.js";
import { PstoreStore } from "../../src/pstore/store.js";
import type { Geometry } from "../../src/pstore/types.js";
import { type CellEvent, type CutState, tornSector } from "../../src/sim/card/cells.js";
import { MemoryFlash } from "../../src/sim/card/flash.js";
import { createCardModel, type SdCardModel } from "../../src/sim/card/model.js";
import { createDirectBridge, ManualClock } from "../support/direct-bridge.js";
import { kernelView } from "../support/kernel-view.js";

export const ZONES = 4;
/** Where the reserved partition begins on the card. */
const START_LBA = 64;
const CARD_SECTORS = 2048;
const WALL = { wallTime: () => Date.UTC(2026, 2, 1) };

/** What a card of the panel holds before the record is written. */
export interface PanelCase {
  readonly kmsgSize: number;
  /** Records that are there: fewer than {@link ZONES}: a zone is free; as many: the ring is full. */
  readonly records: number;
}

const geometryOf = ({ kmsgSize }: PanelCase): Geometry => ({
  kmsgSize,
  pmsgSize: 0,
  consoleSize: 0,
  ftraceSize: 0,
  cpus: 1,
});

/** A log that fills most of a zone. */
function log(seed: string, kmsgSize: number): Uint8Array {
  const line = (at: number): string =>
    `<6>[${String(at).padStart(5)}.000000] ${createHash("sha256").update(`${seed}${at}`).digest("hex")}\n`;
  const lines = Math.floor((kmsgSize - 200) / line(0).length);
  return Buffer.from(Array.from({ length: lines }, (_, at) => line(at)).join(""));
}

/** The partition before the write. */
export async function preparedPartition(panel: PanelCase): Promise<Uint8Array> {
  const bytes = new Uint8Array(ZONES * panel.kmsgSize);
  const store = new PstoreStore(new MemoryBlockDevice(bytes), geometryOf(panel), WALL);
  for (let at = 0; at < panel.records; at++) {
    await store.append({ text: log(`old ${at}`, panel.kmsgSize), reason: 1, compress: "never" });
  }
  return bytes;
}

/** A card with that partition, behind the whole card layer, and the write of one more record. */
export interface PanelRun {
  readonly model: SdCardModel;
  readonly flash: MemoryFlash;
  readonly write: () => Promise<unknown>;
}

export async function panelRun(panel: PanelCase, partition: Uint8Array): Promise<PanelRun> {
  const flash = new MemoryFlash(CARD_SECTORS);
  for (let at = 0; at < partition.length; at += BLOCK_SIZE)
    flash.write(START_LBA + at / BLOCK_SIZE, partition.subarray(at, at + BLOCK_SIZE));
  const model = createCardModel(flash, { maxFrequencyHz: 30e6 });
  const clock = new ManualClock();
  const bridge = createDirectBridge({ device: model, clock, frequencyHz: 400_000 });
  const card = await openCard({ bus: createSpiModeBus({ bridge, clock }), clock });
  const view = new PartitionView(card, START_LBA, partition.length / BLOCK_SIZE);
  const store = new PstoreStore(view, geometryOf(panel), WALL);
  const write = (): Promise<unknown> =>
    store.append({ text: log("new", panel.kmsgSize), reason: 1, compress: "never" });
  return { model, flash, write };
}

/** The partition's bytes as the cells hold them. */
export function partitionOf(flash: MemoryFlash, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += BLOCK_SIZE)
    flash.read(START_LBA + at / BLOCK_SIZE, bytes.subarray(at, at + BLOCK_SIZE));
  return bytes;
}

/** Applies what had happened to the cells when power went at clocked byte `atByte`. */
export function partitionAfterCut(
  before: Uint8Array,
  journal: readonly CellEvent[],
  atByte: number,
  state: CutState,
): Uint8Array {
  const bytes = before.slice();
  const inFlight = new Map<number, Uint8Array>();
  for (const event of journal) {
    if (event.kind === "accept" && event.atByte <= atByte) inFlight.set(event.sector, event.data);
    if (event.kind === "commit" && event.atByte < atByte) {
      inFlight.delete(event.sector);
      bytes.set(event.data, (event.sector - START_LBA) * BLOCK_SIZE);
    }
  }
  for (const [sector, data] of inFlight) {
    const at = (sector - START_LBA) * BLOCK_SIZE;
    bytes.set(tornSector(bytes.slice(at, at + BLOCK_SIZE), data, state), at);
  }
  return bytes;
}

/** The records that a kernel shows, as one string. */
export function kernelSet(bytes: Uint8Array, panel: PanelCase): string {
  const { files } = kernelView(bytes, { kmsgSize: panel.kmsgSize, headerBytes: 40, little: true });
  return files
    .map(({ name, sha256 }) => `${name}=${sha256}`)
    .sort()
    .join(" ");
}

/** The records that we show, as one string; anything but whole ones is named with its state. */
export async function ownSet(bytes: Uint8Array, panel: PanelCase): Promise<string> {
  const scan = await scanPartition(new MemoryBlockDevice(bytes), geometryOf(panel));
  const shown = scan.records.filter(({ state }) => state !== "erased");
  return shown
    .map(
      ({ name, sha256, state }) =>
        `${name}=${sha256}${state === "verified" || state === "ok" ? "" : `!${state}`}`,
    )
    .sort()
    .join(" ");
}
