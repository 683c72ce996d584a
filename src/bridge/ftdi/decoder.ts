/**
 * MPSSE command streams, SIO control requests and IN packets of FTDI's FT232H, FT2232H and FT4232H, from bytes
 * to events. Pure: used by the chip model, by `trace` and in tests.
 *
 * Sources: FTDI AN_108 (opcodes), AN_135 (set-up), libftdi and Linux `ftdi_sio.h` (control requests).
 */

import { type Command, commandOf } from "./mpsse-commands.js";
import type { MpsseChip, MpsseEvent, MpssePayload } from "./mpsse-events.js";

export {
  type MpsseChip,
  type MpsseEvent,
  type MpssePayload,
  type MpsseShift,
  type MpsseWait,
  replyBytes,
} from "./mpsse-events.js";
export { decodeSio, type SioBitMode, type SioChannel, type SioRequest } from "./sio-decoder.js";
export { isStatusError, STATUS_BYTES, stripStatus } from "./status-bytes.js";

/** Where a decoder stands in its stream: plain data. */
export interface MpsseDecoderState {
  readonly offset: number;
  /** Opcode and arguments of a command not yet complete. */
  readonly head: readonly number[];
  readonly payloadLeft: number;
}

/**
 * Cuts one OUT stream into events, however it is chunked. Holds the few bytes of an incomplete command head, never
 * payload: what a shift writes is handed on as it comes.
 */
export class MpsseDecoder {
  readonly #chip: MpsseChip;
  #offset = 0;
  #payloadLeft = 0;
  #head: number[] = [];
  #command: Command | undefined;
  #used = 0;

  constructor(chip: MpsseChip) {
    this.#chip = chip;
  }

  /** Bytes taken since construction or reset. */
  get offset(): number {
    return this.#offset;
  }

  /** Payload bytes that the current shift still waits for. */
  get payloadLeft(): number {
    return this.#payloadLeft;
  }

  /** False while a command head or a payload is incomplete: the engine would wait for more. */
  get betweenCommands(): boolean {
    return this.#head.length === 0 && this.#payloadLeft === 0;
  }

  /** Bytes that the last {@link read} took. */
  get used(): number {
    return this.#used;
  }

  /** Takes bytes of `bytes[from..to)` until one event is complete; undefined if they end before. */
  read(bytes: Uint8Array, from: number, to: number): MpsseEvent | undefined {
    this.#used = 0;
    if (this.#payloadLeft > 0 && from < to) return this.#payload(bytes, from, to);
    for (let at = from; at < to; at++) {
      this.#head.push(bytes[at] as number);
      this.#take(1);
      const event = this.#completeHead();
      if (event !== undefined) return event;
    }
    return undefined;
  }

  /** Decodes all of `bytes`. */
  push(bytes: Uint8Array, emit: (event: MpsseEvent) => void): void {
    for (let at = 0; at < bytes.length; ) {
      const event = this.read(bytes, at, bytes.length);
      at += this.#used;
      if (event !== undefined) emit(event);
    }
  }

  /** As after construction: what a change of the bit mode does to the engine. */
  reset(): void {
    this.restore({ offset: 0, head: [], payloadLeft: 0 });
  }

  save(): MpsseDecoderState {
    return { offset: this.#offset, head: [...this.#head], payloadLeft: this.#payloadLeft };
  }

  restore(state: MpsseDecoderState): void {
    this.#offset = state.offset;
    this.#head = [...state.head];
    this.#payloadLeft = state.payloadLeft;
    const opcode = state.head[0];
    this.#command = opcode === undefined ? undefined : commandOf(opcode, this.#chip);
  }

  #take(count: number): void {
    this.#used += count;
    this.#offset += count;
  }

  #payload(bytes: Uint8Array, from: number, to: number): MpssePayload {
    const count = Math.min(this.#payloadLeft, to - from);
    const offset = this.#offset;
    this.#payloadLeft -= count;
    this.#take(count);
    const last = this.#payloadLeft === 0;
    return { kind: "payload", offset, bytes: bytes.subarray(from, from + count), last };
  }

  #completeHead(): MpsseEvent | undefined {
    const [opcode = 0, first = 0, second = 0] = this.#head;
    this.#command ??= commandOf(opcode, this.#chip);
    if (this.#head.length <= this.#command.arguments) return undefined;
    const event = this.#command.decode(this.#offset - this.#head.length, [first, second]);
    this.#head = [];
    this.#command = undefined;
    if (event.kind === "shift") this.#payloadLeft = event.payloadBytes;
    return event;
  }
}
