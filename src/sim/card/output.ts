import type { Latency } from "./options.js";

type Item =
  | { readonly kind: "bytes"; readonly data: Uint8Array; at: number }
  | { readonly kind: "fill"; readonly value: number; left: number }
  | { readonly kind: "until"; readonly value: number; readonly atUs: number };

export type OutputState = readonly Item[];

/** What the card will drive on MISO, byte by byte, while it is selected. */
export class Output {
  #items: Item[] = [];

  get empty(): boolean {
    return this.#items.length === 0;
  }

  clear(): void {
    this.#items = [];
  }

  /** The array must stay untouched until it has been clocked out. */
  bytes(data: Uint8Array): void {
    if (data.length > 0) this.#items.push({ kind: "bytes", data, at: 0 });
  }

  fill(value: number, count: number): void {
    if (count > 0) this.#items.push({ kind: "fill", value, left: count });
  }

  /** FF for as long as a latency lasts. */
  wait(latency: Latency, nowUs: number): void {
    if ("bytes" in latency) this.fill(0xff, latency.bytes);
    else if (latency.us > 0)
      this.#items.push({ kind: "until", value: 0xff, atUs: nowUs + latency.us });
  }

  /** The next byte without taking it; undefined if there is none. */
  peek(atUs: number): number | undefined {
    const item = this.#head(atUs);
    if (item === undefined) return undefined;
    return item.kind === "bytes" ? item.data[item.at] : item.value;
  }

  /** Takes one byte; undefined if there is none. */
  next(atUs: number): number | undefined {
    const item = this.#head(atUs);
    if (item === undefined) return undefined;
    if (item.kind === "until") return item.value;
    if (item.kind === "fill") {
      if (--item.left === 0) this.#items.shift();
      return item.value;
    }
    const byte = item.data[item.at++];
    if (item.at === item.data.length) this.#items.shift();
    return byte;
  }

  /** Copies up to `length` bytes of the item in front to `miso[at..]`, if it is plain bytes; returns how many. */
  copy(miso: Uint8Array | undefined, at: number, length: number): number {
    const item = this.#items[0];
    if (item?.kind !== "bytes") return 0;
    const count = Math.min(length, item.data.length - item.at);
    miso?.set(item.data.subarray(item.at, item.at + count), at);
    item.at += count;
    if (item.at === item.data.length) this.#items.shift();
    return count;
  }

  /** When the wait in front is over; undefined if the item in front is none. */
  get waitsUntil(): number | undefined {
    const item = this.#items[0];
    return item?.kind === "until" ? item.atUs : undefined;
  }

  /** Waits that are over are dropped. */
  settle(atUs: number): void {
    let item = this.#items[0];
    while (item?.kind === "until" && atUs >= item.atUs) {
      this.#items.shift();
      item = this.#items[0];
    }
  }

  #head(atUs: number): Item | undefined {
    this.settle(atUs);
    return this.#items[0];
  }

  save(): OutputState {
    return this.#items.map((item) => ({ ...item }));
  }

  restore(saved: OutputState): void {
    this.#items = saved.map((item) => ({ ...item }));
  }
}
