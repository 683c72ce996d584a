import { crc7, crc16 } from "../util/crc.js";
import type { CardEvent, CommandEvent, ResponseEvent } from "./card-events.js";
import { dataDirection, dataLength, extraBytes, isBusyAfter, nameOf } from "./command-phases.js";
import { isErrorToken } from "./status.js";

export {
  type BlockEvent,
  type CardEvent,
  type CommandEvent,
  describeCardEvent,
  type ResponseEvent,
} from "./card-events.js";

type State =
  | { readonly kind: "idle" }
  | { readonly kind: "frame" }
  | { readonly kind: "response"; waited: number; stuff: number }
  | { readonly kind: "extra"; readonly event: ResponseEvent; got: number }
  | { readonly kind: "read-token"; gap: number }
  | { readonly kind: "write-token"; gap: number }
  | {
      readonly kind: "data";
      readonly direction: "read" | "write";
      readonly token: number;
      readonly gap: number;
      readonly at: number;
      got: number;
    }
  | { readonly kind: "data-response"; gap: number }
  | { readonly kind: "busy"; readonly at: number; bytes: number; patience: number };

/** Longer than any NCR that a host may have to bear with. */
const RESPONSE_PATIENCE = 32;
const DATA_RESPONSE_PATIENCE = 8;
const FRAME = 6;
const CRC_BYTES = 2;
const BLOCK = 512;
const STOP = 12;
const TOKEN = { block: 0xfe, multiBlock: 0xfc, stop: 0xfd } as const;
/** R1 bits after which nothing follows: illegal command, CRC error. */
const REFUSED = 0x0c;

/**
 * Reads the card protocol off an SPI bus (SD Physical Layer chapter 7): MOSI and MISO bytes in, commands, responses and blocks out. States
 * facts, right or wrong, about any bytes at all; never throws.
 */
export class CardDecoder {
  readonly #emit: (event: CardEvent) => void;
  readonly #frame = new Uint8Array(FRAME);
  #frameAt = 0;
  #at = 0;
  #app = false;
  #blockLength = BLOCK;
  #command: CommandEvent | undefined;
  #buffer = new Uint8Array(BLOCK + CRC_BYTES);
  #state: State = { kind: "idle" };

  constructor(emit: (event: CardEvent) => void) {
    this.#emit = emit;
  }

  /** Bytes clocked with CS low, both directions side by side. */
  push(mosi: Uint8Array, miso: Uint8Array): void {
    for (let at = 0; at < mosi.length; at++) this.#byte(mosi[at] as number, miso[at] as number);
  }

  /** CS went high: a command that was cut off is forgotten, and busy is no longer to be seen. */
  deselect(): void {
    this.#endBusy();
    if (this.#state.kind === "frame" || this.#state.kind === "response")
      this.#state = { kind: "idle" };
    this.#frameAt = 0;
  }

  /** Tells what is still open: busy to the end. */
  finish(): void {
    this.#endBusy();
  }

  #byte(mosi: number, miso: number): void {
    if (this.#startsCommand(mosi)) {
      this.#endBusy();
      this.#state = { kind: "frame" };
    }
    this.#step(mosi, miso);
    this.#at++;
  }

  /** 01xxxxxx begins a command wherever the host is not sending data. */
  #startsCommand(mosi: number): boolean {
    const { kind } = this.#state;
    if ((mosi & 0xc0) !== 0x40 || kind === "frame") return false;
    return !(kind === "data" && this.#state.kind === "data" && this.#state.direction === "write");
  }

  #step(mosi: number, miso: number): void {
    const state = this.#state;
    switch (state.kind) {
      case "idle":
        return;
      case "frame":
        this.#frameByte(mosi);
        return;
      case "response":
        this.#response(state, miso);
        return;
      case "extra":
        this.#extra(state, miso);
        return;
      case "read-token":
        this.#readToken(state, miso);
        return;
      case "write-token":
        this.#writeToken(state, mosi);
        return;
      case "data":
        this.#data(state, state.direction === "read" ? miso : mosi);
        return;
      case "data-response":
        this.#dataResponse(state, miso);
        return;
      case "busy":
        this.#busy(state, miso);
        return;
    }
  }

  #frameByte(mosi: number): void {
    this.#frame[this.#frameAt++] = mosi;
    if (this.#frameAt < FRAME) return;
    this.#frameAt = 0;
    const index = (this.#frame[0] as number) & 0x3f;
    const app = this.#app && index !== 55;
    this.#command = {
      kind: "command",
      at: this.#at - FRAME + 1,
      token: this.#frame.slice(),
      index,
      app,
      name: nameOf(index, app),
      argument: new DataView(this.#frame.buffer).getUint32(1),
      crc7: (this.#frame[FRAME - 1] as number) >> 1,
      crc7Expected: crc7(this.#frame.subarray(0, FRAME - 1)),
    };
    this.#app = false;
    this.#emit(this.#command);
    this.#state = { kind: "response", waited: 0, stuff: index === STOP && !app ? 1 : 0 };
  }

  #response(state: Extract<State, { kind: "response" }>, miso: number): void {
    if (state.stuff > 0) {
      state.stuff--;
      return;
    }
    if ((miso & 0x80) !== 0) {
      if (++state.waited <= RESPONSE_PATIENCE) return;
      this.#emit({ kind: "no-response", at: this.#at });
      this.#state = { kind: "idle" };
      return;
    }
    const extra = (miso & REFUSED) === 0 ? extraBytes(this.#command) : 0;
    const event: ResponseEvent = {
      kind: "response",
      at: this.#at,
      ncr: state.waited,
      r1: miso,
      extra: new Uint8Array(extra),
    };
    if (extra > 0) this.#state = { kind: "extra", event, got: 0 };
    else this.#answered(event);
  }

  #extra(state: Extract<State, { kind: "extra" }>, miso: number): void {
    state.event.extra[state.got++] = miso;
    if (state.got === state.event.extra.length) this.#answered(state.event);
  }

  /** What comes behind a whole response depends on the command. */
  #answered(event: ResponseEvent): void {
    this.#emit(event);
    const command = this.#command;
    const refused = (event.r1 & ~0x01) !== 0;
    this.#state = { kind: "idle" };
    if (command === undefined) return;
    if (command.index === 55 && !command.app) this.#app = !refused;
    if (refused) return;
    if (command.index === 16 && !command.app)
      this.#blockLength = Math.min(Math.max(command.argument, 1), 2048);
    const direction = dataDirection(command);
    if (direction === "read") this.#state = { kind: "read-token", gap: 0 };
    else if (direction === "write") this.#state = { kind: "write-token", gap: 0 };
    else if (isBusyAfter(command))
      this.#state = { kind: "busy", at: this.#at + 1, bytes: 0, patience: 1 };
  }

  #readToken(state: Extract<State, { kind: "read-token" }>, miso: number): void {
    if (miso === TOKEN.block) this.#startData("read", miso, state.gap);
    else if (isErrorToken(miso)) {
      this.#emit({ kind: "error-token", at: this.#at, value: miso });
      this.#state = { kind: "idle" };
    } else state.gap++;
  }

  #writeToken(state: Extract<State, { kind: "write-token" }>, mosi: number): void {
    if (mosi === TOKEN.block || mosi === TOKEN.multiBlock)
      this.#startData("write", mosi, state.gap);
    else if (mosi === TOKEN.stop && this.#command?.index === 25) {
      this.#emit({ kind: "stop-token", at: this.#at });
      this.#state = { kind: "busy", at: this.#at + 1, bytes: 0, patience: 2 };
      this.#command = undefined;
    } else state.gap++;
  }

  #startData(direction: "read" | "write", token: number, gap: number): void {
    const length = dataLength(this.#command, this.#blockLength);
    if (this.#buffer.length !== length + CRC_BYTES)
      this.#buffer = new Uint8Array(length + CRC_BYTES);
    this.#state = { kind: "data", direction, token, gap, at: this.#at, got: 0 };
  }

  #data(state: Extract<State, { kind: "data" }>, byte: number): void {
    this.#buffer[state.got++] = byte;
    if (state.got < this.#buffer.length) return;
    const { direction, token, gap, at } = state;
    const length = this.#buffer.length - CRC_BYTES;
    const data = this.#buffer.slice(0, length);
    const crc = ((this.#buffer[length] as number) << 8) | (this.#buffer[length + 1] as number);
    this.#emit({
      kind: "block",
      at,
      direction,
      token,
      gap,
      data,
      crc16: crc,
      crc16Expected: crc16(data),
    });
    if (direction === "write") this.#state = { kind: "data-response", gap: 0 };
    else
      this.#state = this.#command?.index === 18 ? { kind: "read-token", gap: 0 } : { kind: "idle" };
  }

  #dataResponse(state: Extract<State, { kind: "data-response" }>, miso: number): void {
    if ((miso & 0x11) === 0x01) {
      this.#emit({ kind: "data-response", at: this.#at, gap: state.gap, value: miso });
      this.#state = { kind: "busy", at: this.#at + 1, bytes: 0, patience: 1 };
    } else if (++state.gap > DATA_RESPONSE_PATIENCE) this.#state = this.#afterBusy();
  }

  #busy(state: Extract<State, { kind: "busy" }>, miso: number): void {
    if (miso === 0) {
      state.bytes++;
      return;
    }
    if (state.bytes === 0 && --state.patience > 0) return;
    this.#endBusy();
  }

  #endBusy(): void {
    if (this.#state.kind !== "busy") return;
    const { at, bytes } = this.#state;
    if (bytes > 0) this.#emit({ kind: "busy", at, bytes });
    this.#state = this.#afterBusy();
  }

  #afterBusy(): State {
    return this.#command?.index === 25 && !this.#command.app
      ? { kind: "write-token", gap: 0 }
      : { kind: "idle" };
  }
}
