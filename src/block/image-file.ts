import { type FileHandle, open, realpath, stat, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Clock } from "../util/clock.js";
import { errorCode } from "../util/errors.js";
import { acquireLock, type Lock } from "../util/lock.js";
import { formatSize } from "../util/size.js";
import { BLOCK_SIZE, BlockError } from "./device.js";

export interface ImageOptions {
  readonly readOnly: boolean;
  /** Makes a sparse image of this many bytes if there is none; one that is there must have this size. */
  readonly createBytes?: number;
  readonly clock: Clock;
}

/** An open image, checked; all three are the caller's to close. */
export interface ImageFile {
  readonly file: FileHandle;
  readonly bytes: number;
  /** Held while the file is open for writing. */
  readonly lock: Lock | undefined;
}

/** The work of `openImage`, whose errors it throws. Leaves nothing open or made if it fails. */
export async function openImageFile(path: string, options: ImageOptions): Promise<ImageFile> {
  const { readOnly, createBytes } = options;
  if (createBytes !== undefined) checkWholeBlocks(path, createBytes);
  const exists = await isThere(path);
  if (!exists && (createBytes === undefined || readOnly)) throw missing(path);
  let file: FileHandle | undefined;
  let lock: Lock | undefined;
  try {
    // Opened before it is locked: that a file is read-only says more than that its folder is.
    if (exists) file = await openFile(path, readOnly);
    if (!readOnly) lock = await lockImage(path);
    file ??= await createSparse(path, createBytes ?? 0);
    return { file, bytes: await checkedSize(path, file, createBytes), lock };
  } catch (error) {
    await file?.close();
    await lock?.release();
    throw error;
  }
}

/** @throws BlockError for what is there but is no file */
async function isThere(path: string): Promise<boolean> {
  try {
    const info = await stat(path);
    if (info.isDirectory()) throw invalid(path, "is a directory", "name the image file in it");
    if (!info.isFile())
      throw invalid(path, "is no regular file", "copy the medium to a file first (dd)");
    return true;
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return false;
    throw cause instanceof BlockError ? cause : inaccessible(path, cause);
  }
}

/** Beside the file itself, so that all its symbolic links share one lock. */
async function lockImage(path: string): Promise<Lock> {
  try {
    const folder = await realpath(dirname(path));
    const real = await realpath(path).catch(() => join(folder, basename(path)));
    return await acquireLock(`${real}.lock`, `the image ${path}`);
  } catch (cause) {
    if (errorCode(cause) === "LOCKED") throw cause;
    throw inaccessible(path, cause);
  }
}

async function createSparse(path: string, bytes: number): Promise<FileHandle> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, "wx+");
    await file.truncate(bytes);
    return file;
  } catch (cause) {
    if (file !== undefined) await unlink(path).catch(() => undefined);
    await file?.close();
    throw inaccessible(path, cause);
  }
}

async function openFile(path: string, readOnly: boolean): Promise<FileHandle> {
  try {
    return await open(path, readOnly ? "r" : "r+");
  } catch (cause) {
    throw openingFailed(path, readOnly, cause);
  }
}

async function checkedSize(
  path: string,
  file: FileHandle,
  wanted: number | undefined,
): Promise<number> {
  const { size } = await file.stat();
  if (wanted !== undefined && size !== wanted) throw otherSize(path, size, wanted);
  checkWholeBlocks(path, size);
  return size;
}

function checkWholeBlocks(path: string, bytes: number): void {
  const hint = `an image is a whole number of ${BLOCK_SIZE}-byte blocks; was it cut off while it was copied?`;
  if (bytes === 0) throw invalid(path, "is empty", hint);
  if (bytes % BLOCK_SIZE === 0) return;
  throw invalid(path, `has ${bytes} bytes, which is no multiple of ${BLOCK_SIZE}`, hint);
}

function otherSize(path: string, size: number, wanted: number): BlockError {
  const what = `is there already, with ${formatSize(size)} instead of ${formatSize(wanted)}`;
  return invalid(path, what, "leave out its size, or choose another name");
}

function invalid(path: string, what: string, hint: string): BlockError {
  return new BlockError("IMAGE_INVALID", `the image ${path} ${what}`, { details: { path }, hint });
}

function missing(path: string): BlockError {
  return new BlockError("IMAGE_MISSING", `there is no image ${path}`, {
    details: { path },
    hint: "check the path; sim:FILE?create=64MiB makes a new one",
  });
}

function openingFailed(path: string, readOnly: boolean, cause: unknown): BlockError {
  const denied = ["EACCES", "EROFS", "EPERM"].includes(errorCode(cause) ?? "");
  if (readOnly || !denied) return inaccessible(path, cause);
  return new BlockError("BLOCK_READ_ONLY", `the image ${path} is read-only`, {
    cause,
    details: { path },
    hint: "make it writable (chmod u+w), or use a verb that only reads",
  });
}

function inaccessible(path: string, cause: unknown): BlockError {
  const what = `the image ${path} cannot be opened (${errorCode(cause) ?? "error"})`;
  return new BlockError("IMAGE_ACCESS", what, {
    cause,
    details: { path },
    hint: "check the permissions of the file and its folder",
  });
}
