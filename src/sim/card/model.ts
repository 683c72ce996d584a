import { crc7 } from "../../util/crc.js";
import type { ByteTiming, SpiDevice } from "../spi-device.js";
import { type CellEvent, Cells, type CutState } from "./cells.js";
import { APPLICATION_COMMANDS, commandHandler } from "./commands.js";
import { Core, type CoreState, R1, TOKEN } from "./core.js";
import { type FlashStore, SECTOR } from "./flash.js";
import { type CardModelOptions, DEFAULT_CARD } from "./options.js";
import { awaitToken, blockBytesLeft, finishBlock } from "./receiver.js";
import { makeRegisters } from "./registers.js";
import { type Violation, ViolationLog } from "./violations.js";

const FRAME = 6;
const START_UP_BYTES = 10;
const IDLE = 0xff;
/** In state `ready` these may be sent while a stream of blocks comes. */
const STOP = 12;
const RESET = 0;
const CHECKED_ALWAYS = new Set([0, 8]);

/** Everything that a run can change, for {@link SdCardModel.restore}. */
export interface CardSnapshot {
  readonly state: CoreState;
  readonly frame: readonly number[];
  readonly inbox: Uint8Array;
  readonly out: unknown;
  readonly cells: unknown;
  readonly selected: boolean;
  readonly quiet: number;
}

/**
 * A strict SD or MMC card in SPI mode (SD Physical Layer chapter 7), byte in, byte out. It shares no code with the host
 * side but the checksums. What the specification leaves open are options.
 */
export class SdCardModel implements SpiDevice {
  readonly options: CardModelOptions;
  readonly #core: Core;
  readonly #log = new ViolationLog();
  readonly #frame = new Uint8Array(FRAME);
  #frameAt = 0;
  #selected = false;
  /** FF bytes since the last response byte: a command needs one in front (NRC). */
  #quiet = 1;
  #cut: { readonly atByte: number; readonly state: CutState } | undefined;
  #cutAtWrite: { readonly accepted: number; readonly state: CutState } | undefined;

  constructor(flash: FlashStore, options: Partial<CardModelOptions> = {}, cid?: Uint8Array) {
    this.options = { ...DEFAULT_CARD, ...options };
    const wrap = this.options.quirks.includes("counterfeit")
      ? Math.ceil(flash.sectorCount / 2)
      : flash.sectorCount;
    this.#core = new Core(
      this.options,
      makeRegisters(this.options, flash.sectorCount, cid),
      new Cells(flash, wrap),
    );
  }

  get violations(): readonly Violation[] {
    return this.#log.all;
  }

  /** Bytes clocked since the model was made, with CS high or low. */
  get clockedBytes(): number {
    return this.#core.clockedBytes;
  }

  get cells(): Cells {
    return this.#core.cells;
  }

  /** The state as a judge sees it: nothing under way, ready for any command. */
  get inTransferState(): boolean {
    const { power, ready, receiving, reading, sending, busy } = this.#core.state;
    return (
      power &&
      ready &&
      receiving === undefined &&
      reading === undefined &&
      !sending &&
      busy === undefined &&
      this.#frameAt === 0
    );
  }

  get crcOn(): boolean {
    return this.#core.state.crcOn;
  }

  get registers(): { readonly cid: Uint8Array; readonly csd: Uint8Array } {
    return this.#core.registers;
  }

  /** Power goes when byte number `atByte` (from now on, counting from 0) would be clocked. */
  cutPowerAt(atByte: number, state: CutState): void {
    this.#cut = { atByte: this.#core.clockedBytes + atByte, state };
  }

  /** Power goes as soon as the sector number `count` (from now on, counting from 1) is being programmed. */
  cutPowerAtWrite(count: number, state: CutState): void {
    this.#cutAtWrite = { accepted: this.#core.cells.accepted + count, state };
  }

  /** From here on the changes of the cells are written down. */
  startJournal(): readonly CellEvent[] {
    return this.#core.cells.startJournal();
  }

  get powered(): boolean {
    return this.#core.state.power;
  }

  /** Off and on again: native mode, everything but the cells forgotten; a password locks again. */
  powerCycle(): void {
    const { password } = this.#core.state;
    this.#powerOff("old");
    this.#cut = undefined;
    this.#core.state = {
      ...this.#core.poweredUp(),
      password,
      locked: password.length > 0 || this.options.locked,
    };
  }

  #powerOff(state: CutState): void {
    this.#core.cells.cut(state);
    this.#core.finishPreErase();
    this.#core.dropTransfer();
    this.#core.state = { ...this.#core.poweredUp(), power: false };
    this.#frameAt = 0;
  }

  setCs(level: "high" | "low"): void {
    const selected = level === "low";
    if (selected === this.#selected) return;
    this.#selected = selected;
    this.#quiet = 1;
    if (!selected && this.options.csRise === "reset") this.#resetFraming();
  }

  /** A block under way is forgotten (its token is awaited again), and so is what was being sent. */
  #resetFraming(): void {
    const { state, out } = this.#core;
    this.#frameAt = 0;
    if (state.receiving !== undefined) state.receiving.collecting = false;
    if (state.receiving === undefined && state.busy === undefined) {
      out.clear();
      state.sending = false;
    }
  }

  peek(atUs: number): number {
    this.#core.nowUs = atUs;
    this.#settle();
    return this.#driven(atUs) ?? IDLE;
  }

  /** What MISO shows next; undefined where nothing drives it. */
  #driven(atUs: number): number | undefined {
    const { state, out } = this.#core;
    if (this.#core.has("stuck-low")) return 0;
    if (!this.#listens || !this.#selected) return undefined;
    return out.peek(atUs) ?? (state.busy === undefined ? undefined : 0);
  }

  get #listens(): boolean {
    const { quirks } = this.options;
    return this.#core.state.power && !quirks.includes("absent") && !quirks.includes("uhs-left-on");
  }

  exchange(
    mosi: Uint8Array | undefined,
    miso: Uint8Array | undefined,
    length: number,
    timing: ByteTiming,
  ): void {
    this.#checkClock(timing);
    for (let at = 0; at < length; ) {
      const nowUs = timing.startUs + at * timing.usPerByte;
      this.#core.nowUs = nowUs;
      const room = this.#roomBeforeCut(length - at);
      const done = room > 0 ? this.#bulk(mosi, miso, at, room, timing.usPerByte) : 0;
      if (done > 0) this.#core.clockedBytes += done;
      else this.#single(mosi, miso, at, nowUs);
      at += Math.max(1, done);
    }
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

  #checkClock({ usPerByte }: ByteTiming): void {
    const hz = 8e6 / usPerByte;
    const slow = this.options.maxIdentificationHz;
    if (hz > this.options.maxFrequencyHz * 1.001)
      this.#log.add("clock", this.clockedBytes, `${Math.round(hz)} Hz`);
    if (slow > 0 && !this.#core.state.ready && this.#selected && hz > slow * 1.001)
      this.#log.add("identification-clock", this.clockedBytes, `${Math.round(hz)} Hz`);
  }

  /** Runs of bytes in which nothing is decided, at once; 0 where there is none. */
  #bulk(
    mosi: Uint8Array | undefined,
    miso: Uint8Array | undefined,
    at: number,
    room: number,
    usPerByte: number,
  ): number {
    if (!this.#listens || this.#frameAt > 0 || this.#core.has("stuck-low")) return 0;
    const { state, out } = this.#core;
    if (mosi === undefined)
      return state.receiving?.collecting === true ? 0 : this.#bulkOnes(miso, at, room, usPerByte);
    if (
      this.#selected &&
      state.receiving?.collecting === true &&
      out.empty &&
      state.busy === undefined
    ) {
      return this.#collect(state.receiving, mosi, miso, at, room);
    }
    return 0;
  }

  /** The host clocks ones: what is queued goes out, or time passes. */
  #bulkOnes(miso: Uint8Array | undefined, at: number, room: number, usPerByte: number): number {
    const { state, out } = this.#core;
    if (this.#selected && !out.empty) {
      this.#quiet = 0;
      const copied = out.copy(miso, at, room);
      return copied > 0
        ? copied
        : this.#fill(IDLE, miso, at, Math.min(room, this.#bytesUntil(out.waitsUntil, usPerByte)));
    }
    if (state.busy !== undefined) {
      if (state.busy.bytesLeft > 0) return 0;
      return this.#fill(
        this.#selected ? 0 : IDLE,
        miso,
        at,
        Math.min(room, this.#bytesUntil(state.busy.untilUs, usPerByte)),
      );
    }
    if (!this.#selected) state.startUpBytes += room;
    else if (state.reading !== undefined) return 0;
    else this.#settle();
    this.#quiet += room;
    return this.#fill(IDLE, miso, at, room);
  }

  #bytesUntil(atUs: number | undefined, usPerByte: number): number {
    if (atUs === undefined || atUs <= this.#core.nowUs) return 0;
    return usPerByte > 0
      ? Math.floor((atUs - this.#core.nowUs) / usPerByte)
      : Number.POSITIVE_INFINITY;
  }

  #fill(value: number, miso: Uint8Array | undefined, at: number, count: number): number {
    miso?.fill(value, at, at + count);
    return count;
  }

  /** All but the last byte of a block: that one decides. */
  #collect(
    receiving: NonNullable<CoreState["receiving"]>,
    mosi: Uint8Array,
    miso: Uint8Array | undefined,
    at: number,
    room: number,
  ): number {
    const count = Math.min(room, blockBytesLeft(receiving) - 1);
    if (count <= 0) return 0;
    this.#core.inbox.set(mosi.subarray(at, at + count), receiving.at);
    receiving.at += count;
    miso?.fill(IDLE, at, at + count);
    return count;
  }

  #single(
    mosi: Uint8Array | undefined,
    miso: Uint8Array | undefined,
    at: number,
    nowUs: number,
  ): void {
    this.#settle();
    const byte = mosi === undefined ? IDLE : (mosi[at] as number);
    const sent = this.#send(nowUs);
    if (miso !== undefined) miso[at] = sent ?? IDLE;
    this.#core.clockedBytes++;
    if (this.#listens) this.#take(byte, sent !== undefined);
    if (this.#cutAtWrite !== undefined && this.#core.cells.accepted >= this.#cutAtWrite.accepted) {
      this.#powerOff(this.#cutAtWrite.state);
      this.#cutAtWrite = undefined;
    }
  }

  /** Ends what time has ended. */
  #settle(): void {
    const { out } = this.#core;
    if (out.empty && this.#core.busyOver) this.#core.endBusy();
    if (!out.empty || this.#core.state.busy !== undefined) return;
    this.#core.state.sending = false;
    if (this.#core.state.reading !== undefined) this.#nextBlock(this.#core.state.reading);
  }

  /** The next block of a stream; behind the last one, an error token. */
  #nextBlock(address: number): void {
    const { blockLength } = this.#core.state;
    if (address + blockLength > this.#core.sectorCount * SECTOR) {
      this.#core.out.bytes(Uint8Array.of(TOKEN.outOfRange));
      return;
    }
    this.#core.state.reading = address + blockLength;
    this.#core.sendBlock(this.#core.readBytes(address, blockLength), { bytes: 0 });
    this.#core.out.fill(IDLE, this.options.gap);
  }

  /** The byte that goes out, taken; undefined where nothing is driven. */
  #send(nowUs: number): number | undefined {
    const driven = this.#driven(nowUs);
    const { state, out } = this.#core;
    if (this.#core.has("stuck-low") || !this.#listens) return driven;
    const fromQueue = this.#selected && !out.empty;
    if (fromQueue) out.next(nowUs);
    else if (state.busy !== undefined && state.busy.bytesLeft > 0) state.busy.bytesLeft--;
    return driven;
  }

  #take(byte: number, answering: boolean): void {
    if (!this.#selected) this.#countStartUp(byte);
    else if (this.#core.state.busy !== undefined && this.#core.out.empty) this.#whileBusy(byte);
    else if (this.#core.state.receiving !== undefined) this.#receive(byte);
    else this.#frameByte(byte, answering);
    if (this.#selected && (answering || byte !== IDLE)) this.#quiet = 0;
    else this.#quiet++;
  }

  #countStartUp(byte: number): void {
    if (byte === IDLE) this.#core.state.startUpBytes++;
  }

  #whileBusy(byte: number): void {
    if (byte !== IDLE) this.#log.add("command-while-busy", this.clockedBytes, byte.toString(16));
  }

  #receive(byte: number): void {
    const { receiving } = this.#core.state;
    if (receiving === undefined) return;
    if (!receiving.collecting) {
      if (
        this.#frameAt > 0 ||
        (this.options.commandsInReceive === "stop" && byte === (0x40 | STOP))
      )
        this.#collectFrame(byte);
      else awaitToken(this.#core, receiving, byte);
      return;
    }
    this.#core.inbox[receiving.at++] = byte;
    if (blockBytesLeft(receiving) === 0) finishBlock(this.#core, receiving);
  }

  #frameByte(byte: number, answering: boolean): void {
    if (this.#frameAt > 0) this.#collectFrame(byte);
    else if ((byte & 0xc0) === 0x40) this.#startFrame(byte, answering);
    else if (byte !== IDLE)
      this.#log.add(
        answering ? "mosi-while-answering" : "junk",
        this.clockedBytes,
        byte.toString(16),
      );
  }

  #startFrame(byte: number, answering: boolean): void {
    const streaming = this.#core.state.reading !== undefined;
    if (this.#quiet === 0 && !answering) {
      this.#log.add("nrc", this.clockedBytes, `CMD${byte & 0x3f}`);
      if (this.#core.has("needs-nrc")) return;
    }
    if (answering && !streaming && !this.#core.out.empty)
      this.#log.add("command-while-answering", this.clockedBytes, `CMD${byte & 0x3f}`);
    this.#collectFrame(byte);
  }

  #collectFrame(byte: number): void {
    this.#frame[this.#frameAt++] = byte;
    if (this.#frameAt < FRAME) return;
    this.#frameAt = 0;
    this.#execute();
  }

  #execute(): void {
    const index = (this.#frame[0] as number) & 0x3f;
    const argument = new DataView(this.#frame.buffer).getUint32(1);
    const core = this.#core;
    if (!this.#hears(index)) return;
    if (this.#crcWrong(index)) {
      if (core.out.empty || core.state.reading === undefined) core.respond(R1.crc);
      return;
    }
    if (core.state.receiving !== undefined) this.#stopReceiving();
    else this.#run(index, argument);
  }

  /** In native mode only CMD0 is heard; while data goes out, only CMD12 and CMD0. */
  #hears(index: number): boolean {
    const { state, out } = this.#core;
    if (!state.spi) return index === RESET && this.#startedUp && !this.#crcWrong(index);
    if (state.reading !== undefined) return index === STOP || index === RESET;
    return !(state.sending && !out.empty) || index === RESET;
  }

  get #startedUp(): boolean {
    return !this.options.requireStartUpClocks || this.#core.state.startUpBytes >= START_UP_BYTES;
  }

  #crcWrong(index: number): boolean {
    if (!this.#core.state.crcOn && !CHECKED_ALWAYS.has(index)) return false;
    return this.#frame[FRAME - 1] !== ((crc7(this.#frame.subarray(0, FRAME - 1)) << 1) | 1);
  }

  /** CMD12 to a card that waits for a token, where the card obeys it there. */
  #stopReceiving(): void {
    this.#core.finishPreErase();
    this.#core.state.receiving = undefined;
    this.#core.out.bytes(Uint8Array.of(0x2a));
    this.#core.respond(0);
    this.#core.startBusy(this.options.stopBusy);
  }

  #run(index: number, argument: number): void {
    const core = this.#core;
    const application = core.state.app && index !== 55;
    core.state.app = false;
    const armed =
      core.state.eraseStart !== undefined && !application && ![13, 33, 36, 38].includes(index);
    const handler =
      (application ? this.#applicationHandler(index) : undefined) ?? commandHandler(core, index);
    if (armed)
      Object.assign(core.state, {
        eraseStart: undefined,
        eraseEnd: undefined,
        r1Once: R1.eraseReset,
      });
    if (handler === undefined) core.respond(R1.illegal);
    else handler(core, argument);
  }

  #applicationHandler(index: number): ((core: Core, argument: number) => void) | undefined {
    if (!this.#core.state.ready && index !== 41) return undefined;
    return APPLICATION_COMMANDS[index];
  }

  snapshot(): CardSnapshot {
    return {
      state: structuredClone(this.#core.state),
      frame: [...this.#frame.subarray(0, this.#frameAt)],
      inbox: this.#core.inbox.slice(),
      out: this.#core.out.save(),
      cells: this.#core.cells.save(),
      selected: this.#selected,
      quiet: this.#quiet,
    };
  }

  /** The cells are restored apart (a {@link MemoryFlash} has its own snapshot). */
  restore(snapshot: CardSnapshot): void {
    this.#core.state = structuredClone(snapshot.state);
    this.#frame.set(snapshot.frame);
    this.#frameAt = snapshot.frame.length;
    this.#core.inbox.set(snapshot.inbox);
    this.#core.out.restore(snapshot.out);
    this.#core.cells.restore(snapshot.cells);
    this.#selected = snapshot.selected;
    this.#quiet = snapshot.quiet;
    this.#cut = undefined;
  }
}

/** A card model over a flash store, with {@link DEFAULT_CARD} where nothing is said. */
export function createCardModel(
  flash: FlashStore,
  options: Partial<CardModelOptions> = {},
  cid?: Uint8Array,
): SdCardModel {
  return new SdCardModel(flash, options, cid);
}
