import { viewOf } from "../../util/bytes.js";
import {
  BUSID_BYTES,
  COMMAND,
  HEADER_BYTES,
  NOT_ISOCHRONOUS,
  OP,
  OP_HEADER_BYTES,
  type Operation,
  type UrbCommand,
  USBIP_VERSION,
} from "./protocol.js";

/** What came is not USB/IP, or more of it than is good: the connection cannot go on. */
export class UsbipError extends Error {}

/** Largest transfer that a client may ask for or send: twice what Linux lets a program have in one URB over vhci_hcd (32 pages lists of 16 KiB). */
export const MAX_TRANSFER_BYTES: number = 1024 * 1024;

const FIRST_BUFFER_BYTES = 4096;
const LAST_ENDPOINT = 15;

/**
 * Cuts a byte stream into messages: one operation, then URBs. What it holds is bounded by the largest message; what cannot be a
 * message is refused as soon as its header is there.
 */
export class UsbipReader {
  #buffer: Uint8Array = new Uint8Array(FIRST_BUFFER_BYTES);
  #from = 0;
  #to = 0;

  push(chunk: Uint8Array): void {
    this.#makeRoom(chunk.length);
    this.#buffer.set(chunk, this.#to);
    this.#to += chunk.length;
  }

  /** Bytes that came and were not taken. */
  get held(): number {
    return this.#to - this.#from;
  }

  /** The operation at the front, once it is complete. @throws UsbipError */
  operation(): Operation | undefined {
    if (this.held < OP_HEADER_BYTES) return undefined;
    const view = this.#view();
    const version = view.getUint16(0);
    if (version !== USBIP_VERSION) throw new UsbipError(`protocol version ${hex(version)}`);
    const code = view.getUint16(2);
    if (code === OP.requestDevlist) {
      this.#take(OP_HEADER_BYTES);
      return { kind: "devlist" };
    }
    if (code !== OP.requestImport) throw new UsbipError(`operation ${hex(code)}`);
    if (this.held < OP_HEADER_BYTES + BUSID_BYTES) return undefined;
    const busid = this.#take(OP_HEADER_BYTES + BUSID_BYTES).subarray(OP_HEADER_BYTES);
    return { kind: "import", busid: textOf(busid) };
  }

  /** The URB command at the front, once it is complete with its data. @throws UsbipError */
  command(): UrbCommand | undefined {
    if (this.held < HEADER_BYTES) return undefined;
    const view = this.#view();
    const command = view.getUint32(0);
    const ids = { seqnum: view.getUint32(4), devid: view.getUint32(8) };
    if (command === COMMAND.unlink) {
      const victim = view.getUint32(20);
      this.#take(HEADER_BYTES);
      return { kind: "unlink", ...ids, victim };
    }
    if (command !== COMMAND.submit) throw new UsbipError(`command ${hex(command)}`);
    const head = submitHead(view);
    const dataBytes = head.direction === "out" ? head.length : 0;
    if (this.held < HEADER_BYTES + dataBytes) return undefined;
    const bytes = this.#take(HEADER_BYTES + dataBytes);
    const [setup, data] = [bytes.subarray(40, HEADER_BYTES), bytes.subarray(HEADER_BYTES)];
    return { kind: "submit", ...ids, ...head, setup, data };
  }

  #view(): DataView {
    return viewOf(this.#buffer.subarray(this.#from, this.#to));
  }

  /** A copy: the model keeps what it is given, and the buffer is used again. */
  #take(count: number): Uint8Array {
    const bytes = this.#buffer.slice(this.#from, this.#from + count);
    this.#from += count;
    if (this.#from === this.#to) {
      this.#from = 0;
      this.#to = 0;
    }
    return bytes;
  }

  #makeRoom(count: number): void {
    if (this.#to + count <= this.#buffer.length) return;
    const held = this.#buffer.subarray(this.#from, this.#to);
    const needed = held.length + count;
    // At least doubled when it grows, and half of it free after a move: so that each byte is moved few times, however small the chunks.
    const grown = needed * 2 > this.#buffer.length;
    const buffer = grown ? new Uint8Array(needed * 2) : this.#buffer;
    if (grown) buffer.set(held);
    else buffer.copyWithin(0, this.#from, this.#to);
    this.#buffer = buffer;
    this.#from = 0;
    this.#to = held.length;
  }
}

interface SubmitHead {
  readonly direction: "in" | "out";
  readonly endpoint: number;
  readonly length: number;
}

function submitHead(view: DataView): SubmitHead {
  const direction = view.getUint32(12);
  const endpoint = view.getUint32(16);
  const length = view.getUint32(24);
  const packets = view.getUint32(32);
  if (direction > 1) throw new UsbipError(`direction ${direction}`);
  if (endpoint > LAST_ENDPOINT) throw new UsbipError(`endpoint ${endpoint}`);
  if (length > MAX_TRANSFER_BYTES) throw new UsbipError(`a transfer of ${length} bytes`);
  // Older kernels say 0 where newer ones say that it is not isochronous.
  if (packets !== 0 && packets !== NOT_ISOCHRONOUS)
    throw new UsbipError(`${packets} isochronous packets`);
  return { direction: direction === 1 ? "in" : "out", endpoint, length };
}

/** Up to the first zero. */
function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return Buffer.from(bytes.subarray(0, end < 0 ? bytes.length : end)).toString("latin1");
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
