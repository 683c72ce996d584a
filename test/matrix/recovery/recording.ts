import type { ByteTiming, SpiDevice } from "../../../src/sim/spi-device.js";

type Item =
  | { readonly kind: "cs"; readonly level: "high" | "low" }
  | {
      readonly kind: "bytes";
      readonly mosi: Uint8Array;
      readonly miso: Uint8Array;
      readonly timing: ByteTiming;
    };

/** Longer runs of the same byte both ways are waits: cut at their ends and at points between. */
const WAIT_BYTES = 48;
const WAIT_END = 16;
const WAIT_BETWEEN = 16;

/** Stands in front of a card and writes down what a host does with it. */
export class Recording implements SpiDevice {
  readonly items: Item[] = [];
  readonly #card: SpiDevice;
  #on = false;

  constructor(card: SpiDevice) {
    this.#card = card;
  }

  start(): void {
    this.#on = true;
  }

  setCs(level: "high" | "low"): void {
    if (this.#on) this.items.push({ kind: "cs", level });
    this.#card.setCs(level);
  }

  peek(atUs: number): number {
    return this.#card.peek(atUs);
  }

  exchange(
    mosi: Uint8Array | undefined,
    miso: Uint8Array | undefined,
    length: number,
    timing: ByteTiming,
  ): void {
    const seen = miso ?? new Uint8Array(length);
    this.#card.exchange(mosi, seen, length, timing);
    if (!this.#on) return;
    const sent = mosi?.slice(0, length) ?? new Uint8Array(length).fill(0xff);
    this.items.push({ kind: "bytes", mosi: sent, miso: seen.slice(0, length), timing });
  }

  get bytes(): number {
    return this.items.reduce(
      (sum, item) => sum + (item.kind === "bytes" ? item.mosi.length : 0),
      0,
    );
  }

  player(card: SpiDevice): Player {
    return new Player(card, this.items);
  }
}

/** Does once more what was recorded, up to any byte. */
export class Player {
  nowUs = 0;
  readonly #card: SpiDevice;
  readonly #items: readonly Item[];
  #item = 0;
  #inItem = 0;
  #played = 0;

  constructor(card: SpiDevice, items: readonly Item[]) {
    this.#card = card;
    this.#items = items;
  }

  /** After this, `bytes` bytes of the recording have been clocked, and CS is as it is behind the last of them. */
  playTo(bytes: number): void {
    for (let item = this.#items[this.#item]; item !== undefined; item = this.#items[this.#item]) {
      if (this.#played >= bytes) return;
      if (item.kind === "cs") this.#card.setCs(item.level);
      else if (!this.#clock(item, bytes)) return;
      this.#item++;
      this.#inItem = 0;
    }
  }

  #clock({ mosi, timing }: Extract<Item, { kind: "bytes" }>, bytes: number): boolean {
    const count = Math.min(mosi.length - this.#inItem, bytes - this.#played);
    const { usPerByte } = timing;
    const startUs = timing.startUs + this.#inItem * usPerByte;
    const part = mosi.subarray(this.#inItem, this.#inItem + count);
    this.#card.exchange(part, undefined, count, { startUs, usPerByte });
    this.#played += count;
    this.#inItem += count;
    this.nowUs = startUs + count * usPerByte;
    return this.#inItem === mosi.length;
  }
}

/** Numbers of bytes after which the host dies: each, but only some inside a wait. `every`: of what is far from both ends, only each so-many-th. */
export function cutPoints(recording: Recording, every: number = 1): number[] {
  const points = allCutPoints(recording);
  const edge = 64;
  return points.filter((cut, at) => at < edge || points.length - at <= edge || cut % every === 0);
}

function allCutPoints({ items }: Recording): number[] {
  const pairs = items.flatMap((item) =>
    item.kind === "bytes"
      ? [...item.mosi].map((mosi, at) => (mosi << 8) | (item.miso[at] ?? 0))
      : [],
  );
  const points: number[] = [];
  for (let from = 0; from < pairs.length; ) {
    let to = from + 1;
    while (to < pairs.length && pairs[to] === pairs[from]) to++;
    points.push(...pointsOf(from, to, (pairs[from] ?? 0) >> 8 === 0xff));
    from = to;
  }
  return [...points, pairs.length];
}

function pointsOf(from: number, to: number, idle: boolean): number[] {
  const all = Array.from({ length: Math.min(to - from, 1 << 20) }, (_, at) => from + at);
  if (!idle || all.length <= WAIT_BYTES) return all;
  const middle = all.slice(WAIT_END, -WAIT_END);
  const step = Math.max(1, Math.floor(middle.length / WAIT_BETWEEN));
  const between = middle.filter((_, at) => at % step === 0).slice(0, WAIT_BETWEEN);
  return [...all.slice(0, WAIT_END), ...between, ...all.slice(-WAIT_END)];
}
