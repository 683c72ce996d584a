import { CardLine } from "../../../src/card/card-line.js";
import type { CardIdentity } from "../../../src/card/identity.js";
import type { CardRecovery } from "../../../src/card/recovery/report.js";
import { openCard } from "../../../src/card/sd-card.js";
import { CardSession } from "../../../src/card/session.js";
import { createSpiModeBus } from "../../../src/card/spi-mode/spi-mode-bus.js";
import { MemoryFlash } from "../../../src/sim/card/flash.js";
import {
  type CardSnapshot,
  createCardModel,
  type SdCardModel,
} from "../../../src/sim/card/model.js";
import type { CardModelOptions, Latency } from "../../../src/sim/card/options.js";
import { deadlineIn } from "../../../src/util/deadline.js";
import { errorCode } from "../../../src/util/errors.js";
import { silentLog } from "../../../src/util/log.js";
import { createDirectBridge, ManualClock } from "../../support/direct-bridge.js";
import { BLOCKS, type Flow, FlowHost, LBA, newData } from "./flows.js";
import { cutPoints, Recording } from "./recording.js";

const SECTORS = 16_384;
const AROUND = 4;
const RECOVER_MS = 5000;
/** Slow, so that long waits are few bytes. */
const SPEED_HZ = 1_000_000;
const ROUND_TRIP_US = 1000;
const NEW = newData(BLOCKS);

/** One row of the matrix: a flow on a card with certain latencies and habits. */
export interface RecoveryCase {
  readonly flow: Flow;
  readonly crc: boolean;
  /** How CS was left: low, as at the interruption, or raised and lowered by a bridge that was opened anew. */
  readonly cs: "low" | "pulse";
  readonly csRise: CardModelOptions["csRise"];
  readonly ncr: number;
  readonly nac?: Latency;
  readonly delay?: number;
  readonly busy?: Latency;
}

export interface CutResult {
  readonly cut: number;
  /** `transfer`, or the code of the error that the recovery ended with. */
  readonly outcome: string;
  readonly damage: string | undefined;
  /** A write command was accepted and its token has not come. */
  readonly awaitsToken: boolean;
  readonly recovery: CardRecovery | undefined;
}

/** Reruns exactly this case. */
export function caseId(row: RecoveryCase): string {
  const latency = (value: Latency | undefined): string =>
    value === undefined ? "-" : "us" in value ? `${value.us}us` : String(value.bytes);
  const { flow, crc, cs, csRise, ncr, nac, delay, busy } = row;
  return `${flow.name} crc=${crc ? "on" : "off"} cs=${cs} rise=${csRise} ncr=${ncr} nac=${latency(nac)} delay=${delay ?? "-"} busy=${latency(busy)}`;
}

/** A card in transfer state with the flow recorded once, from which every cut starts. */
export class CaseBench {
  readonly row: RecoveryCase;
  readonly model: SdCardModel;
  readonly flash: MemoryFlash;
  readonly identity: CardIdentity;
  readonly recording: Recording;
  readonly #ready: CardSnapshot;

  private constructor(
    row: RecoveryCase,
    parts: Pick<CaseBench, "model" | "flash" | "identity" | "recording">,
    ready: CardSnapshot,
  ) {
    this.row = row;
    this.model = parts.model;
    this.flash = parts.flash;
    this.identity = parts.identity;
    this.recording = parts.recording;
    this.#ready = ready;
  }

  static async open(row: RecoveryCase): Promise<CaseBench> {
    const flash = new MemoryFlash(SECTORS);
    for (let at = -AROUND; at < BLOCKS + AROUND; at++) flash.write(LBA + at, oldBlock(LBA + at));
    const model = createCardModel(flash, modelOptions(row));
    const recording = new Recording(model);
    const bridge = createDirectBridge({ device: recording, roundTripUs: ROUND_TRIP_US });
    const { clock } = bridge;
    const bus = createSpiModeBus({ bridge, clock });
    const card = await openCard({ bus, clock, options: { crc: row.crc, speedHz: SPEED_HZ } });
    const ready = model.snapshot();
    recording.start();
    await row.flow.run(new FlowHost(bus, clock)).catch((error: unknown) => {
      throw new Error(`${caseId(row)}: the flow itself fails`, { cause: error });
    });
    return new CaseBench(row, { model, flash, identity: card.identity, recording }, ready);
  }

  /** The cuts, in order; the model goes through the flow once. */
  async *cuts(every?: number): AsyncGenerator<CutResult> {
    this.model.restore(this.#ready);
    const player = this.recording.player(this.model);
    for (const cut of cutPoints(this.recording, every)) {
      player.playTo(cut);
      const here = this.model.snapshot();
      yield await this.#recover(cut, player.nowUs);
      this.model.restore(here);
    }
  }

  async #recover(cut: number, nowUs: number): Promise<CutResult> {
    const { row, model } = this;
    if (row.cs === "pulse") model.setCs("high");
    model.setCs("low");
    const clock = new ManualClock();
    clock.advance(nowUs);
    const bridge = createDirectBridge({
      device: model,
      clock,
      roundTripUs: ROUND_TRIP_US,
      frequencyHz: SPEED_HZ,
    });
    const bus = createSpiModeBus({ bridge, clock, stateKnown: false });
    const line = new CardLine(bus, clock, silentLog);
    const session = new CardSession(line, { crc: row.crc, speedHz: SPEED_HZ }, this.identity);
    let outcome = "transfer";
    try {
      await session.ensureReady(deadlineIn(clock, RECOVER_MS));
      if (!model.inTransferState) outcome = "not in transfer state";
    } catch (error) {
      outcome = errorCode(error) ?? String(error);
    }
    const { receiving } = model.snapshot().state;
    const awaitsToken = receiving?.what === "single" && !receiving.collecting;
    return { cut, outcome, damage: this.#damage(), awaitsToken, recovery: session.lastRecovery };
  }

  /** What differs and may not; with CRC checking on nothing but whole blocks, in their order. */
  #damage(): string | undefined {
    const { flow, crc } = this.row;
    const states: string[] = [];
    for (let at = -AROUND; at < BLOCKS + AROUND; at++) {
      const lba = LBA + at;
      const state = this.#state(lba);
      if (flow.exempt?.includes(lba) === true) continue;
      if (flow.writes?.includes(lba) === true) states.push(state);
      else if (state !== "old") return `block ${lba} is ${state}`;
    }
    const order = states.join(" ");
    if (crc && !/^(new ?)*(old ?)*$/.test(order)) return `blocks are ${order}`;
    return undefined;
  }

  #state(lba: number): "old" | "new" | "torn" {
    const now = new Uint8Array(512);
    this.flash.read(lba, now);
    if (Buffer.compare(now, oldBlock(lba)) === 0) return "old";
    const at = (lba - LBA) * 512;
    const wanted = NEW.subarray(Math.max(0, at), Math.max(0, at + 512));
    return Buffer.compare(now, wanted) === 0 ? "new" : "torn";
  }
}

function oldBlock(lba: number): Uint8Array {
  return new Uint8Array(512).fill((lba * 29 + 1) & 0xff);
}

function modelOptions(row: RecoveryCase): Partial<CardModelOptions> {
  const { nac, delay, busy } = row;
  return {
    csRise: row.csRise,
    ncr: row.ncr,
    initialisationUs: 1000,
    maxFrequencyHz: 30e6,
    ...(nac === undefined ? {} : { nac, registerNac: nac, blockNac: nac }),
    ...(delay === undefined ? {} : { dataResponseDelay: delay }),
    ...(busy === undefined ? {} : { busy, stopBusy: busy, eraseBusy: busy }),
  };
}
