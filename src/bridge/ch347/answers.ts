import { concatBytes } from "../../util/bytes.js";
import { HEAD_BYTES } from "./wire.js";

/** One answer of the chip, without its head. */
export interface AnswerFrame {
  readonly command: number;
  readonly data: Uint8Array;
}

const NONE: Uint8Array = new Uint8Array(0);

/**
 * Finds the answers in IN transfers. One comes in a transfer of its own as a rule, but ufprog has seen them split, so
 * only their heads say where they end.
 */
export class AnswerReader {
  #pending: Uint8Array = NONE;

  /** What is known of an answer that has begun and is not complete; `length` undefined: less than its head has come. */
  get head(): { readonly command: number; readonly length: number | undefined } | undefined {
    const [command, low, high] = this.#pending;
    if (command === undefined) return undefined;
    const length = low === undefined || high === undefined ? undefined : low | (high << 8);
    return { command, length };
  }

  /** Takes an IN transfer; gives the answers that are complete with it. */
  push(transfer: Uint8Array): AnswerFrame[] {
    const stream = this.#pending.length === 0 ? transfer : concatBytes([this.#pending, transfer]);
    const frames: AnswerFrame[] = [];
    let at = 0;
    while (stream.length - at >= HEAD_BYTES) {
      const end = at + HEAD_BYTES + lengthAt(stream, at);
      if (end > stream.length) break;
      frames.push({ command: stream[at] as number, data: stream.slice(at + HEAD_BYTES, end) });
      at = end;
    }
    this.#pending = stream.slice(at);
    return frames;
  }

  reset(): void {
    this.#pending = NONE;
  }
}

function lengthAt(stream: Uint8Array, at: number): number {
  return (stream[at + 1] as number) | ((stream[at + 2] as number) << 8);
}
