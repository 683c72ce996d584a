import { viewOf } from "../../../util/bytes.js";
import { crc16 } from "../../../util/crc.js";
import { ACK, NAK } from "../opcodes.js";
import { isSealed, type SdxReply } from "./frames.js";
import { SDX } from "./protocol.js";

/** What a device in a session says. */
export type SdxMessage =
  | { readonly kind: "reply"; readonly reply: SdxReply }
  | SdxPart
  | { readonly kind: "credit"; readonly parts: number }
  | { readonly kind: "nak" }
  | { readonly kind: "damage"; readonly why: string };

/** A data part; `data` is a view, good until the next push. */
export interface SdxPart {
  readonly kind: "part";
  readonly number: number;
  readonly data: Uint8Array;
  /** CRC16 as it came, and of the data. */
  readonly crc: number;
  readonly computed: number;
}

/** No reply is longer: a damaged length shall not swallow what follows. */
const MAX_REPLY_PAYLOAD = 256;

/**
 * Cuts what a device in a session says into messages, however it is chunked. After damage nothing more is understood: what follows is
 * dropped until {@link reset}.
 */
export class SdxReplyDecoder {
  readonly #nonce: number;
  readonly #buffer: Uint8Array;
  #blockLength = 0;
  #filled = 0;
  #damaged = false;

  constructor(nonce: number, maxBlockLength: number) {
    this.#nonce = nonce;
    const part = SDX.DATA_HEAD_BYTES + maxBlockLength + SDX.CRC_BYTES;
    const reply = SDX.REPLY_HEAD_BYTES + MAX_REPLY_PAYLOAD + SDX.CRC_BYTES;
    this.#buffer = new Uint8Array(Math.max(part, reply));
  }

  /** Inside a message: the rest of it comes at once, or not at all. */
  get midway(): boolean {
    return this.#filled > 0;
  }

  /** Forgets what is incomplete. `blockLength`: of the data parts that may come; 0: none may. */
  reset(blockLength = 0): void {
    this.#blockLength = blockLength;
    this.#filled = 0;
    this.#damaged = false;
  }

  push(bytes: Uint8Array, emit: (message: SdxMessage) => void): void {
    for (let at = 0; at < bytes.length && !this.#damaged; ) {
      const wanted = this.#wanted() - this.#filled;
      const count = Math.min(wanted, bytes.length - at);
      this.#buffer.set(bytes.subarray(at, at + count), this.#filled);
      this.#filled += count;
      at += count;
      const message = this.#filled === this.#wanted() ? this.#complete() : undefined;
      if (message === undefined) continue;
      this.#filled = 0;
      this.#damaged = message.kind === "damage";
      emit(message);
    }
  }

  /** Bytes of the message as far as it can be told: one decides what it is. */
  #wanted(): number {
    if (this.#filled === 0) return 1;
    switch (this.#buffer[0]) {
      case ACK:
        return this.#filled < SDX.REPLY_HEAD_BYTES ? SDX.REPLY_HEAD_BYTES : this.#replyBytes();
      case SDX.CREDIT:
        return SDX.CREDIT_BYTES;
      case SDX.DATA:
        return this.#blockLength === 0
          ? 1
          : SDX.DATA_HEAD_BYTES + this.#blockLength + SDX.CRC_BYTES;
      default:
        return 1;
    }
  }

  #replyBytes(): number {
    const payload = viewOf(this.#buffer).getUint16(3, true);
    if (payload > MAX_REPLY_PAYLOAD) return SDX.REPLY_HEAD_BYTES;
    return SDX.REPLY_HEAD_BYTES + payload + SDX.CRC_BYTES;
  }

  #complete(): SdxMessage | undefined {
    const message = this.#buffer.subarray(0, this.#filled);
    switch (message[0]) {
      case ACK:
        return this.#reply(message);
      case NAK:
        return { kind: "nak" };
      case SDX.CREDIT:
        return credit(message);
      case SDX.DATA:
        return this.#blockLength === 0 ? stray(SDX.DATA) : part(message);
      default:
        return stray(message[0] as number);
    }
  }

  #reply(message: Uint8Array): SdxMessage {
    if (message.length === SDX.REPLY_HEAD_BYTES) return damage("a reply that is too long");
    if (!isSealed(message, this.#nonce)) return damage("a reply with a wrong CRC16");
    const payload = message.slice(SDX.REPLY_HEAD_BYTES, message.length - SDX.CRC_BYTES);
    const [, sequence = 0, status = 0] = message;
    return { kind: "reply", reply: { sequence, status, payload } };
  }
}

function part(message: Uint8Array): SdxPart {
  const end = message.length - SDX.CRC_BYTES;
  return {
    kind: "part",
    number: message[1] as number,
    data: message.subarray(SDX.DATA_HEAD_BYTES, end),
    crc: viewOf(message).getUint16(end),
    computed: crc16(message, SDX.DATA_HEAD_BYTES, end),
  };
}

function credit([, parts = 0, inverted = 0]: Uint8Array): SdxMessage {
  return (parts ^ inverted) === 0xff ? { kind: "credit", parts } : damage("a damaged credit");
}

function stray(byte: number): SdxMessage {
  return damage(`${byte.toString(16).padStart(2, "0")} where a reply begins`);
}

function damage(why: string): SdxMessage {
  return { kind: "damage", why };
}
