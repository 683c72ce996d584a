import type { Deadline } from "../util/deadline.js";
import { MmcpstoreError } from "../util/errors.js";
import type { DeadmanPort } from "./deadman.js";
import type { PanicPort } from "./panic.js";

/** The only block size of this project, in bytes. */
export const BLOCK_SIZE = 512;

/** What the medium prefers; all in blocks, undefined where unknown. */
export interface BlockGeometryHints {
  /** Allocation unit of an SD card (SSR AU_SIZE), erase group of an MMC: partitions are aligned to it. */
  readonly allocationUnitBlocks?: number;
  /** Blocks that one call moves best. */
  readonly preferredTransferBlocks?: number;
}

/**
 * Random access in blocks of 512 bytes. Calls queue first in, first out. Each call takes an absolute deadline; without
 * one the implementation uses its own for the amount of work.
 *
 * Throws BlockError (BLOCK_RANGE, BLOCK_READ_ONLY) before anything is moved, and whatever the medium throws.
 */
export interface BlockDevice {
  readonly blockSize: typeof BLOCK_SIZE;
  readonly blockCount: number;
  readonly readOnly: boolean;
  readonly hints: BlockGeometryHints;
  /** `into.length` is a multiple of 512. */
  read(lba: number, into: Uint8Array, deadline?: Deadline): Promise<void>;
  /** Resolves when the medium has accepted the data and its status was read; not a proof by reading back. */
  write(lba: number, data: Uint8Array, deadline?: Deadline): Promise<void>;
  /** Resolves when everything written before is on the medium, as far as it can tell. */
  flush(deadline?: Deadline): Promise<void>;
  /** Contents afterwards are the medium's own choice (00 or FF). Absent where the medium has no erase. */
  erase?(lba: number, count: number, deadline?: Deadline): Promise<void>;
  /** The way past the queue. Absent where the medium has none of its own: {@link import("./panic.js").plainPanicPort}. */
  readonly panic?: PanicPort;
  /** Somebody who writes by himself when this process has fallen silent. Absent where there is none. */
  readonly deadman?: DeadmanPort;
}

/** Range, read-only, image, partition and table errors (BLOCK_, IMAGE_, PART_, TABLE_ codes). */
export class BlockError extends MmcpstoreError {}

/** @throws BlockError BLOCK_RANGE if `bytes` at `lba` do not lie wholly inside, or are not whole blocks */
export function checkRange(device: { blockCount: number }, lba: number, bytes: number): void {
  const count = bytes / BLOCK_SIZE;
  const fits =
    Number.isInteger(count) &&
    Number.isInteger(lba) &&
    lba >= 0 &&
    lba + count <= device.blockCount;
  if (fits) return;
  throw new BlockError(
    "BLOCK_RANGE",
    `blocks ${lba}+${count} do not lie inside the device of ${device.blockCount} blocks`,
    {
      details: { lba, blocks: count, blockCount: device.blockCount },
      hint: "the range must end at or before the last block",
    },
  );
}

/** @throws BlockError BLOCK_READ_ONLY */
export function checkWritable(device: { readOnly: boolean }): void {
  if (!device.readOnly) return;
  throw new BlockError("BLOCK_READ_ONLY", "the device is open read-only", {
    hint: "leave out --read-only, or take the write protection off",
  });
}

/** Blocks in memory: tests, previews (`--dry-run`), and the base of nothing else. */
export class MemoryBlockDevice implements BlockDevice {
  readonly blockSize: typeof BLOCK_SIZE = BLOCK_SIZE;
  readonly blockCount: number;
  readonly readOnly: boolean;
  readonly hints: BlockGeometryHints = {};
  readonly bytes: Uint8Array;

  /** @param bytes a whole number of blocks; used in place, not copied */
  constructor(bytes: Uint8Array, options: { readonly readOnly?: boolean } = {}) {
    this.bytes = bytes;
    this.blockCount = bytes.length / BLOCK_SIZE;
    this.readOnly = options.readOnly ?? false;
    checkRange(this, 0, bytes.length);
  }

  async read(lba: number, into: Uint8Array): Promise<void> {
    checkRange(this, lba, into.length);
    into.set(this.bytes.subarray(lba * BLOCK_SIZE, lba * BLOCK_SIZE + into.length));
  }

  async write(lba: number, data: Uint8Array): Promise<void> {
    checkRange(this, lba, data.length);
    checkWritable(this);
    this.bytes.set(data, lba * BLOCK_SIZE);
  }

  async flush(): Promise<void> {}
}
