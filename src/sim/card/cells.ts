import { type FlashStore, SECTOR } from "./flash.js";

/** What a power cut leaves of the sector in flight. */
export type CutState = "old" | "new" | "first-half" | "second-half";

export const CUT_STATES: readonly CutState[] = ["old", "new", "first-half", "second-half"];

/** What happened to the cells, and after how many clocked bytes: from it every power cut of a run can be worked out. */
export interface CellEvent {
  readonly kind: "accept" | "commit";
  readonly atByte: number;
  readonly sector: number;
  readonly data: Uint8Array;
}

interface InFlight {
  readonly sector: number;
  readonly data: Uint8Array;
}

/**
 * The cells with what is being programmed: a sector is in flight from the acceptance of its data to the end of its busy;
 * before that nothing changes.
 */
export class Cells {
  readonly flash: FlashStore;
  /** Sectors at which the capacity wraps: a counterfeit. */
  readonly #wrap: number;
  #inFlight: InFlight[] = [];
  #journal: CellEvent[] | undefined;
  /** Sectors taken for programming so far. */
  accepted = 0;
  /** Writes a sector has seen. */
  readonly wear: Map<number, number> = new Map();

  constructor(flash: FlashStore, wrap: number) {
    this.flash = flash;
    this.#wrap = wrap;
  }

  get programming(): boolean {
    return this.#inFlight.length > 0;
  }

  read(sector: number, into: Uint8Array): void {
    this.flash.read(sector % this.#wrap, into);
  }

  /** Takes data (whole sectors) for programming. */
  accept(sector: number, data: Uint8Array, atByte: number): void {
    for (let at = 0; at < data.length; at += SECTOR) {
      const one = {
        sector: (sector + at / SECTOR) % this.#wrap,
        data: data.slice(at, at + SECTOR),
      };
      this.#inFlight.push(one);
      this.accepted++;
      this.#journal?.push({ kind: "accept", atByte, ...one });
    }
  }

  /** Programming is over. */
  commit(atByte: number): void {
    for (const { sector, data } of this.#inFlight) {
      this.flash.write(sector, data);
      this.wear.set(sector, (this.wear.get(sector) ?? 0) + 1);
      this.#journal?.push({ kind: "commit", atByte, sector, data });
    }
    this.#inFlight = [];
  }

  /** Power goes. */
  cut(state: CutState): void {
    for (const { sector, data } of this.#inFlight) {
      const old = new Uint8Array(SECTOR);
      this.flash.read(sector, old);
      this.flash.write(sector, tornSector(old, data, state));
    }
    this.#inFlight = [];
  }

  /** From here on every change is written down. */
  startJournal(): CellEvent[] {
    this.#journal = [];
    return this.#journal;
  }

  save(): unknown {
    return [...this.#inFlight];
  }

  restore(saved: unknown): void {
    this.#inFlight = [...(saved as InFlight[])];
  }
}

/** A sector whose programming was cut. */
export function tornSector(old: Uint8Array, data: Uint8Array, state: CutState): Uint8Array {
  if (state === "old") return old.slice();
  const torn = data.slice();
  if (state === "first-half") torn.set(old.subarray(SECTOR / 2), SECTOR / 2);
  if (state === "second-half") torn.set(old.subarray(0, SECTOR / 2));
  return torn;
}
