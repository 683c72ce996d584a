/**
 * The serprog protocol (flashrom serprog-protocol, version 1), from bytes to events: what a host sends, and what a programmer answers.
 * Pure: used by the board model, by `trace` and in tests.
 */

import { factsOf, SERPROG, type SerprogName } from "./opcodes.js";

export { ANSWER_TO_SYNC, type SerprogAnswer, SerprogAnswers } from "./answers.js";
export { ACK, BUS_SPI, CS_MODE, NAK, opcodeName, SERPROG, SPI_MODE } from "./opcodes.js";

/** Something that the host said. `offset` counts the bytes of its stream. */
export type SerprogEvent = SerprogCommandEvent | SerprogDataEvent | SerprogPayload | SerprogUnknown;

/** A command with all its parameters; these as one little-endian number. */
export interface SerprogCommandEvent {
  readonly kind: "command";
  readonly offset: number;
  readonly opcode: number;
  readonly name: SerprogName;
  readonly value: number;
}

/** O_SPIOP, or O_WRITEN of parallel flash: `writeLength` bytes follow as payload; none, if it is 0. */
export interface SerprogDataEvent {
  readonly kind: "spiOperation" | "writeBytes";
  readonly offset: number;
  readonly opcode: number;
  readonly writeLength: number;
  readonly readLength: number;
}

/** Data of the command before, as they come; a view. */
export interface SerprogPayload {
  readonly kind: "payload";
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly last: boolean;
}

/** An opcode that is not there: what follows it is taken for the next. */
export interface SerprogUnknown {
  readonly kind: "unknown";
  readonly offset: number;
  readonly opcode: number;
}

/**
 * Cuts the host's stream into events, however it is chunked. Holds the few bytes of an incomplete command, never data.
 * @param supports the commands that the programmer knows; default: all of version 1
 */
export class SerprogDecoder {
  readonly #supports: (opcode: number) => boolean;
  #offset = 0;
  #used = 0;
  #payloadLeft = 0;
  #head: number[] = [];

  constructor(supports: (opcode: number) => boolean = () => true) {
    this.#supports = supports;
  }

  /** Bytes taken. */
  get offset(): number {
    return this.#offset;
  }

  /** Bytes that the last {@link read} took. */
  get used(): number {
    return this.#used;
  }

  /** False while a command is incomplete: a programmer would wait for more. */
  get betweenCommands(): boolean {
    return this.#head.length === 0 && this.#payloadLeft === 0;
  }

  /** Forgets what is incomplete, as a reset of the programmer does. */
  reset(): void {
    this.#head = [];
    this.#payloadLeft = 0;
  }

  /** Decodes all of `bytes`. */
  push(bytes: Uint8Array, emit: (event: SerprogEvent) => void): void {
    for (let at = 0; at < bytes.length; at += this.#used) {
      const event = this.read(bytes, at, bytes.length);
      if (event !== undefined) emit(event);
    }
  }

  /** Takes bytes of `bytes[from..to)` until one event is complete; undefined if they end before. */
  read(bytes: Uint8Array, from: number, to: number): SerprogEvent | undefined {
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

  #take(count: number): void {
    this.#used += count;
    this.#offset += count;
  }

  #payload(bytes: Uint8Array, from: number, to: number): SerprogPayload {
    const count = Math.min(this.#payloadLeft, to - from);
    const offset = this.#offset;
    this.#take(count);
    this.#payloadLeft -= count;
    const last = this.#payloadLeft === 0;
    return { kind: "payload", offset, bytes: bytes.subarray(from, from + count), last };
  }

  #completeHead(): SerprogEvent | undefined {
    const [opcode = 0, ...parameters] = this.#head;
    const facts = this.#supports(opcode) ? factsOf(opcode) : undefined;
    if (parameters.length < (facts?.parameters ?? 0)) return undefined;
    const offset = this.#offset - this.#head.length;
    this.#head = [];
    if (facts === undefined) return { kind: "unknown", offset, opcode };
    if (opcode === SERPROG.spiOperation || opcode === SERPROG.writeBytes)
      return this.#data(offset, opcode, parameters);
    return { kind: "command", offset, opcode, name: facts.name, value: number(parameters) };
  }

  #data(offset: number, opcode: number, parameters: readonly number[]): SerprogDataEvent {
    const writeLength = number(parameters.slice(0, 3));
    const isSpi = opcode === SERPROG.spiOperation;
    const readLength = isSpi ? number(parameters.slice(3)) : 0;
    this.#payloadLeft = writeLength;
    const kind = isSpi ? "spiOperation" : "writeBytes";
    return { kind, offset, opcode, writeLength, readLength };
  }
}

/** Little-endian. */
function number(bytes: readonly number[]): number {
  return bytes.reduceRight((value, byte) => value * 256 + byte, 0);
}

/** Bytes that the answer to a command has behind its ACK. */
export function replyBytes(event: SerprogEvent): number {
  switch (event.kind) {
    case "spiOperation":
      return event.readLength;
    case "command":
      // R_NBYTES: address and length, 24 bits each.
      if (event.opcode === SERPROG.readBytes) return Math.floor(event.value / 2 ** 24);
      return factsOf(event.opcode)?.reply ?? 0;
    default:
      return 0;
  }
}
