import { createHash } from "node:crypto";
import { BLOCK_SIZE } from "../../../src/block/device.js";
import { PartitionView } from "../../../src/block/partition-view.js";
import { CardLine } from "../../../src/card/card-line.js";
import type { CardIdentity } from "../../../src/card/identity.js";
import { openCard, SdCard } from "../../../src/card/sd-card.js";
import { CardSession } from "../../../src/card/session.js";
import { createSpiModeBus } from "../../../src/card/spi-mode/spi-mode-bus.js";
import type { ArmedRecords, PanicReport } from "../../../src/pstore/panic.js";
import { PstoreStore } from "../../../src/pstore/store.js";
import { MemoryFlash } from "../../../src/sim/card/flash.js";
import {
  type CardSnapshot,
  createCardModel,
  type SdCardModel,
} from "../../../src/sim/card/model.js";
import type { CardModelOptions } from "../../../src/sim/card/options.js";
import { deadlineIn } from "../../../src/util/deadline.js";
import { silentLog } from "../../../src/util/log.js";
import { kernelSet, ownSet, preparedPartition, ZONES } from "../../panel/record-bench.js";
import { createDirectBridge, ManualClock } from "../../support/direct-bridge.js";
import { FaultyWire } from "./faulty-wire.js";

export const START_LBA = 64;
/** Where the regular path works: outside the partition. */
const WORK_LBA = 1024;
const WORK_BLOCKS = 6;
const CARD_SECTORS = 4096;
const SPEED_HZ = 25e6;
const FIRE_MS = 5000;
const NO_INTENTS = { begin: () => undefined, end: () => undefined };

/** What the card is interrupted in when the panic comes. */
export const BEFORE = ["idle", "reading", "writing", "erasing", "appending"] as const;
export type Before = (typeof BEFORE)[number];

export interface FireCase {
  readonly kmsgSize: number;
  /** Records there before: as many as zones: the ring is full. */
  readonly records: number;
  readonly before: Before;
  readonly card?: Partial<CardModelOptions>;
}

export const nameOf = ({ kmsgSize, records, before }: FireCase): string =>
  `zones of ${kmsgSize / 1024} KiB, ${records === ZONES ? "ring full" : "a zone free"}, ${before}`;

/** A log that fills a zone but for a few bytes. */
export function panicLog(kmsgSize: number): Uint8Array {
  const line = (at: number): string =>
    `<0>[${String(at).padStart(5)}.000000] ${createHash("sha256").update(`fire${at}`).digest("hex")}\n`;
  const lines = Math.floor((kmsgSize - 200) / line(0).length);
  return Buffer.from(Array.from({ length: lines }, (_, at) => line(at)).join(""));
}

/** A card that was identified, from which every run starts anew. */
export class FireBench {
  readonly panel: FireCase;
  readonly before: Uint8Array;
  readonly model: SdCardModel;
  readonly flash: MemoryFlash;
  readonly #identity: CardIdentity;
  readonly #ready: CardSnapshot;
  readonly #readyUs: number;

  private constructor(
    panel: FireCase,
    parts: Pick<FireBench, "before" | "model" | "flash">,
    ready: { readonly identity: CardIdentity; readonly us: number },
  ) {
    this.panel = panel;
    this.before = parts.before;
    this.model = parts.model;
    this.flash = parts.flash;
    this.#identity = ready.identity;
    this.#ready = parts.model.snapshot();
    this.#readyUs = ready.us;
  }

  static async open(panel: FireCase): Promise<FireBench> {
    const before = await preparedPartition(panel);
    const flash = new MemoryFlash(CARD_SECTORS);
    for (let at = 0; at < before.length; at += BLOCK_SIZE)
      flash.write(START_LBA + at / BLOCK_SIZE, before.subarray(at, at + BLOCK_SIZE));
    const options = { initialisationUs: 1000, eraseBusy: { us: 2000 }, ...panel.card };
    const model = createCardModel(flash, options);
    const clock = new ManualClock();
    const bridge = createDirectBridge({ device: model, clock });
    const bus = createSpiModeBus({ bridge, clock });
    const { identity } = await openCard({ bus, clock });
    return new FireBench(panel, { before, model, flash }, { identity, us: clock.nowUs() });
  }

  /** A new host with an armed writer, on the card as it was after identification. */
  async arm(): Promise<FireRun> {
    this.model.restore(this.#ready);
    const clock = new ManualClock();
    clock.advance(this.#readyUs);
    const wire = new FaultyWire(this.model);
    const bridge = createDirectBridge({ device: wire, clock, frequencyHz: SPEED_HZ });
    const bus = createSpiModeBus({ bridge, clock });
    const line = new CardLine(bus, clock, silentLog);
    await line.setFrequency(SPEED_HZ);
    const session = new CardSession(line, { crc: true, speedHz: SPEED_HZ }, this.#identity);
    const card = new SdCard(session, { readOnly: false, intents: NO_INTENTS });
    const view = new PartitionView(card, START_LBA, this.before.length / BLOCK_SIZE);
    const store = new PstoreStore(view, geometryOf(this.panel), clock);
    return new FireRun({ bench: this, clock, wire, card, store, armed: await store.arm(clock) });
  }

  partition(): Uint8Array {
    const bytes = new Uint8Array(this.before.length);
    for (let at = 0; at < bytes.length; at += BLOCK_SIZE)
      this.flash.read(START_LBA + at / BLOCK_SIZE, bytes.subarray(at, at + BLOCK_SIZE));
    return bytes;
  }

  /** The records that a kernel shows, and those that we show. */
  async sets(bytes: Uint8Array = this.partition()): Promise<RecordSets> {
    return { kernel: kernelSet(bytes, this.panel), own: await ownSet(bytes, this.panel) };
  }
}

export interface RecordSets {
  readonly kernel: string;
  readonly own: string;
}

/** One panic. */
export class FireRun {
  readonly bench: FireBench;
  readonly clock: ManualClock;
  readonly wire: FaultyWire;
  readonly card: SdCard;
  readonly store: PstoreStore;
  readonly armed: ArmedRecords;
  /** Clocked bytes of the card when the verdict came. */
  endByte = 0;

  constructor(parts: Omit<FireRun, "panicAt" | "fire" | "endByte">) {
    this.bench = parts.bench;
    this.clock = parts.clock;
    this.wire = parts.wire;
    this.card = parts.card;
    this.store = parts.store;
    this.armed = parts.armed;
  }

  /**
   * The panic comes after so many bytes of what the regular path does: that is preempted there, the bridge failing, CS low.
   * `started` is called just before.
   */
  async panicAt(byte: number, started: () => void = () => undefined): Promise<PanicReport> {
    const { before } = this.bench.panel;
    if (before === "idle") {
      started();
      return this.fire();
    }
    let report: Promise<PanicReport> | undefined;
    const failing = (): void => {
      started();
      report = this.fire();
    };
    this.wire.arm({ kind: "fail", byte, failing });
    await work(before, this).catch(() => undefined);
    if (report === undefined) throw new RangeError(`${before} ends before byte ${byte}`);
    return report;
  }

  fire(): Promise<PanicReport> {
    const record = this.armed.prepare(panicLog(this.bench.panel.kmsgSize), {
      reason: 1,
      compress: "never",
    });
    const fired = this.armed.fire(record, deadlineIn(this.clock, FIRE_MS));
    return fired.finally(() => {
      this.endByte = this.bench.model.clockedBytes;
    });
  }
}

function work(before: Exclude<Before, "idle">, { card, store }: FireRun): Promise<unknown> {
  const bytes = new Uint8Array(WORK_BLOCKS * BLOCK_SIZE);
  switch (before) {
    case "reading":
      return card.read(WORK_LBA, bytes);
    case "writing":
      return card.write(WORK_LBA, bytes.fill(0x5a));
    case "erasing":
      return card.erase?.(WORK_LBA, 4 * WORK_BLOCKS) ?? Promise.reject(new Error("no erase"));
    case "appending":
      return store.append({ text: Buffer.from("regular\n"), reason: 2, compress: "never" });
  }
}

function geometryOf({ kmsgSize }: FireCase): ConstructorParameters<typeof PstoreStore>[1] {
  return { kmsgSize, pmsgSize: 0, consoleSize: 0, ftraceSize: 0, cpus: 1 };
}
