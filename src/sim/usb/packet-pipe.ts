import type { UsbControlSetup } from "../../transport/types.js";
import type { LinkedChip } from "./link.js";
import type { ControlAnswer, InArrival, OutArrival, TransferChip } from "./transfers.js";

/**
 * A chip at the level of USB packets. Times are model time in microseconds, and what is asked of it never goes back in time.
 * What it says of its readiness may change only by the calls below.
 */
export interface PacketChip {
  /** From when it takes an OUT packet (until then it answers NAK); Infinity: not before something else happens. */
  readonly outReadyUs: number;
  /** Takes a packet of 0 to wMaxPacketSize bytes, not before {@link outReadyUs}. The bytes are good until the call returns. */
  takeOut(packet: Uint8Array, atUs: number): void;
  /** From when it has an IN packet (until then: NAK); Infinity: not before something else happens. */
  readonly inReadyUs: number;
  /** Gives the packet, 0 to wMaxPacketSize bytes, not before {@link inReadyUs}. Called only while the host has an IN transfer posted. */
  takeIn(atUs: number): Uint8Array;
  /** A request of class or vendor. */
  control(setup: UsbControlSetup, data: Uint8Array, atUs: number): ControlAnswer;
}

export interface PacketPipeOptions {
  /** wMaxPacketSize of both endpoints. */
  readonly packetSize: number;
  /** Time that a packet takes on the bus, either way; one at a time. */
  readonly packetUs: number;
}

/** Packets that have passed since the model was made. */
export interface PacketCounts {
  readonly outPackets: number;
  readonly inPackets: number;
}

interface OutEntry {
  readonly arrival: OutArrival;
  readonly sinceUs: number;
  /** Bytes taken. */
  at: number;
}

interface InEntry {
  readonly arrival: InArrival;
  readonly sinceUs: number;
  readonly data: Uint8Array;
  filled: number;
}

/**
 * Moves transfers through a {@link PacketChip} packet by packet: an OUT transfer arrives in packets, an IN transfer ends when it is
 * full or with a short packet, and stays pending while the chip has none.
 */
export class PacketPipe implements LinkedChip, TransferChip {
  readonly #chip: PacketChip;
  readonly #options: PacketPipeOptions;
  readonly #outs: OutEntry[] = [];
  readonly #ins: InEntry[] = [];
  #busFreeUs = 0;
  #outPackets = 0;
  #inPackets = 0;

  constructor(chip: PacketChip, options: PacketPipeOptions) {
    this.#chip = chip;
    this.#options = options;
  }

  get counts(): PacketCounts {
    return { outPackets: this.#outPackets, inPackets: this.#inPackets };
  }

  /** Posted IN transfers that are not complete. */
  get posted(): number {
    return this.#ins.length;
  }

  advance(toUs: number): void {
    for (;;) {
      const inUs = this.#nextInUs;
      const outUs = this.#nextOutUs;
      if (Math.min(inUs, outUs) > toUs) return;
      if (inUs <= outUs) this.#moveIn(inUs);
      else this.#moveOut(outUs);
    }
  }

  nextUs(): number {
    return Math.min(this.#nextInUs, this.#nextOutUs);
  }

  outArrives(arrival: OutArrival, atUs: number): void {
    this.#outs.push({ arrival, sinceUs: atUs, at: 0 });
    this.advance(atUs);
  }

  inArrives(arrival: InArrival, atUs: number): void {
    const data = new Uint8Array(arrival.length);
    this.#ins.push({ arrival, sinceUs: atUs, data, filled: 0 });
    this.advance(atUs);
  }

  /** What the chip has taken of it stays taken. */
  outCancelled(arrival: OutArrival, atUs: number): void {
    remove(this.#outs, arrival);
    this.advance(atUs);
  }

  /** What it has got so far is lost. */
  inCancelled(arrival: InArrival, atUs: number): void {
    remove(this.#ins, arrival);
    this.advance(atUs);
  }

  control(setup: UsbControlSetup, data: Uint8Array, atUs: number): ControlAnswer {
    return this.#chip.control(setup, data, atUs);
  }

  /** The cable is out: nothing waits for the chip any more. */
  clear(): void {
    this.#outs.length = 0;
    this.#ins.length = 0;
  }

  get #nextOutUs(): number {
    const head = this.#outs[0];
    return head === undefined ? Infinity : this.#packetEndUs(head.sinceUs, this.#chip.outReadyUs);
  }

  get #nextInUs(): number {
    const head = this.#ins[0];
    return head === undefined ? Infinity : this.#packetEndUs(head.sinceUs, this.#chip.inReadyUs);
  }

  #packetEndUs(sinceUs: number, readyUs: number): number {
    return Math.max(sinceUs, readyUs, this.#busFreeUs) + this.#options.packetUs;
  }

  #moveOut(atUs: number): void {
    const head = this.#outs[0] as OutEntry;
    const { data, taken } = head.arrival;
    const end = Math.min(data.length, head.at + this.#options.packetSize);
    this.#busFreeUs = atUs;
    this.#outPackets++;
    this.#chip.takeOut(data.subarray(head.at, end), atUs);
    head.at = end;
    if (end < data.length) return;
    this.#outs.shift();
    taken(atUs);
  }

  #moveIn(atUs: number): void {
    const head = this.#ins[0] as InEntry;
    const packet = this.#chip.takeIn(atUs);
    this.#busFreeUs = atUs;
    this.#inPackets++;
    const overflow = head.filled + packet.length > head.data.length;
    if (!overflow) {
      head.data.set(packet, head.filled);
      head.filled += packet.length;
    }
    const short = packet.length < this.#options.packetSize;
    if (!overflow && !short && head.filled < head.data.length) return;
    this.#ins.shift();
    head.arrival.complete(head.data.subarray(0, head.filled), overflow, atUs);
  }
}

function remove<T>(entries: { readonly arrival: T }[], arrival: T): void {
  const at = entries.findIndex((entry) => entry.arrival === arrival);
  if (at >= 0) entries.splice(at, 1);
}
