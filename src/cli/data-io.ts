import { createHash } from "node:crypto";
import { type FileHandle, open, realpath, rename, rm, stat } from "node:fs/promises";
import { concatBytes } from "../util/bytes.js";
import { errorCode, IoError, UsageError } from "../util/errors.js";
import type { CliIo } from "./io.js";

/** A file, or stdin, read from its start. */
export interface DataSource {
  /** Bytes in all. */
  readonly size: number;
  /** Exactly `into.length` further bytes. @throws IoError if the file became shorter meanwhile */
  read(into: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens a file, or stdin (`-`), which is read to its end first, since a device must not be written before the size is known.
 * @param limit bytes that are of use; more on stdin is a usage error
 */
export async function openSource(io: CliIo, path: string, limit: number): Promise<DataSource> {
  if (path === "-") return memorySource(await readAll(io, limit));
  const file = await openFile(path);
  const info = await file.stat();
  // A pipe or a device has no size until it is read.
  if (!info.isFile()) return memorySource(await collect(file.createReadStream(), limit, path));
  const { size } = info;
  let at = 0;
  return {
    size,
    async read(into) {
      const { bytesRead } = await file.read(into, 0, into.length, at);
      if (bytesRead !== into.length) throw new IoError(`${path} became shorter while it was read`);
      at += bytesRead;
    },
    close: () => file.close(),
  };
}

async function openFile(path: string): Promise<FileHandle> {
  const info = await stat(path).catch((cause: unknown) => {
    throw unreadable(path, cause);
  });
  if (info.isDirectory())
    throw new UsageError(`${path} is a directory`, { hint: "name a file, or - for stdin" });
  return open(path, "r").catch((cause: unknown) => {
    throw unreadable(path, cause);
  });
}

function unreadable(path: string, cause: unknown): UsageError {
  const why =
    errorCode(cause) === "ENOENT"
      ? "does not exist"
      : `cannot be read (${errorCode(cause) ?? "error"})`;
  return new UsageError(`${path} ${why}`, { cause, details: { path } });
}

/** All of stdin. @throws UsageError if there is more than `limit` bytes */
export function readAll(io: CliIo, limit: number): Promise<Uint8Array> {
  return collect(io.stdin, limit, "stdin");
}

async function collect(
  source: AsyncIterable<Uint8Array>,
  limit: number,
  name: string,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of source) {
    size += part.length;
    if (size > limit) throw new UsageError(`${name} holds more than ${limit} bytes`);
    parts.push(part);
  }
  return concatBytes(parts);
}

function memorySource(bytes: Uint8Array): DataSource {
  let at = 0;
  return {
    size: bytes.length,
    async read(into) {
      into.set(bytes.subarray(at, at + into.length));
      at += into.length;
    },
    close: async () => undefined,
  };
}

/** Where a verb puts data: a file that appears only when it is complete, or stdout. */
export interface DataSink {
  write(data: Uint8Array): Promise<void>;
  /** Gives the file its name. Returns the SHA-256 of all that was written, hex. */
  finish(): Promise<string>;
  /** Takes an incomplete file away. */
  abandon(): Promise<void>;
}

/** @throws UsageError if the file cannot be made */
export async function openSink(io: CliIo, path: string): Promise<DataSink> {
  const hash = createHash("sha256");
  if (path === "-") {
    return {
      write: async (data) => {
        hash.update(data);
        await io.writeOut(data.slice());
      },
      finish: async () => hash.digest("hex"),
      abandon: async () => undefined,
    };
  }
  return fileSink(path, hash);
}

async function fileSink(path: string, hash: ReturnType<typeof createHash>): Promise<DataSink> {
  const there = await stat(path).catch(() => undefined);
  if (there?.isDirectory() === true)
    throw new UsageError(`${path} is a directory`, { hint: "name a file, or - for stdout" });
  // A device or a pipe (/dev/null) is written to; only a file is replaced, and that where a link to it leads.
  if (there?.isFile() === false) return openFileSink(path, path, hash);
  const target = there === undefined ? path : await realpath(path);
  return openFileSink(`${target}.part`, target, hash);
}

/** Writes to `partial`, which becomes `path` when it is complete; both may be the same. */
async function openFileSink(
  partial: string,
  path: string,
  hash: ReturnType<typeof createHash>,
): Promise<DataSink> {
  const isReplaced = partial !== path;
  const file = await open(partial, "w").catch((cause: unknown) => {
    throw new UsageError(`${path} cannot be written (${errorCode(cause) ?? "error"})`, {
      cause,
      details: { path },
    });
  });
  return {
    async write(data) {
      hash.update(data);
      await file.write(data).catch((cause: unknown) => {
        throw new IoError(`${partial} cannot be written on (${errorCode(cause) ?? "error"})`, {
          cause,
        });
      });
    },
    async finish() {
      if (isReplaced) await file.sync();
      await file.close();
      if (isReplaced) await rename(partial, path);
      return hash.digest("hex");
    },
    async abandon() {
      await file.close().catch(() => undefined);
      if (isReplaced) await rm(partial, { force: true });
    },
  };
}
