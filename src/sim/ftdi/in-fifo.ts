import { STATUS_BYTES } from "../../bridge/ftdi/decoder.js";

/** Modem and line status of an idle FT232H (bridges.md 1.3). */
const MODEM_STATUS = 0x32;
const LINE_STATUS = 0x60;

/** Most that the engine may put in at once: bounds the buffer, not the transfer. */
const MAX_PUT_BYTES = 16_384;

/** One IN transfer that has reached the chip. */
export interface InArrival {
  readonly length: number;
  /** Called once: with the packets as they came, status bytes and all; `overflow`: a packet did not fit. */
  readonly complete: (data: Uint8Array, overflow: boolean, atUs: number) => void;
}

export interface InFifoState {
  readonly held: Uint8Array;
  readonly flush: boolean;
  readonly latencyMs: number;
  readonly sinceSentUs: number;
}

export interface InFifoOptions {
  readonly fifoBytes: number;
  readonly packetSize: number;
  readonly flushWhenEmpty: "status" | "nothing";
}

/**
 * The bulk IN endpoint and its FIFO. A packet goes out when the FIFO fills it, after 87, or when the latency
 * timer has run out since the last packet; a short packet ends its transfer.
 */
export class InFifo {
  readonly #options: InFifoOptions;
  readonly #payload: number;
  readonly #buffer: Uint8Array;
  readonly #arrivals: InArrival[] = [];
  /** The FIFO is `#buffer[#from..#to)`. */
  #from = 0;
  #to = 0;
  /** What the first arrival has got so far. */
  #transfer = new Uint8Array(0);
  #filled = 0;
  #headSinceUs = 0;
  #flush = false;
  #latencyUs = 16_000;
  #lastSentUs: number;

  /** @param nowUs power-on: the latency timer runs from here */
  constructor(options: InFifoOptions, nowUs: number) {
    this.#lastSentUs = nowUs;
    this.#options = options;
    this.#payload = options.packetSize - STATUS_BYTES;
    this.#buffer = new Uint8Array(2 * (options.fifoBytes + MAX_PUT_BYTES));
  }

  get latencyMs(): number {
    return this.#latencyUs / 1000;
  }

  setLatency(ms: number): void {
    this.#latencyUs = ms * 1000;
  }

  /** True while an IN transfer is posted. */
  get posted(): boolean {
    return this.#arrivals.length > 0;
  }

  get level(): number {
    return this.#to - this.#from;
  }

  /** When the latency timer will send what there is; Infinity while no IN is posted. */
  get latencyDueUs(): number {
    if (!this.posted) return Infinity;
    return Math.max(this.#headSinceUs, this.#lastSentUs + this.#latencyUs);
  }

  /**
   * Bytes that may be put in before the engine must stop or a transfer completes; 0: the FIFO is full and
   * nothing takes it.
   */
  get room(): number {
    const head = this.#arrivals[0];
    if (head === undefined) return Math.max(0, this.#options.fifoBytes - this.level);
    const packets = Math.ceil((head.length - this.#filled) / this.#options.packetSize);
    return Math.max(1, packets * this.#payload - this.level);
  }

  /** Where the next `count` bytes are to be written (at most {@link room}); may be fewer. */
  reserve(count: number): Uint8Array {
    const size = Math.min(count, MAX_PUT_BYTES);
    if (this.#to + size > this.#buffer.length) {
      this.#buffer.copyWithin(0, this.#from, this.#to);
      this.#to -= this.#from;
      this.#from = 0;
    }
    return this.#buffer.subarray(this.#to, this.#to + size);
  }

  /** The first `count` reserved bytes are written, the last of them at `atUs`. */
  commit(count: number, atUs: number): void {
    this.#to += count;
    this.#pump(atUs);
  }

  put(bytes: readonly number[], atUs: number): void {
    this.reserve(bytes.length).set(bytes);
    this.commit(bytes.length, atUs);
  }

  flush(atUs: number): void {
    this.#flush = this.level > 0 || this.#options.flushWhenEmpty === "status";
    this.#pump(atUs);
  }

  /** The latency timer has run out. */
  latencyFired(atUs: number): void {
    this.#send(Math.min(this.level, this.#payload), atUs);
    this.#pump(atUs);
  }

  arrive(arrival: InArrival, atUs: number): void {
    if (!this.posted) this.#headSinceUs = atUs;
    this.#arrivals.push(arrival);
    this.#pump(atUs);
  }

  /** What a cancelled transfer has got is lost. */
  cancel(arrival: InArrival, atUs: number): void {
    const at = this.#arrivals.indexOf(arrival);
    if (at < 0) return;
    this.#arrivals.splice(at, 1);
    if (at > 0) return;
    this.#filled = 0;
    this.#headSinceUs = atUs;
    this.#pump(atUs);
  }

  purge(): void {
    this.#from = 0;
    this.#to = 0;
    this.#flush = false;
  }

  save(nowUs: number): InFifoState {
    return {
      held: this.#buffer.slice(this.#from, this.#to),
      flush: this.#flush,
      latencyMs: this.latencyMs,
      sinceSentUs: nowUs - this.#lastSentUs,
    };
  }

  restore(state: InFifoState, nowUs: number): void {
    this.#buffer.set(state.held);
    this.#from = 0;
    this.#to = state.held.length;
    this.#flush = state.flush;
    this.setLatency(state.latencyMs);
    this.#lastSentUs = nowUs - state.sinceSentUs;
  }

  #pump(atUs: number): void {
    while (this.posted) {
      if (this.level >= this.#payload) this.#send(this.#payload, atUs);
      else if (this.#flush) this.#send(this.level, atUs);
      else return;
    }
  }

  /** One packet into the first transfer. */
  #send(count: number, atUs: number): void {
    const head = this.#arrivals[0] as InArrival;
    const short = count < this.#payload;
    const overflow = this.#filled + STATUS_BYTES + count > head.length;
    if (overflow) this.#from += count;
    else this.#copyPacket(head, short, count);
    this.#lastSentUs = atUs;
    const nothingLeft = this.level === 0 && this.#options.flushWhenEmpty === "nothing";
    if (short || nothingLeft) this.#flush = false;
    if (overflow || short || this.#filled === head.length) this.#end(head, overflow, atUs);
  }

  #copyPacket(head: InArrival, short: boolean, count: number): void {
    if (this.#filled === 0) {
      this.#transfer = new Uint8Array(short ? STATUS_BYTES + count : head.length);
    }
    this.#transfer[this.#filled] = MODEM_STATUS;
    this.#transfer[this.#filled + 1] = LINE_STATUS;
    const payload = this.#buffer.subarray(this.#from, this.#from + count);
    this.#transfer.set(payload, this.#filled + STATUS_BYTES);
    this.#from += count;
    this.#filled += STATUS_BYTES + count;
  }

  #end(head: InArrival, overflow: boolean, atUs: number): void {
    const data = this.#transfer.subarray(0, this.#filled);
    this.#arrivals.shift();
    this.#filled = 0;
    this.#headSinceUs = atUs;
    head.complete(data, overflow, atUs);
  }
}
