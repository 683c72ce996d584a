import type { Core } from "./core.js";
import { nextBlock } from "./data-commands.js";
import type { HostInput } from "./host-input.js";
import { blockBytesLeft } from "./receiver.js";
import type { Receiving } from "./state.js";

const IDLE = 0xff;

/** One call of `exchange`, as it goes on. */
export interface Exchange {
  readonly mosi: Uint8Array | undefined;
  readonly miso: Uint8Array | undefined;
  readonly usPerByte: number;
  /** `mosi` is known to be all ones up to here. */
  onesEnd: number;
}

/** Clocks bytes through a card: one by one where something is decided, in runs where not. */
export class Clocking {
  readonly #core: Core;
  readonly #input: HostInput;

  constructor(core: Core, input: HostInput) {
    this.#core = core;
    this.#input = input;
  }

  /** Clocks some of `room` bytes from index `at`, beginning at `core.nowUs`; returns how many. */
  run(exchange: Exchange, at: number, room: number): number {
    const done = this.#bulk(exchange, at, room);
    if (done > 0) {
      this.#core.clockedBytes += done;
      this.#core.counters.clocked(this.#core.selected, done);
      return done;
    }
    this.#single(exchange, at);
    return 1;
  }

  /** What MISO shows next; undefined where nothing drives it. */
  driven(): number | undefined {
    const core = this.#core;
    if (core.has("stuck-low")) return 0;
    if (!core.listens || !core.selected) return undefined;
    if (core.state.resets === 0 && core.has("low-before-cmd0")) return 0;
    return core.out.peek(core.nowUs) ?? (core.state.busy === undefined ? undefined : 0);
  }

  /** Ends what time has ended. */
  settle(): void {
    const core = this.#core;
    core.out.settle(core.nowUs);
    if (core.out.empty && core.busyOver) core.endBusy();
    if (!core.out.empty || core.state.busy !== undefined) return;
    core.state.sending = false;
    if (core.state.reading !== undefined) nextBlock(core);
  }

  #single({ mosi, miso }: Exchange, at: number): void {
    const core = this.#core;
    this.settle();
    const byte = mosi === undefined ? IDLE : (mosi[at] as number);
    const sent = this.driven();
    this.#taken();
    if (miso !== undefined) miso[at] = sent ?? IDLE;
    core.clockedBytes++;
    core.counters.clocked(core.selected, 1);
    if (core.listens) this.#input.take(byte, sent !== undefined);
  }

  /** The byte shown has gone out. */
  #taken(): void {
    const core = this.#core;
    if (!core.listens) return;
    const { busy } = core.state;
    if (core.selected && !core.out.empty) core.out.next(core.nowUs);
    else if (busy !== undefined && busy.bytesLeft > 0) busy.bytesLeft--;
  }

  /** Runs of bytes in which nothing is decided, at once; 0 where there is none. */
  #bulk(exchange: Exchange, at: number, room: number): number {
    const core = this.#core;
    if (core.has("stuck-low")) return fill(0, exchange, at, room);
    if (!core.listens) return fill(IDLE, exchange, at, room);
    const { receiving, busy, resets } = core.state;
    if (this.#input.inFrame || (resets === 0 && core.has("low-before-cmd0"))) return 0;
    if (receiving?.collecting === true)
      return core.selected && core.out.empty && busy === undefined
        ? this.#collect(receiving, exchange, at, room)
        : 0;
    return this.#ones(exchange, at, this.#onesFrom(exchange, at, room));
  }

  #onesFrom(exchange: Exchange, at: number, room: number): number {
    const { mosi } = exchange;
    if (mosi === undefined) return room;
    if (at >= exchange.onesEnd) {
      let end = at;
      const limit = at + room;
      while (end < limit && mosi[end] === IDLE) end++;
      exchange.onesEnd = end;
    }
    return Math.min(room, exchange.onesEnd - at);
  }

  /** The host clocks ones: what is queued goes out, or time passes. */
  #ones(exchange: Exchange, at: number, room: number): number {
    const core = this.#core;
    const { state, out } = core;
    if (room <= 0) return 0;
    if (core.selected && !out.empty) return this.#sendQueued(exchange, at, room);
    if (state.busy !== undefined) return this.#stayBusy(exchange, at, room);
    if (!core.selected) state.startUpBytes += room;
    else if (state.reading?.over === false || state.sending) return 0;
    this.#input.skip(room, false);
    return fill(IDLE, exchange, at, room);
  }

  #sendQueued(exchange: Exchange, at: number, room: number): number {
    const { out } = this.#core;
    const copied = out.copy(exchange.miso, at, room);
    const count =
      copied > 0
        ? copied
        : fill(IDLE, exchange, at, Math.min(room, this.#bytesUntil(out.waitsUntil, exchange)));
    if (count > 0) this.#input.skip(count, true);
    return count;
  }

  #stayBusy(exchange: Exchange, at: number, room: number): number {
    const core = this.#core;
    const { busy } = core.state;
    if (busy === undefined) return 0;
    const whole =
      busy.bytesLeft > 0 ? busy.bytesLeft - 1 : this.#bytesUntil(busy.untilUs, exchange);
    const count = Math.min(room, whole);
    if (count <= 0) return 0;
    if (busy.bytesLeft > 0) busy.bytesLeft -= count;
    this.#input.skip(count, core.selected);
    return fill(core.selected ? 0 : IDLE, exchange, at, count);
  }

  /** Bytes that begin before that moment. */
  #bytesUntil(atUs: number | undefined, { usPerByte }: Exchange): number {
    if (atUs === undefined || atUs <= this.#core.nowUs) return 0;
    return usPerByte > 0
      ? Math.floor((atUs - this.#core.nowUs) / usPerByte)
      : Number.POSITIVE_INFINITY;
  }

  /** All but the last byte of a block: that one decides. */
  #collect(receiving: Receiving, exchange: Exchange, at: number, room: number): number {
    const count = Math.min(room, blockBytesLeft(receiving) - 1);
    if (count <= 0) return 0;
    const { inbox } = this.#core;
    if (exchange.mosi === undefined) inbox.fill(IDLE, receiving.at, receiving.at + count);
    else inbox.set(exchange.mosi.subarray(at, at + count), receiving.at);
    receiving.at += count;
    this.#input.skip(count, false);
    return fill(IDLE, exchange, at, count);
  }
}

function fill(value: number, { miso }: Exchange, at: number, count: number): number {
  miso?.fill(value, at, at + count);
  return count;
}
