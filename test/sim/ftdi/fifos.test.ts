import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { InFifo } from "../../../src/sim/ftdi/in-fifo.js";
import { type OutArrival, OutFifo } from "../../../src/sim/ftdi/out-fifo.js";
import { toHex } from "../../../src/util/bytes.js";
import { pattern } from "./support.js";

const FIFO = 128;
const PACKET = 64;

interface SlowTransfer {
  readonly id: number;
  readonly packets: number[][];
}

/** The same endpoint, packet by packet and byte by byte. */
class SlowOutFifo {
  readonly done: number[] = [];
  #held: number[] = [];
  #waiting: SlowTransfer[] = [];

  arrive(id: number, data: Uint8Array): void {
    const packets: number[][] = [];
    for (let at = 0; at < data.length; at += PACKET)
      packets.push([...data.subarray(at, at + PACKET)]);
    this.#waiting.push({ id, packets: packets.length === 0 ? [[]] : packets });
    this.#pump();
  }

  consume(count: number): number[] {
    const out: number[] = [];
    while (out.length < count && this.#held.length > 0) {
      out.push(this.#held.shift() as number);
      this.#pump();
    }
    return out;
  }

  purge(): void {
    this.#held = [];
    this.#pump();
  }

  cancel(id: number): void {
    this.#waiting = this.#waiting.filter((transfer) => transfer.id !== id);
    this.#pump();
  }

  #pump(): void {
    for (;;) {
      const head = this.#waiting[0];
      const packet = head?.packets[0];
      if (head === undefined || packet === undefined) return;
      if (this.#held.length + packet.length > FIFO) return;
      this.#held.push(...packet);
      head.packets.shift();
      if (head.packets.length > 0) continue;
      this.#waiting.shift();
      this.done.push(head.id);
    }
  }
}

type Step =
  | { readonly kind: "arrive"; readonly length: number }
  | { readonly kind: "consume"; readonly count: number }
  | { readonly kind: "cancel"; readonly id: number }
  | { readonly kind: "purge" };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("arrive" as const), length: fc.nat(300) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("consume" as const), count: fc.nat(200) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("cancel" as const), id: fc.nat(10) }) },
  { weight: 1, arbitrary: fc.constant({ kind: "purge" as const }) },
);

/** Both, side by side. */
class Pair {
  readonly #fast = new OutFifo(FIFO, PACKET);
  readonly #slow = new SlowOutFifo();
  readonly #arrivals: OutArrival[] = [];
  readonly #done: number[] = [];

  run(each: Step): void {
    if (each.kind === "arrive") this.#arrive(each.length);
    else if (each.kind === "consume") this.#consume(each.count);
    else if (each.kind === "cancel") this.#cancel(each.id);
    else {
      this.#fast.purge(0);
      this.#slow.purge();
    }
    expect(this.#done).toEqual(this.#slow.done);
  }

  #arrive(length: number): void {
    const id = this.#arrivals.length;
    const data = pattern(length + id).subarray(id);
    const arrival = { data, taken: () => this.#done.push(id) };
    this.#arrivals.push(arrival);
    this.#fast.arrive(arrival, 0);
    this.#slow.arrive(id, data);
  }

  #consume(wanted: number): void {
    const got: number[] = [];
    while (got.length < wanted && !this.#fast.empty) {
      const count = Math.min(wanted - got.length, this.#fast.available);
      got.push(...this.#fast.front().subarray(0, count));
      this.#fast.consume(count, 0);
    }
    expect(got).toEqual(this.#slow.consume(wanted));
  }

  #cancel(id: number): void {
    const arrival = this.#arrivals[id];
    if (arrival !== undefined) this.#fast.cancel(arrival, 0);
    this.#slow.cancel(id);
  }
}

describe("the OUT FIFO", () => {
  it("takes packets as one that is filled packet by packet would", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const pair = new Pair();
        for (const each of steps) pair.run(each);
      }),
      { numRuns: 1000 },
    );
  });

  it("keeps what it has taken when the host reuses its buffer", () => {
    const fifo = new OutFifo(FIFO, PACKET);
    const data = pattern(100);
    fifo.arrive({ data, taken: () => undefined }, 0);
    data.fill(0);
    expect(toHex(fifo.front())).toBe(toHex(pattern(100)));
    expect(toHex(fifo.save())).toBe(toHex(pattern(100)));
  });

  it("says how far the engine must go until a transfer completes", () => {
    const fifo = new OutFifo(FIFO, PACKET);
    expect(fifo.untilTaken).toBe(Infinity);
    const times: number[] = [];
    fifo.arrive({ data: pattern(300), taken: (atUs) => times.push(atUs) }, 1);
    expect(fifo.untilTaken).toBe(300 - FIFO);
    fifo.consume(171, 2);
    expect([fifo.untilTaken, times]).toEqual([1, []]);
    fifo.consume(1, 3);
    expect([fifo.untilTaken, times]).toEqual([Infinity, [3]]);
  });
});

describe("the IN FIFO", () => {
  const options = { fifoBytes: FIFO, packetSize: PACKET, flushWhenEmpty: "status" as const };

  it("has room for its size without a transfer, and to the transfer's end with one", () => {
    const fifo = new InFifo(options, 0);
    expect(fifo.room).toBe(FIFO);
    fifo.put([1, 2, 3], 0);
    expect(fifo.room).toBe(FIFO - 3);
    const done: string[] = [];
    fifo.arrive({ length: 128, complete: (data) => done.push(toHex(data)) }, 0);
    expect(fifo.room).toBe(2 * 62 - 3);
    const room = fifo.reserve(121);
    room.fill(9);
    fifo.commit(121, 5);
    expect(done).toEqual([`3260010203${"09".repeat(59)}3260${"09".repeat(62)}`]);
    expect([fifo.room, fifo.level]).toEqual([FIFO, 0]);
  });

  it("gives the bytes of the cancelled transfer up, and goes on with the next", () => {
    const fifo = new InFifo(options, 0);
    const done: string[] = [];
    const first = { length: 128, complete: () => done.push("first") };
    fifo.arrive(first, 0);
    fifo.arrive({ length: 64, complete: (data) => done.push(toHex(data)) }, 0);
    fifo.reserve(70).fill(1);
    fifo.commit(70, 1);
    fifo.cancel(first, 2);
    fifo.cancel(first, 2);
    fifo.flush(3);
    expect(done).toEqual([`3260${"01".repeat(8)}`]);
  });

  it("fails a transfer that a packet does not fit into, and loses the packet", () => {
    const fifo = new InFifo(options, 0);
    const done: [string, boolean][] = [];
    const arrival = (length: number) => ({
      length,
      complete: (data: Uint8Array, overflow: boolean) => done.push([toHex(data), overflow]),
    });
    fifo.arrive(arrival(10), 0);
    fifo.arrive(arrival(64), 0);
    fifo.put(
      Array.from({ length: 20 }, () => 1),
      0,
    );
    fifo.flush(0);
    fifo.put([7], 0);
    fifo.flush(0);
    expect(done.map(([, overflow]) => overflow)).toEqual([true, false]);
    expect(done[1]?.[0]).toBe("326007");
  });
});
