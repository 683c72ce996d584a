import type { Clock, Timer } from "../../util/clock.js";
import { FaultPlan, type SerprogFault } from "./faults.js";

export interface LineOptions {
  readonly clock: Clock;
  /** Half of it each way. */
  readonly roundTripUs: number;
  readonly bytesPerSecond: number;
  /** Bytes that reach the host together. */
  readonly packetBytes: number;
  readonly toBoard: (bytes: Uint8Array) => void;
  readonly toHost: (bytes: Uint8Array) => void;
}

/** The way between host and board: so many bytes a second each way, half a round trip late, in order; and what befalls them. */
export class SerialLine {
  readonly #options: LineOptions;
  readonly #faults = new FaultPlan();
  readonly #timers = new Set<Timer>();
  readonly #toBoard: Uint8Array[] = [];
  readonly #toHost: Uint8Array[] = [];
  #boardFreeUs = 0;
  #hostFreeUs = 0;
  #garbled = false;

  constructor(options: LineOptions) {
    this.#options = options;
  }

  /** The two sides are set to different baud rates: nothing makes sense on either. */
  set garbled(on: boolean) {
    this.#garbled = on;
  }

  inject(fault: SerprogFault): void {
    this.#faults.add(fault);
  }

  passed(direction: SerprogFault["direction"]): number {
    return this.#faults.passed(direction);
  }

  /** Microseconds until the line has taken what it was given. */
  get untilSentUs(): number {
    return Math.max(0, this.#boardFreeUs - this.#options.clock.nowUs());
  }

  sendToBoard(bytes: Uint8Array): void {
    const { clock, roundTripUs, toBoard } = this.#options;
    const arrives = this.#onTheWay("toBoard", bytes);
    this.#boardFreeUs = Math.max(this.#boardFreeUs, clock.nowUs()) + this.#lineUs(bytes.length);
    this.#later(this.#boardFreeUs + roundTripUs / 2, this.#toBoard, arrives, toBoard);
  }

  sendToHost(bytes: Uint8Array): void {
    const { clock, roundTripUs, packetBytes, toHost } = this.#options;
    const arrives = this.#onTheWay("toHost", bytes);
    for (let at = 0; at < arrives.length; at += packetBytes) {
      const packet = arrives.subarray(at, at + packetBytes);
      this.#hostFreeUs = Math.max(this.#hostFreeUs, clock.nowUs()) + this.#lineUs(packet.length);
      this.#later(this.#hostFreeUs + roundTripUs / 2, this.#toHost, packet, toHost);
    }
  }

  /** The cable is out. */
  cut(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
    this.#toBoard.length = 0;
    this.#toHost.length = 0;
    this.#boardFreeUs = 0;
    this.#hostFreeUs = 0;
  }

  #onTheWay(direction: SerprogFault["direction"], bytes: Uint8Array): Uint8Array {
    const arrives = this.#faults.pass(direction, bytes.slice());
    return this.#garbled ? arrives.map((byte) => (byte * 5) ^ 0xa6) : arrives;
  }

  #lineUs(bytes: number): number {
    return (bytes * 1e6) / this.#options.bytesPerSecond;
  }

  /** Real timers that are due in the same millisecond fire in any order: whichever does brings what was sent first. */
  #later(
    atUs: number,
    onTheWay: Uint8Array[],
    bytes: Uint8Array,
    arrive: (bytes: Uint8Array) => void,
  ): void {
    const { clock } = this.#options;
    onTheWay.push(bytes);
    const timer = clock.timer(atUs - clock.nowUs(), () => {
      this.#timers.delete(timer);
      const first = onTheWay.shift();
      if (first !== undefined) arrive(first);
    });
    this.#timers.add(timer);
  }
}
