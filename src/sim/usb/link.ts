import type { Clock, Timer } from "../../util/clock.js";

/** The device end of a link: moved through time by it. */
export interface LinkedChip {
  advance(toUs: number): void;
  /** When it may have something to say next; `underWay`: the host waits for something. */
  nextUs(underWay: boolean): number;
}

/** What the link needs to know of a transfer. */
export interface LinkedFlight {
  readonly deadlineUs: number;
  readonly returning: boolean;
  abandon(reason: "timeout"): void;
}

interface Errand {
  readonly atUs: number;
  readonly run: (atUs: number) => void;
}

/**
 * The way between host and chip, half a round trip long each way, and the one timer of a channel.
 *
 * Nothing that happens at the chip can be seen by the host before half a round trip has passed. So the chip
 * is moved late by just that: everything is executed in its right order and with its right time, in few timer events.
 */
export class UsbLink {
  readonly #clock: Clock;
  readonly #halfUs: number;
  readonly #chip: LinkedChip;
  readonly #flights: Set<LinkedFlight> = new Set();
  readonly #toChip: Errand[] = [];
  readonly #toHost: Errand[] = [];
  #timer: Timer | undefined;
  #timerUs = Infinity;
  #moving = false;

  constructor(clock: Clock, roundTripUs: number, chip: LinkedChip) {
    this.#clock = clock;
    this.#halfUs = roundTripUs / 2;
    this.#chip = chip;
  }

  get flights(): number {
    return this.#flights.size;
  }

  /** Sends something to the chip on behalf of `flight`; it arrives half a round trip later. */
  submit(flight: LinkedFlight, arrive: (atUs: number) => void): void {
    this.move();
    this.#flights.add(flight);
    this.#toChip.push({ atUs: this.#clock.nowUs() + this.#halfUs, run: arrive });
    if (this.#halfUs === 0) this.move();
    else this.#schedule();
  }

  /** A flight that never reaches the chip. */
  loseOnTheWay(flight: LinkedFlight): void {
    this.#flights.add(flight);
    this.#schedule();
  }

  /** Takes back what has not arrived. */
  recall(arrive: (atUs: number) => void): void {
    const at = this.#toChip.findIndex((errand) => errand.run === arrive);
    if (at >= 0) this.#toChip.splice(at, 1);
  }

  /** The chip was done at `atUs`; the host hears of it half a round trip later. Returns what takes the answer back. */
  answer(atUs: number, flight: LinkedFlight, run: () => void): () => void {
    const errand: Errand = {
      atUs: atUs + this.#halfUs,
      run: () => {
        this.#flights.delete(flight);
        run();
      },
    };
    const behind = this.#toHost.findLastIndex((other) => other.atUs <= errand.atUs);
    this.#toHost.splice(behind + 1, 0, errand);
    return () => {
      const at = this.#toHost.indexOf(errand);
      if (at >= 0) this.#toHost.splice(at, 1);
    };
  }

  /** Catches up with the clock: whatever is due by now happens, in order. */
  move(): void {
    if (this.#moving) return;
    this.#moving = true;
    const nowUs = this.#clock.nowUs();
    while (this.#toChip[0] !== undefined && this.#toChip[0].atUs <= nowUs) {
      const errand = this.#toChip.shift() as Errand;
      this.#chip.advance(errand.atUs);
      errand.run(errand.atUs);
    }
    this.#chip.advance(nowUs);
    this.#deliver(nowUs);
    for (const flight of [...this.#flights]) {
      if (flight.deadlineUs <= nowUs) flight.abandon("timeout");
    }
    this.#deliver(nowUs);
    this.#moving = false;
    this.#schedule();
  }

  /** The cable is out: nothing arrives any more, on either side. */
  cut(): void {
    this.#toChip.length = 0;
    this.#toHost.length = 0;
    this.#flights.clear();
    this.#schedule();
  }

  #deliver(nowUs: number): void {
    while (this.#toHost[0] !== undefined && this.#toHost[0].atUs <= nowUs) {
      (this.#toHost.shift() as Errand).run(nowUs);
    }
  }

  /** When {@link move} is to be called next: the first moment at which the host could see anything. */
  get #dueUs(): number {
    let due = this.#toHost[0]?.atUs ?? Infinity;
    const chipUs = Math.min(
      this.#toChip[0]?.atUs ?? Infinity,
      this.#chip.nextUs(this.#flights.size > 0),
    );
    due = Math.min(due, chipUs + this.#halfUs);
    for (const flight of this.#flights) {
      if (!flight.returning) due = Math.min(due, flight.deadlineUs);
    }
    return due;
  }

  #schedule(): void {
    const due = this.#dueUs;
    if (due === this.#timerUs) return;
    this.#timer?.cancel();
    this.#timerUs = due;
    this.#timer = undefined;
    if (due === Infinity) return;
    this.#timer = this.#clock.timer(due - this.#clock.nowUs(), () => {
      this.#timerUs = Infinity;
      this.#timer = undefined;
      this.move();
    });
  }
}
