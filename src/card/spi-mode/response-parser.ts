import type { ReceiveParser } from "../../spi/bridge.js";
import type { ResponseKind } from "../../spi/card-bus.js";
import { R1_ERRORS } from "../r1.js";

/** NCR is 0..8 bytes by the specifications; Linux waits for 16. */
const MAX_RESPONSE_WAIT = 16;

const TAIL_BYTES: Readonly<Record<ResponseKind, number>> = { R1: 0, R1b: 0, R2: 1, R3: 4, R7: 4 };

export interface ResponseOptions {
  /** Bytes dropped first: the stuff byte of CMD12. */
  readonly skip?: number;
  /** R1 bits that end in `failed`: a transfer cannot go on with them. */
  readonly refuse?: number;
}

/** R1, the first byte with bit 7 clear, and what follows it. Reused: {@link expect} starts anew. */
export class ResponseParser implements ReceiveParser {
  status: "more" | "done" | "failed" = "more";
  /** Undefined: none came. */
  r1: number | undefined;
  readonly #tail = new Uint8Array(4);
  #tailBytes = 0;
  #tailTaken = 0;
  #skip = 0;
  #refuse = 0;
  #waited = 0;

  expect(kind: ResponseKind, options: ResponseOptions = {}): this {
    this.status = "more";
    this.r1 = undefined;
    this.#tailBytes = TAIL_BYTES[kind];
    this.#tailTaken = 0;
    this.#skip = options.skip ?? 0;
    this.#refuse = options.refuse ?? 0;
    this.#waited = 0;
    return this;
  }

  /** What followed R1; a copy. */
  get extra(): Uint8Array {
    return this.#tail.slice(0, this.#tailTaken);
  }

  /** Bytes that follow R1 if the command is executed. */
  get tailBytes(): number {
    return this.#tailBytes;
  }

  /** Bytes between the command's end (or stuff byte) and R1, R1 included: what a hint has to cover. */
  get responseBytes(): number {
    return this.#waited + 1;
  }

  get atLeast(): number {
    if (this.r1 !== undefined) return this.#tailBytes - this.#tailTaken;
    return this.#skip + 1;
  }

  push(bytes: Uint8Array, from: number, to: number): number {
    let at = from;
    while (at < to && this.status === "more") this.#take(bytes[at++] as number);
    return at - from;
  }

  #take(byte: number): void {
    if (this.r1 !== undefined) this.#tail[this.#tailTaken++] = byte;
    else if (this.#skip > 0) this.#skip--;
    else if (byte < 0x80) this.#answer(byte);
    else if (++this.#waited >= MAX_RESPONSE_WAIT) this.status = "failed";
    if (this.r1 !== undefined && this.status === "more" && this.#tailTaken >= this.#tailBytes) {
      this.status = "done";
    }
  }

  #answer(r1: number): void {
    this.r1 = r1;
    if (r1 & R1_ERRORS) this.#tailBytes = 0;
    if (r1 & this.#refuse) this.status = "failed";
  }
}
