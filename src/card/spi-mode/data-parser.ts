import type { ReceiveParser } from "../../spi/bridge.js";
import type { DataFailure } from "../../spi/card-errors.js";
import { crc16 } from "../../util/crc.js";
import { isErrorToken } from "../status.js";
import { BLOCK_OVERHEAD, TOKEN } from "./frame.js";

const CRC_BYTES = 2;

export interface DataShape {
  readonly into: Uint8Array;
  readonly blockLength: number;
  readonly blockCount: number;
  /** Bytes to wait for a token at most: 100 ms by the specification, here given in clocks. */
  readonly maxWait: number;
}

/**
 * Start token, data, CRC16, for any number of blocks, wherever the slices are cut. Reused: {@link expect}
 * starts anew.
 */
export class DataParser implements ReceiveParser {
  status: "more" | "done" | "failed" = "more";
  failure: DataFailure | undefined;
  /** Blocks whose CRC was right. */
  blocksDone = 0;
  /** Bytes before the first token (NAC), and between all later blocks. */
  accessBytes = 0;
  gapBytes = 0;
  #shape: DataShape = { into: new Uint8Array(0), blockLength: 0, blockCount: 0, maxWait: 0 };
  #waiting = true;
  #waited = 0;
  /** Data and CRC bytes taken of the running block. */
  #taken = 0;
  #crc = 0;

  expect(shape: DataShape): this {
    this.status = shape.blockCount === 0 ? "done" : "more";
    this.failure = undefined;
    this.blocksDone = 0;
    this.accessBytes = 0;
    this.gapBytes = 0;
    this.#shape = shape;
    this.#startBlock();
    return this;
  }

  /** Still waiting for a token: what a deadline found it doing. */
  get waiting(): boolean {
    return this.status === "more" && this.#waiting;
  }

  get atLeast(): number {
    const { blockLength, blockCount } = this.#shape;
    const left = (blockCount - this.blocksDone) * (blockLength + BLOCK_OVERHEAD);
    return this.#waiting ? left : left - 1 - this.#taken;
  }

  push(bytes: Uint8Array, from: number, to: number): number {
    let at = from;
    while (at < to && this.status === "more") {
      if (this.#waiting) at = this.#findToken(bytes, at, to);
      else if (this.#taken < this.#shape.blockLength) at = this.#takeData(bytes, at, to);
      else this.#takeCrc(bytes[at++] as number);
    }
    return at - from;
  }

  #findToken(bytes: Uint8Array, from: number, to: number): number {
    const end = Math.min(to, from + this.#shape.maxWait - this.#waited);
    for (let at = from; at < end; at++) {
      const byte = bytes[at] as number;
      // Some cards put one 00 before the FFs of CSD and CID (Linux mmc_spi.c), so 00 is no token.
      if (byte !== 0xff && byte !== 0x00) {
        this.#countWait(at - from);
        this.#token(byte);
        return at + 1;
      }
    }
    this.#countWait(end - from);
    if (this.#waited >= this.#shape.maxWait) this.#fail({ reason: "no-token" });
    return end;
  }

  #countWait(bytes: number): void {
    this.#waited += bytes;
    if (this.blocksDone === 0) this.accessBytes += bytes;
    else this.gapBytes += bytes;
  }

  #token(byte: number): void {
    if (byte === TOKEN.startBlock) this.#waiting = false;
    else this.#fail({ reason: isErrorToken(byte) ? "error-token" : "garbage", token: byte });
  }

  #takeData(bytes: Uint8Array, from: number, to: number): number {
    const { into, blockLength } = this.#shape;
    const end = Math.min(to, from + blockLength - this.#taken);
    into.set(bytes.subarray(from, end), this.blocksDone * blockLength + this.#taken);
    this.#taken += end - from;
    return end;
  }

  #takeCrc(byte: number): void {
    this.#crc = (this.#crc << 8) | byte;
    this.#taken++;
    const { into, blockLength, blockCount } = this.#shape;
    if (this.#taken < blockLength + CRC_BYTES) return;
    const start = this.blocksDone * blockLength;
    const expected = crc16(into, start, start + blockLength);
    if (expected !== this.#crc) {
      this.#fail({ reason: "crc", expected, received: this.#crc });
      return;
    }
    this.blocksDone++;
    this.#startBlock();
    if (this.blocksDone === blockCount) this.status = "done";
  }

  #startBlock(): void {
    this.#waiting = true;
    this.#waited = 0;
    this.#taken = 0;
    this.#crc = 0;
  }

  #fail(failure: DataFailure): void {
    this.failure = failure;
    this.status = "failed";
  }
}
