import type { FileHandle } from "node:fs/promises";
import type { Clock } from "../util/clock.js";
import { errorCode, InternalError } from "../util/errors.js";
import type { Lock } from "../util/lock.js";
import {
  BLOCK_SIZE,
  type BlockDevice,
  BlockError,
  type BlockGeometryHints,
  checkRange,
  checkWritable,
} from "./device.js";
import { type ImageOptions, openImageFile } from "./image-file.js";

const ERASE_SLICE_BLOCKS = 2048;

/** A card or a partition as a file of whole blocks. Opened for writing it is locked against a second writer; readers are not locked out. */
export class ImageBlockDevice implements BlockDevice {
  readonly blockSize: typeof BLOCK_SIZE = BLOCK_SIZE;
  readonly blockCount: number;
  readonly readOnly: boolean;
  readonly hints: BlockGeometryHints = {};
  readonly path: string;
  readonly #file: FileHandle;
  readonly #lock: Lock | undefined;
  readonly #clock: Clock;
  /** The last call; it never rejects. */
  #tail: Promise<unknown> = Promise.resolve();
  #closing: Promise<void> | undefined;

  /** @param bytes size of the file, a multiple of 512; `file` and `lock` are owned from here on */
  constructor(
    path: string,
    file: FileHandle,
    bytes: number,
    lock: Lock | undefined,
    options: ImageOptions,
  ) {
    this.path = path;
    this.blockCount = bytes / BLOCK_SIZE;
    this.readOnly = options.readOnly;
    this.#file = file;
    this.#lock = lock;
    this.#clock = options.clock;
  }

  /** True if the lock of a process that had died was taken over. */
  get tookOverLock(): boolean {
    return this.#lock?.wasStale ?? false;
  }

  /** @throws BlockError BLOCK_RANGE; IMAGE_INVALID if the file was cut off meanwhile; IO */
  async read(lba: number, into: Uint8Array): Promise<void> {
    checkRange(this, lba, into.length);
    await this.#inOrder(async () => {
      for (let done = 0; done < into.length; ) {
        const left = into.length - done;
        const { bytesRead } = await this.#file.read(into, done, left, lba * BLOCK_SIZE + done);
        if (bytesRead === 0) throw this.#truncated();
        done += bytesRead;
      }
    });
  }

  /** @throws BlockError BLOCK_RANGE, BLOCK_READ_ONLY; IMAGE_INVALID if the file was cut off meanwhile; IO */
  async write(lba: number, data: Uint8Array): Promise<void> {
    checkRange(this, lba, data.length);
    checkWritable(this);
    await this.#inOrder(async () => {
      await this.#checkSize();
      await this.#writeAll(lba, data);
    });
  }

  async flush(): Promise<void> {
    if (!this.readOnly) await this.#inOrder(() => this.#file.sync());
  }

  /** Leaves zeros, as most cards do. */
  async erase(lba: number, count: number): Promise<void> {
    checkRange(this, lba, count * BLOCK_SIZE);
    checkWritable(this);
    const zeros = new Uint8Array(Math.min(count, ERASE_SLICE_BLOCKS) * BLOCK_SIZE);
    await this.#inOrder(async () => {
      await this.#checkSize();
      for (let done = 0; done < count; done += ERASE_SLICE_BLOCKS) {
        const blocks = Math.min(ERASE_SLICE_BLOCKS, count - done);
        await this.#writeAll(lba + done, zeros.subarray(0, blocks * BLOCK_SIZE));
      }
    });
  }

  /** Waits for the calls made before. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#closeOnce();
    return this.#closing;
  }

  async #closeOnce(): Promise<void> {
    await this.#tail;
    await this.#clock.outside(this.#file.close());
    if (this.#lock !== undefined) await this.#clock.outside(this.#lock.release());
  }

  async #writeAll(lba: number, data: Uint8Array): Promise<void> {
    for (let done = 0; done < data.length; ) {
      const left = data.length - done;
      const { bytesWritten } = await this.#file.write(data, done, left, lba * BLOCK_SIZE + done);
      done += bytesWritten;
    }
  }

  /** A write behind the end would quietly make a file with a hole of it. */
  async #checkSize(): Promise<void> {
    const { size } = await this.#file.stat();
    if (size < this.blockCount * BLOCK_SIZE) throw this.#truncated();
  }

  #inOrder(work: () => Promise<void>): Promise<void> {
    if (this.#closing !== undefined) throw new InternalError(`the image ${this.path} is closed`);
    const next = this.#tail.then(work).catch((cause: unknown) => this.#failed(cause));
    this.#tail = next.catch(() => undefined);
    return this.#clock.outside(next);
  }

  #truncated(): BlockError {
    return new BlockError("IMAGE_INVALID", `${this.path} has become shorter while it was open`, {
      details: { path: this.path },
      hint: "something else has cut it off; make it whole again from a copy",
    });
  }

  #failed(cause: unknown): never {
    if (cause instanceof BlockError) throw cause;
    const code = errorCode(cause) ?? "error";
    throw new BlockError("IO", `${this.path} cannot be read or written (${code})`, {
      cause,
      details: { path: this.path },
      hint: code === "ENOSPC" ? "make room on that disk" : "look at the disk that it lies on",
    });
  }
}

/**
 * Opens an image file, or makes a new one.
 * @throws BlockError IMAGE_MISSING, IMAGE_ACCESS, IMAGE_INVALID (a directory, no regular file, empty, no whole number of blocks, another size
 * than asked for), BLOCK_READ_ONLY (the file may not be written); LockedError
 */
export async function openImage(path: string, options: ImageOptions): Promise<ImageBlockDevice> {
  const { file, bytes, lock } = await options.clock.outside(openImageFile(path, options));
  return new ImageBlockDevice(path, file, bytes, lock, options);
}
