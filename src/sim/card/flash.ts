import {
  closeSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  writeSync,
} from "node:fs";

export const SECTOR = 512;

/** The cells behind a card model: sectors of 512 bytes, read and written at once. */
export interface FlashStore {
  readonly sectorCount: number;
  read(sector: number, into: Uint8Array): void;
  /** Takes a copy. */
  write(sector: number, data: Uint8Array): void;
  close(): void;
}

/** Sectors in memory; those never written read as zeros. Snapshots share what has not changed. */
export class MemoryFlash implements FlashStore {
  readonly sectorCount: number;
  #sectors: Map<number, Uint8Array>;

  constructor(sectorCount: number, sectors: ReadonlyMap<number, Uint8Array> = new Map()) {
    this.sectorCount = sectorCount;
    this.#sectors = new Map(sectors);
  }

  read(sector: number, into: Uint8Array): void {
    const data = this.#sectors.get(sector);
    if (data === undefined) into.fill(0);
    else into.set(data);
  }

  write(sector: number, data: Uint8Array): void {
    this.#sectors.set(sector, data.slice());
  }

  /** What has been written, by sector. The arrays are never changed in place: they may be kept. */
  snapshot(): ReadonlyMap<number, Uint8Array> {
    return new Map(this.#sectors);
  }

  restore(sectors: ReadonlyMap<number, Uint8Array>): void {
    this.#sectors = new Map(sectors);
  }

  close(): void {}
}

/** Sectors in an image file, written through at once, so that a dying simulator loses nothing. */
export class FileFlash implements FlashStore {
  readonly sectorCount: number;
  readonly #file: number;
  readonly #readOnly: boolean;
  #open = true;

  /** @param createBytes makes a sparse file of this size first; it must not exist */
  constructor(
    path: string,
    options: { readonly readOnly: boolean; readonly createBytes?: number },
  ) {
    this.#readOnly = options.readOnly;
    this.#file = openSync(
      path,
      options.createBytes !== undefined ? "wx+" : options.readOnly ? "r" : "r+",
    );
    if (options.createBytes !== undefined) ftruncateSync(this.#file, options.createBytes);
    this.sectorCount = Math.floor(fstatSync(this.#file).size / SECTOR);
  }

  read(sector: number, into: Uint8Array): void {
    const count = readSync(this.#file, into, 0, SECTOR, sector * SECTOR);
    into.fill(0, count);
  }

  write(sector: number, data: Uint8Array): void {
    if (!this.#readOnly) writeSync(this.#file, data, 0, SECTOR, sector * SECTOR);
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    if (!this.#readOnly) fsyncSync(this.#file);
    closeSync(this.#file);
  }
}
