import { createHash } from "node:crypto";
import {
  BLOCK_SIZE,
  type BlockDevice,
  type BlockGeometryHints,
  checkRange,
} from "../../src/block/device.js";

/** What a power cut leaves of the sector that was being written. */
export const SECTOR_STATES = ["old", "new", "first half new", "second half new"] as const;

/** The device after a power cut. */
export interface Cut {
  /** Says which, so that it can be found again: "sector write 3 of 11 (lba 8), first half new". */
  readonly id: string;
  readonly image: Uint8Array;
}

/** Memory that remembers every sector write in order, to go through all power cuts afterwards. */
export class CutDevice implements BlockDevice {
  readonly blockSize: typeof BLOCK_SIZE = BLOCK_SIZE;
  readonly blockCount: number;
  readonly readOnly = false;
  readonly hints: BlockGeometryHints = {};
  readonly bytes: Uint8Array;
  readonly #before: Uint8Array;
  readonly #writes: { readonly lba: number; readonly bytes: Uint8Array }[] = [];

  constructor(bytes: Uint8Array) {
    this.bytes = bytes.slice();
    this.#before = bytes.slice();
    this.blockCount = bytes.length / BLOCK_SIZE;
  }

  get sectorWrites(): number {
    return this.#writes.length;
  }

  async read(lba: number, into: Uint8Array): Promise<void> {
    checkRange(this, lba, into.length);
    into.set(this.bytes.subarray(lba * BLOCK_SIZE, lba * BLOCK_SIZE + into.length));
  }

  async write(lba: number, data: Uint8Array): Promise<void> {
    checkRange(this, lba, data.length);
    for (let at = 0; at < data.length; at += BLOCK_SIZE)
      this.#writes.push({
        lba: lba + at / BLOCK_SIZE,
        bytes: data.slice(at, at + BLOCK_SIZE),
      });
    this.bytes.set(data, lba * BLOCK_SIZE);
  }

  async flush(): Promise<void> {}

  /** The device after a cut at every sector write, in each of the four states; images that are equal come once. */
  *cuts(): Generator<Cut> {
    const image = this.#before.slice();
    const seen = new Set<string>();
    for (const [index, { lba, bytes }] of this.#writes.entries()) {
      const at = lba * BLOCK_SIZE;
      const old = image.slice(at, at + BLOCK_SIZE);
      for (const state of SECTOR_STATES) {
        image.set(mix(old, bytes, state), at);
        const key = createHash("sha1").update(image).digest("base64");
        if (seen.has(key)) continue;
        seen.add(key);
        const id = `sector write ${index + 1} of ${this.#writes.length} (lba ${lba}), ${state}`;
        yield { id, image: image.slice() };
      }
      image.set(bytes, at);
    }
  }
}

function mix(
  old: Uint8Array,
  fresh: Uint8Array,
  state: (typeof SECTOR_STATES)[number],
): Uint8Array {
  const half = BLOCK_SIZE / 2;
  switch (state) {
    case "old":
      return old;
    case "new":
      return fresh;
    case "first half new":
      return Buffer.concat([fresh.subarray(0, half), old.subarray(half)]);
    case "second half new":
      return Buffer.concat([old.subarray(0, half), fresh.subarray(half)]);
  }
}
