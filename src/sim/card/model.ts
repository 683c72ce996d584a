import type { ByteTiming, SpiDevice } from "../spi-device.js";
import {
  type CellEvent,
  Cells,
  type CellsState,
  type CutState,
  type PowerCutStates,
} from "./cells.js";
import { Clocking, type Exchange } from "./clocking.js";
import { Core } from "./core.js";
import type { CardCounters } from "./counters.js";
import type { CardFault } from "./faults.js";
import type { FlashSnapshot, FlashStore } from "./flash.js";
import { HostInput, type HostInputState } from "./host-input.js";
import { type CardModelOptions, completeOptions } from "./options.js";
import type { OutputState } from "./output.js";
import { type CardRegisters, makeRegisters } from "./registers.js";
import { BitShift } from "./shift.js";
import { type CoreState, copyState } from "./state.js";
import type { Violation, ViolationRule } from "./violations.js";

const IDLE = 0xff;
const HIGH_SPEED_HZ = 50_000_000;
/** Rounding of a clock's period is no violation. */
const CLOCK_SLACK = 1.001;

/** Everything that a run can change, for {@link SdCardModel.restore}; counters and wear of reads go on. */
export interface CardSnapshot {
  readonly state: CoreState;
  readonly input: HostInputState;
  readonly inbox: Uint8Array;
  readonly out: OutputState;
  readonly cells: CellsState;
  readonly faults: readonly CardFault[];
  readonly violations: readonly Violation[];
  readonly selected: boolean;
  readonly shift: number;
  readonly clockedBytes: number;
  /** Undefined for a store that cannot be kept (a file): its owner restores it. */
  readonly flash: FlashSnapshot | undefined;
}

/**
 * A strict SD or MMC card in SPI mode (SD Physical Layer chapter 7), byte in, byte out. It shares no code with the host
 * side but the checksums. What the specification leaves open are options.
 */
export class SdCardModel implements SpiDevice {
  readonly options: CardModelOptions;
  readonly #core: Core;
  readonly #input: HostInput;
  readonly #clocking: Clocking;
  readonly #shift: BitShift;
  #cut: { readonly atByte: number; readonly state: CutState } | undefined;
  #cutAtWrite: { readonly accepted: number; readonly state: CutState } | undefined;
  /** The clock, in Hz, that breaks each rule at present. */
  readonly #tooFast = new Map<ViolationRule, number>();

  /** @throws UsageError for options that no card has, or a capacity that no CSD of the kind can say */
  constructor(flash: FlashStore, given: Partial<CardModelOptions> = {}, cid?: Uint8Array) {
    const filled = completeOptions(given);
    const asked =
      cid === undefined ? filled : { ...filled, registers: { ...filled.registers, cid } };
    const counterfeit = asked.quirks.includes("counterfeit");
    const wrap = counterfeit ? Math.ceil(flash.sectorCount / 2) : flash.sectorCount;
    const registers = makeRegisters(asked, flash.sectorCount);
    this.#core = new Core(asked, registers, new Cells(flash, wrap, asked.erasedByte));
    const { maxFrequencyHz = this.#core.facts.maxFrequencyHz } = given;
    this.options = { ...asked, maxFrequencyHz };
    this.#core.state.dead = asked.quirks.includes("uhs-left-on");
    this.#input = new HostInput(this.#core);
    this.#clocking = new Clocking(this.#core, this.#input);
    this.#shift = new BitShift(asked.bitShift);
  }

  /** What the host did that a correct one does not do. */
  get violations(): readonly Violation[] {
    return this.#core.log.all;
  }

  get counters(): CardCounters {
    return this.#core.counters;
  }

  resetCounters(): void {
    this.#core.counters.reset();
  }

  /** Bytes clocked since the model was made, with CS high or low. */
  get clockedBytes(): number {
    return this.#core.clockedBytes;
  }

  get cells(): Cells {
    return this.#core.cells;
  }

  get registers(): Pick<CardRegisters, "cid" | "csd"> {
    return { cid: this.#core.registers.cid, csd: this.#core.state.csd };
  }

  get crcOn(): boolean {
    return this.#core.state.crcOn;
  }

  get powered(): boolean {
    return this.#core.state.power;
  }

  /** Why the card told of an error of its own: the store behind the cells failed. */
  get storeError(): Error | undefined {
    return this.#core.storeError;
  }

  /** The state as a judge sees it: nothing under way, ready for any command. */
  get inTransferState(): boolean {
    const { power, ready, receiving, reading, sending, busy, app, dead } = this.#core.state;
    const sendingStill = sending && !this.#core.out.empty;
    const waiting = receiving !== undefined || reading !== undefined || sendingStill;
    const settled = busy === undefined || (this.#core.out.empty && this.#core.busyOver);
    return power && ready && !dead && !app && !waiting && settled && !this.#input.inFrame;
  }

  /** Trouble of single sectors or commands, from now on. */
  inject(fault: CardFault): void {
    this.#core.faults.add(fault);
  }

  /** Power goes when byte number `atByte` (from now on, counting from 0) would be clocked. */
  cutPowerAt(atByte: number, state: CutState): void {
    this.#cut = { atByte: this.#core.clockedBytes + atByte, state };
  }

  /** Power goes as soon as the sector number `count` (from now on, counting from 1) is being programmed. */
  cutPowerAtWrite(count: number, state: CutState): void {
    this.#cutAtWrite = { accepted: this.#core.cells.accepted + count, state };
  }

  /** What the cells may hold if power goes before the next byte: cheap, so that one run lists all its cuts. */
  powerCutStates(): PowerCutStates {
    return this.#core.cells.powerCutStates;
  }

  /** From here on the changes of the cells are written down. */
  startJournal(): readonly CellEvent[] {
    return this.#core.cells.startJournal();
  }

  /** Off and on again: native mode, everything but the cells forgotten; a password locks again. */
  powerCycle(): void {
    this.#powerOff("old");
    this.#cut = undefined;
    this.#cutAtWrite = undefined;
    this.#core.state = this.#core.poweredUp();
  }

  #powerOff(state: CutState): void {
    const core = this.#core;
    core.guard(() => core.cells.cut(state));
    core.dropTransfer();
    core.state = { ...core.poweredUp(), power: false };
    this.#input.reset();
  }

  setCs(level: "high" | "low"): void {
    const selected = level === "low";
    if (selected === this.#core.selected) return;
    this.#input.csChanged(selected);
    this.#core.selected = selected;
    this.#shift.reset();
  }

  peek(atUs: number): number {
    this.#core.nowUs = atUs;
    if (this.#core.listens) this.#clocking.settle();
    const byte = this.#clocking.driven() ?? IDLE;
    return this.#shift.on ? this.#shift.peek(byte) : byte;
  }

  exchange(
    mosi: Uint8Array | undefined,
    miso: Uint8Array | undefined,
    length: number,
    timing: ByteTiming,
  ): void {
    this.#checkClock(timing);
    const shown = miso ?? (this.#shift.on ? new Uint8Array(length) : undefined);
    const { usPerByte } = timing;
    const exchange: Exchange = { mosi, miso: shown, usPerByte, onesEnd: 0 };
    for (let at = 0; at < length; ) {
      this.#core.nowUs = timing.startUs + at * usPerByte;
      at += this.#clocking.run(exchange, at, this.#roomBeforeCut(length - at));
      this.#cutAfterWrite();
    }
    if (this.#shift.on && shown !== undefined) this.#shift.apply(shown, length);
  }

  #roomBeforeCut(length: number): number {
    if (this.#cut === undefined) return length;
    const left = this.#cut.atByte - this.#core.clockedBytes;
    if (left > 0) return Math.min(length, left);
    const { state } = this.#cut;
    this.#cut = undefined;
    this.#powerOff(state);
    return length;
  }

  #cutAfterWrite(): void {
    const cut = this.#cutAtWrite;
    if (cut === undefined || this.#core.cells.accepted < cut.accepted) return;
    this.#cutAtWrite = undefined;
    this.#powerOff(cut.state);
  }

  #checkClock({ usPerByte }: ByteTiming): void {
    const core = this.#core;
    const hz = 8e6 / usPerByte / CLOCK_SLACK;
    const { maxFrequencyHz, maxIdentificationHz } = this.options;
    const highest = core.state.highSpeed ? Math.max(maxFrequencyHz, HIGH_SPEED_HZ) : maxFrequencyHz;
    const early = !core.state.ready && core.selected && core.listens && maxIdentificationHz > 0;
    this.#clockRule("clock", hz, hz > highest);
    this.#clockRule("identification-clock", hz, early && hz > maxIdentificationHz);
  }

  /** A clock that stays wrong is one violation, however many calls it lasts. */
  #clockRule(rule: "clock" | "identification-clock", hz: number, broken: boolean): void {
    if (broken && this.#tooFast.get(rule) !== hz)
      this.#core.violation(rule, `${Math.round(hz)} Hz`);
    if (broken) this.#tooFast.set(rule, hz);
    else this.#tooFast.delete(rule);
  }

  snapshot(): CardSnapshot {
    const core = this.#core;
    return {
      state: copyState(core.state),
      input: this.#input.save(),
      inbox: core.inbox.slice(),
      out: core.out.save(),
      cells: core.cells.save(),
      faults: core.faults.save(),
      violations: [...core.log.all],
      selected: core.selected,
      shift: this.#shift.save(),
      clockedBytes: core.clockedBytes,
      flash: core.cells.flash.snapshot?.(),
    };
  }

  /** Back to a {@link snapshot} of this model or of one made alike; power cuts that were ordered are forgotten. */
  restore(snapshot: CardSnapshot): void {
    const core = this.#core;
    core.state = copyState(snapshot.state);
    this.#input.restore(snapshot.input);
    core.inbox.set(snapshot.inbox);
    core.out.restore(snapshot.out);
    core.cells.restore(snapshot.cells);
    core.faults.restore(snapshot.faults);
    core.log.restore(snapshot.violations);
    core.selected = snapshot.selected;
    this.#shift.restore(snapshot.shift);
    core.clockedBytes = snapshot.clockedBytes;
    if (snapshot.flash !== undefined) core.cells.flash.restore?.(snapshot.flash);
    this.#cut = undefined;
    this.#cutAtWrite = undefined;
    this.#tooFast.clear();
  }
}

/**
 * A card model over a flash store, with {@link DEFAULT_CARD} where nothing is said.
 * @throws UsageError as the constructor of {@link SdCardModel}
 */
export function createCardModel(
  flash: FlashStore,
  options: Partial<CardModelOptions> = {},
  cid?: Uint8Array,
): SdCardModel {
  return new SdCardModel(flash, options, cid);
}
