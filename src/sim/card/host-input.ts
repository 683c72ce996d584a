import { crc7 } from "../../util/crc.js";
import type { CutState } from "./cells.js";
import { R1 } from "./codes.js";
import { runCommand } from "./commands.js";
import type { Core } from "./core.js";
import { stopTransmission } from "./data-commands.js";
import { awaitToken, blockBytesLeft, finishBlock } from "./receiver.js";
import type { Receiving } from "./state.js";

const FRAME_BYTES = 6;
const START_UP_BYTES = 10;
const IDLE = 0xff;
const RESET = 0;
const INTERFACE = 8;
const STOP = 12;
/** The specification has their CRC7 checked whatever CMD59 said. */
const CHECKED_ALWAYS: ReadonlySet<number> = new Set([RESET, INTERFACE]);
/** What a reset in the middle of programming leaves. */
const TORN_BY_RESET: CutState = "first-half";

export interface HostInputState {
  readonly frame: readonly number[];
  readonly quiet: number;
  readonly sinceSelect: number;
  readonly sinceDeselect: number;
  readonly frameFirst: boolean;
}

/** Tells apart what the host sends: commands, tokens, data, and what it must not send. */
export class HostInput {
  readonly #core: Core;
  readonly #frame = new Uint8Array(FRAME_BYTES);
  #frameAt = 0;
  /** FF bytes since the last response byte: a command needs one in front (NRC). */
  #quiet = 1;
  #sinceSelect = 0;
  #sinceDeselect = 1;
  /** The frame began directly behind the falling CS. */
  #frameFirst = false;

  constructor(core: Core) {
    this.#core = core;
  }

  /** A command has begun and is not complete. */
  get inFrame(): boolean {
    return this.#frameAt > 0;
  }

  reset(): void {
    this.#frameAt = 0;
  }

  /** CS changes: rising in the middle of something may reset the framing. */
  csChanged(selected: boolean): void {
    if (selected && this.#sinceDeselect === 0) this.#core.violation("cs-high-clocks", "CS fell");
    if (!selected) this.#csRose();
    this.#sinceSelect = 0;
    this.#sinceDeselect = 0;
    this.#quiet = 1;
  }

  #csRose(): void {
    const { state, out, options } = this.#core;
    const where = this.inFrame
      ? "a command"
      : state.receiving?.collecting === true
        ? "a block"
        : out.empty && state.reading === undefined
          ? undefined
          : "an answer";
    if (where !== undefined && this.#core.listens) this.#core.violation("cs-rise", `in ${where}`);
    if (options.csRise === "freeze") return;
    // A block under way is forgotten, its token is awaited again; so is what was being sent.
    this.#frameAt = 0;
    if (state.receiving !== undefined) state.receiving.collecting = false;
    state.sending = false;
    out.clear();
  }

  /** Bytes of FF in which nothing was decided. */
  skip(count: number, answering: boolean): void {
    this.#quiet = answering ? 0 : this.#quiet + count;
    this.#count(count);
  }

  #count(bytes: number): void {
    if (this.#core.selected) this.#sinceSelect += bytes;
    else this.#sinceDeselect += bytes;
  }

  /** @param answering the card drove MISO during this byte */
  take(byte: number, answering: boolean): void {
    const { selected, state, out } = this.#core;
    if (!selected) this.#deselected(byte);
    else if (state.busy !== undefined && out.empty) this.#whileBusy(byte);
    else if (state.receiving !== undefined) this.#receive(state.receiving, byte, answering);
    else this.#frameByte(byte, answering);
    if (selected && (answering || byte !== IDLE)) this.#quiet = 0;
    else this.#quiet++;
    this.#count(1);
  }

  #deselected(byte: number): void {
    if (byte === IDLE) this.#core.state.startUpBytes++;
  }

  #whileBusy(byte: number): void {
    const aborts = this.#core.options.resetWhileBusy === "abort";
    if (aborts && (this.inFrame || byte === (0x40 | RESET))) {
      this.#collect(byte);
      return;
    }
    if (byte !== IDLE) this.#core.violation("command-while-busy", byte.toString(16));
  }

  #receive(receiving: Receiving, byte: number, answering: boolean): void {
    if (receiving.collecting) {
      this.#core.inbox[receiving.at++] = byte;
      if (blockBytesLeft(receiving) === 0) finishBlock(this.#core, receiving);
      return;
    }
    if (this.inFrame) this.#collect(byte);
    else if (answering) this.#whileAnswering(byte);
    else if (this.#core.options.commandsInReceive === "stop" && byte === (0x40 | STOP))
      this.#startFrame(byte);
    else awaitToken(this.#core, receiving, byte, this.#quiet);
  }

  #whileAnswering(byte: number): void {
    if (byte !== IDLE) this.#core.violation("mosi-while-answering", byte.toString(16));
  }

  #frameByte(byte: number, answering: boolean): void {
    const { state, out } = this.#core;
    if (this.inFrame) this.#collect(byte);
    else if ((byte & 0xc0) !== 0x40) this.#notACommand(byte, answering);
    else if (state.reading !== undefined || (state.sending && !out.empty)) this.#interrupt(byte);
    else if (answering && !out.empty)
      this.#core.violation("command-while-answering", `CMD${byte & 0x3f}`);
    else this.#startFrame(byte);
  }

  #notACommand(byte: number, answering: boolean): void {
    if (answering) this.#whileAnswering(byte);
    else if (byte !== IDLE) this.#core.violation("junk", byte.toString(16));
  }

  /** While data goes out CMD12 may come, and a host that has lost its way may try CMD0. */
  #interrupt(byte: number): void {
    const { state } = this.#core;
    const stop = byte === (0x40 | STOP) && state.reading !== undefined;
    if (!stop) this.#core.violation("command-while-answering", `CMD${byte & 0x3f}`);
    this.#collect(byte);
  }

  #startFrame(byte: number): void {
    const index = byte & 0x3f;
    if (this.#quiet === 0) {
      this.#core.violation("nrc", `CMD${index}`);
      if (this.#core.has("needs-nrc")) return;
    }
    this.#collect(byte);
  }

  #collect(byte: number): void {
    if (this.#frameAt === 0) this.#frameFirst = this.#sinceSelect === 0;
    this.#frame[this.#frameAt++] = byte;
    if (this.#frameAt < FRAME_BYTES) return;
    this.#frameAt = 0;
    this.#execute((this.#frame[0] as number) & 0x3f);
  }

  #execute(index: number): void {
    const core = this.#core;
    if (!this.#hears(index)) return;
    if (this.#crcWrong(index)) {
      core.counters.crcErrors++;
      if (core.out.empty || core.state.reading === undefined) core.respond(R1.crc);
      return;
    }
    if (core.faults.take("no-response", index) !== undefined) return;
    const argument = new DataView(this.#frame.buffer).getUint32(1);
    if (core.state.busy !== undefined && core.out.empty) this.#abortProgramming();
    if (core.state.receiving !== undefined && index !== RESET) stopTransmission(core);
    else runCommand(core, index, argument);
  }

  /** In native mode only CMD0 is heard; while data goes out, only CMD12 and CMD0. */
  #hears(index: number): boolean {
    const { state, out, options } = this.#core;
    if (index === RESET) return this.#hearsReset();
    if (!state.spi) return false;
    if (state.busy !== undefined && out.empty) return false;
    if (index === INTERFACE && state.resets < 2 && this.#core.has("cmd8-needs-two-cmd0"))
      return false;
    if (state.reading !== undefined) return index === STOP;
    if (!state.sending || out.empty) return true;
    return index === STOP && options.stopWhileSending === "stop";
  }

  #hearsReset(): boolean {
    const core = this.#core;
    const { state, options } = core;
    if (this.#frameFirst ? core.has("cmd0-needs-ff") : core.has("cmd0-hates-ff")) return false;
    if (state.resets > 0 && core.has("cmd0-once")) return false;
    if (state.spi) return true;
    const started = state.startUpBytes >= START_UP_BYTES;
    if (!started) core.violation("start-up", `${state.startUpBytes * 8} clocks before CMD0`);
    return (started || !options.requireStartUpClocks) && !this.#crcWrong(RESET);
  }

  #crcWrong(index: number): boolean {
    const crc = (crc7(this.#frame.subarray(0, FRAME_BYTES - 1)) << 1) | 1;
    if (this.#frame[FRAME_BYTES - 1] === crc) return false;
    const checked = this.#core.state.crcOn || CHECKED_ALWAYS.has(index);
    if (!checked) this.#core.violation("unchecked-crc", `CMD${index}`);
    return checked;
  }

  #abortProgramming(): void {
    const core = this.#core;
    core.state.busy = undefined;
    core.guard(() => core.cells.cut(TORN_BY_RESET));
  }

  save(): HostInputState {
    return {
      frame: [...this.#frame.subarray(0, this.#frameAt)],
      quiet: this.#quiet,
      sinceSelect: this.#sinceSelect,
      sinceDeselect: this.#sinceDeselect,
      frameFirst: this.#frameFirst,
    };
  }

  restore(saved: HostInputState): void {
    this.#frame.set(saved.frame);
    this.#frameAt = saved.frame.length;
    this.#quiet = saved.quiet;
    this.#sinceSelect = saved.sinceSelect;
    this.#sinceDeselect = saved.sinceDeselect;
    this.#frameFirst = saved.frameFirst;
  }
}
