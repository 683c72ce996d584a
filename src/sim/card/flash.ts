import {
  closeSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  writeSync,
} from "node:fs";
import { IoError } from "../../util/errors.js";

export const SECTOR = 512;

/** The cells behind a card model: sectors of 512 bytes, read and written at once. */
export interface FlashStore {
  readonly sectorCount: number;
  readonly readOnly: boolean;
  read(sector: number, into: Uint8Array): void;
  /** Takes a copy. */
  write(sector: number, data: Uint8Array): void;
  /** Fills `count` sectors with one byte. */
  erase(sector: number, count: number, byte: number): void;
  /** Absent where the contents cannot be kept cheaply. */
  snapshot?(): FlashSnapshot;
  restore?(snapshot: FlashSnapshot): void;
  close(): void;
}

const CHUNK = 1024;
/** Sectors of a chunk; those that read as zeros are undefined. The sectors themselves are never changed in place. */
type Chunk = (Uint8Array | undefined)[];

/** The contents of a {@link MemoryFlash} at one moment, shared with it. */
export class FlashSnapshot {
  readonly chunks: ReadonlyMap<number, Chunk>;

  constructor(chunks: ReadonlyMap<number, Chunk>) {
    this.chunks = chunks;
  }

  /** Sectors that hold something; counted when asked. */
  get size(): number {
    let count = 0;
    for (const chunk of this.chunks.values())
      count += chunk.filter((sector) => sector !== undefined).length;
    return count;
  }
}

/** Sectors in memory; those never written read as zeros. A snapshot costs one pointer a 512 KiB in use. */
export class MemoryFlash implements FlashStore {
  readonly sectorCount: number;
  readonly readOnly: boolean = false;
  #chunks = new Map<number, Chunk>();
  /** Chunks that no snapshot and no other place in the map shares. */
  #own = new Set<number>();
  readonly #blank = new Map<number, Chunk>();

  constructor(sectorCount: number, sectors: ReadonlyMap<number, Uint8Array> = new Map()) {
    this.sectorCount = sectorCount;
    for (const [sector, data] of sectors) this.write(sector, data);
  }

  read(sector: number, into: Uint8Array): void {
    const data = this.#chunks.get(Math.floor(sector / CHUNK))?.[sector % CHUNK];
    if (data === undefined) into.fill(0);
    else into.set(data);
  }

  write(sector: number, data: Uint8Array): void {
    this.#chunkOf(sector)[sector % CHUNK] = data.slice();
  }

  erase(sector: number, count: number, byte: number): void {
    const end = sector + count;
    for (let at = sector; at < end; ) {
      const next = Math.min(end, (Math.floor(at / CHUNK) + 1) * CHUNK);
      if (next - at === CHUNK) this.#eraseChunk(at / CHUNK, byte);
      else this.#chunkOf(at).fill(this.#blankChunk(byte)[0], at % CHUNK, (at % CHUNK) + next - at);
      at = next;
    }
  }

  #eraseChunk(index: number, byte: number): void {
    this.#own.delete(index);
    if (byte === 0) this.#chunks.delete(index);
    else this.#chunks.set(index, this.#blankChunk(byte));
  }

  #blankChunk(byte: number): Chunk {
    const kept = this.#blank.get(byte);
    if (kept !== undefined) return kept;
    const sector = byte === 0 ? undefined : new Uint8Array(SECTOR).fill(byte);
    const chunk: Chunk = new Array(CHUNK).fill(sector);
    this.#blank.set(byte, chunk);
    return chunk;
  }

  /** The chunk with that sector, made this store's own. */
  #chunkOf(sector: number): Chunk {
    const index = Math.floor(sector / CHUNK);
    const chunk = this.#chunks.get(index);
    if (chunk !== undefined && this.#own.has(index)) return chunk;
    const own = chunk?.slice() ?? new Array<Uint8Array | undefined>(CHUNK).fill(undefined);
    this.#chunks.set(index, own);
    this.#own.add(index);
    return own;
  }

  snapshot(): FlashSnapshot {
    this.#own.clear();
    return new FlashSnapshot(new Map(this.#chunks));
  }

  restore(snapshot: FlashSnapshot): void {
    this.#own.clear();
    this.#chunks = new Map(snapshot.chunks);
  }

  close(): void {}
}

const ERASE_BYTES = 1 << 20;

/** Sectors in an image file, written through at once, so that a dying simulator loses nothing. */
export class FileFlash implements FlashStore {
  readonly sectorCount: number;
  readonly readOnly: boolean;
  readonly #path: string;
  readonly #file: number;
  #open = true;

  /** @param createBytes makes a sparse file of this size first; it must not exist */
  constructor(
    path: string,
    options: { readonly readOnly: boolean; readonly createBytes?: number },
  ) {
    this.readOnly = options.readOnly;
    this.#path = path;
    this.#file = openSync(
      path,
      options.createBytes !== undefined ? "wx+" : options.readOnly ? "r" : "r+",
    );
    if (options.createBytes !== undefined) ftruncateSync(this.#file, options.createBytes);
    this.sectorCount = Math.floor(fstatSync(this.#file).size / SECTOR);
  }

  /** @throws IoError */
  read(sector: number, into: Uint8Array): void {
    const count = this.#guard("read", () => readSync(this.#file, into, 0, SECTOR, sector * SECTOR));
    into.fill(0, count, SECTOR);
  }

  /** @throws IoError, for a full disk too */
  write(sector: number, data: Uint8Array): void {
    this.#put(data, SECTOR, sector * SECTOR);
  }

  /** Leaves holes where they are, and makes them at the end of the file. */
  erase(sector: number, count: number, byte: number): void {
    const [from, to] = [sector * SECTOR, (sector + count) * SECTOR];
    if (byte === 0 && to === this.sectorCount * SECTOR && !this.readOnly) {
      this.#guard("erase", () => {
        ftruncateSync(this.#file, from);
        ftruncateSync(this.#file, to);
      });
      return;
    }
    const blank = Buffer.alloc(ERASE_BYTES, byte);
    const old = Buffer.alloc(ERASE_BYTES);
    for (let at = from; at < to; at += ERASE_BYTES) {
      const length = Math.min(ERASE_BYTES, to - at);
      this.#guard("read", () => readSync(this.#file, old, 0, length, at));
      if (blank.compare(old, 0, length, 0, length) !== 0) this.#put(blank, length, at);
    }
  }

  #put(data: Uint8Array, length: number, at: number): void {
    if (this.readOnly) throw new IoError(`${this.#path} is open read-only`);
    this.#guard("write", () => {
      for (let done = 0; done < length; )
        done += writeSync(this.#file, data, done, length - done, at + done);
    });
  }

  #guard<T>(verb: string, act: () => T): T {
    try {
      return act();
    } catch (cause) {
      throw new IoError(`cannot ${verb} the image ${this.#path}`, {
        cause,
        details: { path: this.#path },
        hint: "see whether the disk is full or the file was removed",
      });
    }
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    if (!this.readOnly) fsyncSync(this.#file);
    closeSync(this.#file);
  }
}
