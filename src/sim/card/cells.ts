import { type FlashStore, SECTOR } from "./flash.js";

/** What a power cut leaves of the sector in flight; of a range being erased: not begun, all, or one half. */
export type CutState = "old" | "new" | "first-half" | "second-half";

export const CUT_STATES: readonly CutState[] = ["old", "new", "first-half", "second-half"];

/** What happened to the cells, and after how many clocked bytes: from it every power cut of a run can be worked out. */
export type CellEvent =
  | {
      readonly kind: "accept" | "commit";
      readonly atByte: number;
      readonly sector: number;
      readonly data: Uint8Array;
    }
  /** The range may be erased in part between the two. */
  | {
      readonly kind: "erase" | "erased";
      readonly atByte: number;
      readonly sector: number;
      readonly count: number;
    };

export interface InFlight {
  readonly sector: number;
  readonly data: Uint8Array;
}

export interface SectorRange {
  readonly sector: number;
  readonly count: number;
}

/**
 * What the cells may hold if power goes now: the contents of `version`, in which each sector of `writing` has one of the
 * four {@link CutState}s, and each range of `erasing` is old or erased, in whole or in half.
 */
export interface PowerCutStates {
  /** Counts completed changes: the same number means the same contents. */
  readonly version: number;
  readonly writing: readonly InFlight[];
  readonly erasing: readonly SectorRange[];
}

/** The mutable part of {@link Cells}, for snapshots. */
export interface CellsState {
  readonly writing: readonly InFlight[];
  readonly erasing: readonly SectorRange[];
  readonly announced: SectorRange | undefined;
  readonly version: number;
  readonly accepted: number;
  readonly wear: ReadonlyMap<number, number>;
}

/**
 * The cells with what is being programmed: a sector is in flight from the acceptance of its data to the end of its busy;
 * before that nothing changes.
 */
export class Cells {
  readonly flash: FlashStore;
  /** Sectors at which the capacity wraps: a counterfeit. */
  readonly #wrap: number;
  readonly #erasedByte: number;
  #writing: InFlight[] = [];
  #erasing: SectorRange[] = [];
  /** What ACMD23 announced and was not written yet. */
  #announced: SectorRange | undefined;
  #journal: CellEvent[] | undefined;
  #version = 0;
  /** Sectors taken for programming so far. */
  accepted = 0;
  /** Writes a sector has seen. */
  wear: Map<number, number> = new Map();

  constructor(flash: FlashStore, wrap: number, erasedByte: number) {
    this.flash = flash;
    this.#wrap = wrap;
    this.#erasedByte = erasedByte;
  }

  get programming(): boolean {
    return this.#writing.length > 0 || this.#erasing.length > 0;
  }

  get powerCutStates(): PowerCutStates {
    const announced = this.#announced === undefined ? [] : [this.#announced];
    return {
      version: this.#version,
      writing: this.#writing,
      erasing: [...this.#erasing, ...announced],
    };
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
      this.#writing.push(one);
      this.accepted++;
      this.#journal?.push({ kind: "accept", atByte, ...one });
    }
  }

  /** Begins to erase. */
  startErase(range: SectorRange, atByte: number): void {
    for (const part of this.#wrapped(range)) {
      this.#erasing.push(part);
      this.#journal?.push({ kind: "erase", atByte, ...part });
    }
  }

  /** Sectors whose contents are undefined unless they are written: of an open CMD25, none once it has ended. */
  announce(range: SectorRange | undefined): void {
    this.#announced = range;
  }

  /** Programming is over. */
  commit(atByte: number): void {
    if (!this.programming) return;
    const [writing, erasing] = [this.#writing, this.#erasing];
    this.#writing = [];
    this.#erasing = [];
    this.#version++;
    for (const { sector, data } of writing) {
      this.#journal?.push({ kind: "commit", atByte, sector, data });
      this.wear.set(sector, (this.wear.get(sector) ?? 0) + 1);
      this.flash.write(sector, data);
    }
    for (const range of erasing) {
      this.#journal?.push({ kind: "erased", atByte, ...range });
      this.flash.erase(range.sector, range.count, this.#erasedByte);
    }
  }

  /** Power goes, or a reset comes in the middle. */
  cut(state: CutState): void {
    const { writing, erasing } = this.powerCutStates;
    this.#writing = [];
    this.#erasing = [];
    this.#announced = undefined;
    this.#version++;
    for (const { sector, data } of writing) {
      const old = new Uint8Array(SECTOR);
      this.flash.read(sector, old);
      this.flash.write(sector, tornSector(old, data, state));
    }
    for (const range of erasing) {
      const part = erasedPart(range, state);
      if (part.count > 0) this.flash.erase(part.sector, part.count, this.#erasedByte);
    }
  }

  /** From here on every change is written down. */
  startJournal(): CellEvent[] {
    this.#journal = [];
    return this.#journal;
  }

  #wrapped({ sector, count }: SectorRange): SectorRange[] {
    const first = sector % this.#wrap;
    const whole = Math.min(count, this.#wrap);
    const before = Math.min(whole, this.#wrap - first);
    const parts = [{ sector: first, count: before }];
    return before === whole ? parts : [...parts, { sector: 0, count: whole - before }];
  }

  save(): CellsState {
    return {
      writing: [...this.#writing],
      erasing: [...this.#erasing],
      announced: this.#announced,
      version: this.#version,
      accepted: this.accepted,
      wear: new Map(this.wear),
    };
  }

  restore(saved: CellsState): void {
    this.#writing = [...saved.writing];
    this.#erasing = [...saved.erasing];
    this.#announced = saved.announced;
    this.#version = saved.version;
    this.accepted = saved.accepted;
    this.wear = new Map(saved.wear);
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

/** What is erased of a range whose erase was cut. */
export function erasedPart({ sector, count }: SectorRange, state: CutState): SectorRange {
  const half = Math.ceil(count / 2);
  if (state === "new") return { sector, count };
  if (state === "first-half") return { sector, count: half };
  return state === "second-half"
    ? { sector: sector + half, count: count - half }
    : { sector, count: 0 };
}
