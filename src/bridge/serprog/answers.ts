import { ACK, NAK, SERPROG } from "./opcodes.js";

/** What a programmer answers to SYNCNOP, and to nothing else. */
export const ANSWER_TO_SYNC: readonly number[] = [NAK, ACK];

/** How a programmer took a command. `data` is what came behind the ACK. */
export type SerprogAnswer =
  | { readonly kind: "acknowledged"; readonly data: Uint8Array }
  | { readonly kind: "refused" };

interface Expected {
  readonly opcode: number;
  readonly replyBytes: number;
  readonly settled: (answer: SerprogAnswer) => void;
  /** Made when the ACK has come. */
  data: Uint8Array | undefined;
  filled: number;
}

const NOTHING = new Uint8Array(0);

/**
 * Deals the bytes that come from a programmer out to the commands that were sent, in order. What belongs to none is dropped, and so is
 * all in front of the answer to a SYNCNOP: hosts send those to find the end of rubbish.
 */
export class SerprogAnswers {
  #expected: Expected[] = [];
  #droppedBytes = 0;

  /** Commands without an answer yet. */
  get open(): number {
    return this.#expected.length;
  }

  /** Bytes that belonged to no command. */
  get droppedBytes(): number {
    return this.#droppedBytes;
  }

  /** A command was sent; `replyBytes` is what its ACK is followed by. */
  expect(opcode: number, replyBytes: number, settled: (answer: SerprogAnswer) => void): void {
    if (opcode === SERPROG.syncNop) this.#expected = [];
    this.#expected.push({ opcode, replyBytes, settled, data: undefined, filled: 0 });
  }

  push(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) at += this.#take(bytes, at);
  }

  #take(bytes: Uint8Array, at: number): number {
    const head = this.#expected[0];
    if (head?.data !== undefined) return this.#fill(head, head.data, bytes, at);
    this.#begin(head, bytes[at] as number);
    return 1;
  }

  #begin(head: Expected | undefined, byte: number): void {
    if (head === undefined) this.#droppedBytes++;
    else if (head.opcode === SERPROG.syncNop) this.#sync(head, byte);
    else if (byte === NAK) this.#settle(head, { kind: "refused" });
    else if (byte !== ACK) this.#droppedBytes++;
    else if (head.replyBytes > 0) head.data = new Uint8Array(head.replyBytes);
    else this.#settle(head, { kind: "acknowledged", data: NOTHING });
  }

  #sync(head: Expected, byte: number): void {
    if (byte === ANSWER_TO_SYNC[head.filled]) head.filled++;
    else {
      this.#droppedBytes += head.filled + (byte === NAK ? 0 : 1);
      head.filled = byte === NAK ? 1 : 0;
    }
    if (head.filled === ANSWER_TO_SYNC.length)
      this.#settle(head, { kind: "acknowledged", data: NOTHING });
  }

  #fill(head: Expected, data: Uint8Array, bytes: Uint8Array, at: number): number {
    const count = Math.min(bytes.length - at, data.length - head.filled);
    data.set(bytes.subarray(at, at + count), head.filled);
    head.filled += count;
    if (head.filled === data.length) this.#settle(head, { kind: "acknowledged", data });
    return count;
  }

  #settle(head: Expected, answer: SerprogAnswer): void {
    this.#expected.shift();
    head.settled(answer);
  }
}
