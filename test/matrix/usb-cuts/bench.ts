import { BLOCK_SIZE } from "../../../src/block/device.js";
import { PartitionView } from "../../../src/block/partition-view.js";
import { openFtdi } from "../../../src/bridge/ftdi/driver.js";
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
import { SimClock } from "../../../src/sim/clock.js";
import {
  createFtdiModel,
  type FtdiModel,
  type FtdiModelState,
} from "../../../src/sim/ftdi/model.js";
import type { UsbTransport } from "../../../src/transport/types.js";
import { deadlineIn } from "../../../src/util/deadline.js";
import { silentLog } from "../../../src/util/log.js";
import { kernelSet, ownSet, preparedPartition } from "../../panel/record-bench.js";
import { BENCH_CARD } from "../../support/bench-card.js";
import { panicLog } from "../fire/bench.js";
import { DEATHS, type Death, DyingTransport } from "./dying-transport.js";

const START_LBA = 64;
const READ_LBA = 1024;
const READ_BLOCKS = 128;
const CARD_SECTORS = 4096;
const SPEED_HZ = 15e6;
const PANEL = { kmsgSize: 4096, records: 1 };
const GEOMETRY = { kmsgSize: 4096, pmsgSize: 0, consoleSize: 0, ftraceSize: 0, cpus: 1 };
const NO_INTENTS = { begin: () => undefined, end: () => undefined };
const FIRE_MS = 5000;

export const FLOWS = ["record write", "streamed read"] as const;
export type Flow = (typeof FLOWS)[number];
/** What the pins do while the mode of the chip changes. */
export const PINS = ["float", "hold"] as const;

export interface UsbCase {
  readonly flow: Flow;
  readonly death: Death;
  readonly pins: (typeof PINS)[number];
}

export const nameOf = ({ flow, death, pins }: UsbCase): string =>
  `${flow}, the ${death} dies, pins ${pins}`;

export const CASES: readonly (readonly [string, UsbCase])[] = FLOWS.flatMap((flow) =>
  DEATHS.flatMap((death) => PINS.map((pins) => ({ flow, death, pins }))),
).map((one) => [nameOf(one), one] as const);

/** A card and an armed writer behind a driver. */
interface Host {
  readonly card: SdCard;
  readonly store: PstoreStore;
  readonly armed: ArmedRecords;
}

/** An FT232H with a card behind it, from which every cut starts anew. */
export class UsbBench {
  readonly cut: UsbCase;
  readonly failures: string[] = [];
  runs = 0;
  /** Cuts behind which the engine took what came next for the rest of a command. */
  expecting = 0;
  readonly #clock: SimClock = new SimClock();
  readonly #flash: MemoryFlash = new MemoryFlash(CARD_SECTORS);
  readonly #card: SdCardModel;
  readonly #chip: FtdiModel;
  #identity: CardIdentity | undefined;
  #ready: { readonly card: CardSnapshot; readonly chip: FtdiModelState } | undefined;
  #old = "";

  private constructor(cut: UsbCase) {
    this.cut = cut;
    this.#card = createCardModel(this.#flash, { ...BENCH_CARD, initialisationUs: 1000 });
    const { pins } = cut;
    this.#chip = createFtdiModel({ clock: this.#clock, spi: this.#card, pinsOnModeChange: pins });
  }

  static async open(cut: UsbCase): Promise<UsbBench> {
    const bench = new UsbBench(cut);
    const before = await preparedPartition(PANEL);
    for (let at = 0; at < before.length; at += BLOCK_SIZE)
      bench.#flash.write(START_LBA + at / BLOCK_SIZE, before.subarray(at, at + BLOCK_SIZE));
    bench.#old = await ownSet(before, PANEL);
    const host = await bench.#open(bench.#chip.transport(0), undefined);
    bench.#identity = host.card.identity;
    await host.card.close();
    bench.#ready = { card: bench.#card.snapshot(), chip: bench.#chip.snapshot() };
    return bench;
  }

  /** Lengths of the OUT transfers of the flow: each is cut behind every byte. */
  async lengths(): Promise<readonly number[]> {
    const { transport, host } = await this.#victim();
    transport.arm();
    await this.#flow(host);
    const lengths = [...transport.lengths];
    await host.card.close();
    return lengths;
  }

  async run(transfer: number, bytes: number): Promise<void> {
    const { death } = this.cut;
    const id = `${nameOf(this.cut)}: OUT transfer ${transfer}, ${bytes} bytes`;
    this.runs++;
    const { transport, host } = await this.#victim();
    transport.arm({ death, transfer, bytes });
    const flow = this.#flow(host).catch(() => undefined);
    await (death === "process" ? transport.dead : flow);
    if (this.#chip.engine.midCommand) this.expecting++;
    const next =
      death === "process" ? await this.#open(this.#chip.transport(0), this.cut.flow) : host;
    await this.#judge(id, await this.#fire(next));
    await next.card.close();
  }

  async #judge(id: string, { verdict, name }: PanicReport): Promise<void> {
    const bytes = new Uint8Array(4 * GEOMETRY.kmsgSize);
    for (let at = 0; at < bytes.length; at += BLOCK_SIZE)
      this.#flash.read(START_LBA + at / BLOCK_SIZE, bytes.subarray(at, at + BLOCK_SIZE));
    const own = (await ownSet(bytes, PANEL)).split(" ");
    const kernel = kernelSet(bytes, PANEL).split(" ");
    const fail = (what: string): void => void this.failures.push(`${id}: ${what}`);
    if (verdict.outcome !== "committed") fail(`${verdict.outcome}: ${verdict.error?.message}`);
    if (!this.#card.inTransferState) fail("the card is not in transfer state");
    if (!own.includes(this.#old)) fail("a record is lost");
    if (!own.some((one) => one.startsWith(`${name}=`))) fail("the record is not there");
    if (own.some((one) => one.includes("!")) || own.join() !== kernel.join()) fail(own.join(" "));
  }

  async #victim(): Promise<{ readonly transport: DyingTransport; readonly host: Host }> {
    if (this.#ready === undefined) throw new Error("not open");
    this.#card.restore(this.#ready.card);
    this.#chip.restore(this.#ready.chip);
    const transport = new DyingTransport(this.#chip.transport(0));
    return { transport, host: await this.#attach(transport) };
  }

  /** A driver on a card that is known and in transfer state. */
  async #attach(transport: UsbTransport): Promise<Host> {
    const clock = this.#clock;
    const bridge = await openFtdi({ transport, clock, options: { selfTest: false } });
    const bus = createSpiModeBus({ bridge, clock });
    const line = new CardLine(bus, clock, silentLog);
    await line.setFrequency(SPEED_HZ);
    if (this.#identity === undefined) throw new Error("not open");
    const session = new CardSession(line, { crc: true, speedHz: SPEED_HZ }, this.#identity);
    return this.#host(new SdCard(session, { readOnly: false, intents: NO_INTENTS }));
  }

  /** What a new process does: the driver, the card, with what the journal of the dead one says. */
  async #open(transport: UsbTransport, interrupted: Flow | undefined): Promise<Host> {
    const clock = this.#clock;
    const bridge = await openFtdi({ transport, clock, options: { selfTest: false } });
    const bus = createSpiModeBus({ bridge, clock });
    const known = { crcProved: true, mayBeReading: interrupted === "streamed read" };
    const options = {
      speedHz: SPEED_HZ,
      ...(interrupted === undefined ? {} : { interrupted: known }),
    };
    return this.#host(await openCard({ bus, clock, options }));
  }

  async #host(card: SdCard): Promise<Host> {
    const view = new PartitionView(card, START_LBA, (4 * GEOMETRY.kmsgSize) / BLOCK_SIZE);
    const store = new PstoreStore(view, GEOMETRY, this.#clock);
    return { card, store, armed: await store.arm(this.#clock) };
  }

  #flow({ card, store }: Host): Promise<unknown> {
    if (this.cut.flow === "streamed read")
      return card.read(READ_LBA, new Uint8Array(READ_BLOCKS * BLOCK_SIZE));
    return store.append({ text: panicLog(PANEL.kmsgSize), reason: 2, compress: "never" });
  }

  #fire({ armed }: Host): Promise<PanicReport> {
    const record = armed.prepare(panicLog(PANEL.kmsgSize), { reason: 1, compress: "never" });
    return armed.fire(record, deadlineIn(this.#clock, FIRE_MS));
  }
}
