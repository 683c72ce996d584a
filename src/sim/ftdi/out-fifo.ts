/** One OUT transfer that has reached the chip, or is on its way in. */
export interface OutArrival {
  readonly data: Uint8Array;
  /** Called once when the chip has taken the last packet. */
  readonly taken: (atUs: number) => void;
}

interface Entry {
  readonly arrival: OutArrival;
  data: Uint8Array;
  /** Position of the byte behind the last one, in bytes ever arrived. */
  end: number;
  taken: boolean;
}

/**
 * The bulk OUT endpoint and its FIFO. The chip takes a packet when the FIFO has room for the whole of it, so
 * what is taken follows from what is consumed; only what is still in it when a transfer completes is copied.
 */
export class OutFifo {
  readonly #fifoBytes: number;
  readonly #packetSize: number;
  readonly #entries: Entry[] = [];
  #consumed = 0;
  #arrived = 0;

  constructor(fifoBytes: number, packetSize: number) {
    this.#fifoBytes = fifoBytes;
    this.#packetSize = packetSize;
  }

  /** Bytes that lie in one piece at the front. */
  get available(): number {
    const first = this.#entries[0];
    return first === undefined ? 0 : first.end - this.#consumed;
  }

  get empty(): boolean {
    return this.#entries.length === 0;
  }

  /** Bytes that the engine must consume until the next transfer completes; Infinity if none waits. */
  get untilTaken(): number {
    const waiting = this.#entries.find((entry) => !entry.taken);
    return waiting === undefined ? Infinity : waiting.end - this.#fifoBytes - this.#consumed;
  }

  arrive(arrival: OutArrival, atUs: number): void {
    const { data } = arrival;
    this.#arrived += data.length;
    this.#entries.push({ arrival, data, end: this.#arrived, taken: false });
    this.#settle(atUs);
  }

  /** The front piece, without consuming it. */
  front(): Uint8Array {
    const first = this.#entries[0];
    if (first === undefined) return new Uint8Array(0);
    return first.data.subarray(first.data.length - (first.end - this.#consumed));
  }

  /** At most {@link available}. */
  consume(count: number, atUs: number): void {
    this.#consumed += count;
    this.#settle(atUs);
  }

  /** Takes back what the chip has not taken of a cancelled transfer; the rest will be executed. Those behind it move up. */
  cancel(arrival: OutArrival, atUs: number): void {
    const at = this.#entries.findIndex((entry) => entry.arrival === arrival);
    const entry = this.#entries[at];
    if (entry === undefined || entry.taken) return;
    const start = entry.end - entry.data.length;
    const keep = Math.max(0, this.#takenUpTo(start, entry.end) - start);
    const dropped = entry.data.length - keep;
    entry.data = entry.data.slice(0, keep);
    entry.taken = true;
    for (const later of this.#entries.slice(at)) later.end -= dropped;
    this.#arrived -= dropped;
    this.#settle(atUs);
  }

  /** Discards what is in the FIFO (SIO purge); transfers still waiting go on behind it. */
  purge(atUs: number): void {
    let upTo = this.#consumed;
    for (const entry of this.#entries) {
      upTo = Math.max(upTo, this.#takenUpTo(entry.end - entry.data.length, entry.end));
      if (upTo < entry.end) break;
    }
    this.consume(upTo - this.#consumed, atUs);
  }

  /** Takes and discards everything: what a chip does with data that no engine wants. */
  drain(atUs: number): void {
    this.consume(this.#arrived - this.#consumed, atUs);
  }

  /** What is in the FIFO. Only while no transfer waits. */
  save(): Uint8Array {
    const held = new Uint8Array(this.#arrived - this.#consumed);
    let at = 0;
    for (const entry of this.#entries) {
      const part = entry.data.subarray(
        Math.max(0, entry.data.length - (entry.end - this.#consumed)),
      );
      held.set(part, at);
      at += part.length;
    }
    return held;
  }

  restore(held: Uint8Array): void {
    this.#entries.length = 0;
    this.#consumed = 0;
    this.#arrived = 0;
    this.arrive({ data: held.slice(), taken: () => undefined }, 0);
  }

  /** The last packet border of a transfer that fits into the FIFO. */
  #takenUpTo(start: number, end: number): number {
    const room = this.#consumed + this.#fifoBytes;
    if (end <= room) return end;
    return start + Math.floor((room - start) / this.#packetSize) * this.#packetSize;
  }

  #settle(atUs: number): void {
    for (const entry of this.#entries) {
      if (entry.taken) continue;
      if (entry.end - this.#consumed > this.#fifoBytes) break;
      this.#take(entry);
      entry.arrival.taken(atUs);
    }
    this.#dropEmpty();
  }

  /** What the FIFO still holds is copied: the host may reuse its buffer now. */
  #take(entry: Entry): void {
    entry.taken = true;
    const left = Math.min(entry.data.length, entry.end - this.#consumed);
    entry.data = entry.data.slice(entry.data.length - left);
  }

  #dropEmpty(): void {
    while (this.#entries[0] !== undefined && this.#entries[0].end <= this.#consumed) {
      this.#entries.shift();
    }
  }
}
