import { deserialize, serialize } from "node:v8";
import type { PanicVerdict } from "../block/panic.js";
import type { PanicReport } from "./panic.js";

/** Where the worker is. Only {@link PanicMailbox.post} moves `armed` to `fired`; all else is the worker's. */
const STATES = ["starting", "armed", "fired", "answered", "closing", "closed", "failed"] as const;
export type MailboxState = (typeof STATES)[number];

/** What the worker found: a report, or why there is none. Plain data. */
export type MailboxReply =
  | { readonly report: PanicReport }
  | { readonly error: NonNullable<PanicVerdict["error"]> };

/** A record that is to be written. */
export interface MailboxRequest {
  readonly text: Uint8Array;
  /** 1 Panic, 2 Oops, 3 Emergency, 4 Shutdown. */
  readonly reason: number;
  /** On the clock of the process ({@link import("../util/clock.js").RealClock}), in µs. */
  readonly deadlineUs: number;
}

/** What the worker is asked for. */
const WISHES = ["none", "fire", "stop"] as const;
export type MailboxWish = (typeof WISHES)[number];

const WORD = { state: 0, wish: 1, textLength: 2, reason: 3, replyLength: 4 } as const;
const WORDS = 8;
const WORDS_BYTES = WORDS * Int32Array.BYTES_PER_ELEMENT;
const HEAD_BYTES = WORDS_BYTES + BigInt64Array.BYTES_PER_ELEMENT;
const REPLY_BYTES = 16_384;
const NEWLINE = 0x0a;
const NO_REPLY: MailboxReply = {
  error: { code: "INTERNAL", message: "the panic worker left no reply that can be read" },
};

/** The part of ES2024's Atomics that is used: Node 20 has it, its type library for ES2023 has not. */
interface AsyncAtomics {
  waitAsync(
    words: Int32Array,
    index: number,
    value: number,
    timeoutMs: number,
  ): { readonly value: string | Promise<string> };
}

/**
 * Memory that a program and the worker that owns its card share: one record to be written, one reply. All memory is taken when it
 * is made, so that a program that is dying, perhaps of too little memory, needs none.
 *
 * Layout, native byte order: eight 32-bit words ({@link WORD}), the deadline (64 bits, µs), 16 KiB for the reply, the text. What is
 * not atomic is written before the state or wish that makes it valid.
 */
export class PanicMailbox {
  readonly #words: Int32Array;
  readonly #deadline: BigInt64Array;
  readonly #reply: Uint8Array;
  readonly #text: Uint8Array;

  /** @param shared made by {@link createPanicMemory} */
  constructor(shared: SharedArrayBuffer) {
    this.#words = new Int32Array(shared, 0, WORDS);
    this.#deadline = new BigInt64Array(shared, WORDS_BYTES, 1);
    this.#reply = new Uint8Array(shared, HEAD_BYTES, REPLY_BYTES);
    this.#text = new Uint8Array(shared, HEAD_BYTES + REPLY_BYTES);
  }

  get state(): MailboxState {
    return STATES[Atomics.load(this.#words, WORD.state)] ?? "failed";
  }

  get wish(): MailboxWish {
    return WISHES[Atomics.load(this.#words, WORD.wish)] ?? "none";
  }

  /** Asks for a record. Of a text that is too long the newest whole lines are kept. False unless the worker is armed. */
  post(request: MailboxRequest): boolean {
    if (!this.#leaveArmed("fired")) return false;
    const kept = newestLines(request.text, this.#text.length);
    this.#text.set(kept);
    this.#deadline[0] = BigInt(Math.round(request.deadlineUs));
    this.#words[WORD.textLength] = kept.length;
    this.#words[WORD.reason] = request.reason;
    this.want("fire");
    return true;
  }

  /** From here on nothing can be posted. False if something has been: it is there once the wish is `fire`. */
  retire(): boolean {
    return this.#leaveArmed("closing");
  }

  #leaveArmed(to: MailboxState): boolean {
    const armed = STATES.indexOf("armed");
    return Atomics.compareExchange(this.#words, WORD.state, armed, STATES.indexOf(to)) === armed;
  }

  /** What {@link post} left, copied; valid once the wish is `fire`. */
  request(): MailboxRequest {
    return {
      text: this.#text.slice(0, this.#words[WORD.textLength]),
      reason: this.#words[WORD.reason] ?? 0,
      deadlineUs: Number(this.#deadline[0]),
    };
  }

  /** Wakes the worker. */
  want(wish: MailboxWish): void {
    Atomics.store(this.#words, WORD.wish, WISHES.indexOf(wish));
    Atomics.notify(this.#words, WORD.wish);
  }

  /** Wakes who waits for the worker. */
  moveTo(state: MailboxState): void {
    Atomics.store(this.#words, WORD.state, STATES.indexOf(state));
    Atomics.notify(this.#words, WORD.state);
  }

  leaveReply(reply: MailboxReply): void {
    const bytes = serialize(reply);
    const fitting = bytes.length <= REPLY_BYTES ? bytes : serialize(NO_REPLY);
    this.#words[WORD.replyLength] = fitting.length;
    this.#reply.set(fitting);
  }

  /** Valid once the worker has answered or failed. */
  takeReply(): MailboxReply {
    if (this.#words[WORD.replyLength] === 0) return NO_REPLY;
    return deserialize(this.#reply.slice(0, this.#words[WORD.replyLength]));
  }

  /** Blocks this thread until the state is another one, at most so long. */
  waitWhile(state: MailboxState, ms: number): void {
    Atomics.wait(this.#words, WORD.state, STATES.indexOf(state), ms);
  }

  /** As {@link waitWhile}, without blocking. Does not keep the process alive. */
  async leave(state: MailboxState, ms: number): Promise<void> {
    await this.#waitAsync(WORD.state, STATES.indexOf(state), ms);
  }

  /** Until somebody wants something else, at most so long. Does not keep the thread alive. */
  async leaveWish(wish: MailboxWish, ms: number): Promise<void> {
    await this.#waitAsync(WORD.wish, WISHES.indexOf(wish), ms);
  }

  async #waitAsync(index: number, value: number, ms: number): Promise<void> {
    await (Atomics as unknown as AsyncAtomics).waitAsync(this.#words, index, value, ms).value;
  }
}

/**
 * The memory of a {@link PanicMailbox}, to be handed to the worker as `workerData`.
 * @param maxTextBytes longest log that can be handed over; default 1 MiB, more than zones of 256 KiB can hold
 */
export function createPanicMemory(maxTextBytes: number = 1 << 20): SharedArrayBuffer {
  return new SharedArrayBuffer(HEAD_BYTES + REPLY_BYTES + maxTextBytes);
}

function newestLines(text: Uint8Array, most: number): Uint8Array {
  if (text.length <= most) return text;
  const from = text.length - most;
  const newline = text.indexOf(NEWLINE, from - 1);
  return text.subarray(newline < 0 || newline === text.length - 1 ? from : newline + 1);
}
