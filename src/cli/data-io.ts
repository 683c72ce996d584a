import { createHash } from "node:crypto";
import { type FileHandle, open, rename, rm, stat } from "node:fs/promises";
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
  const { size } = await file.stat();
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
export async function readAll(io: CliIo, limit: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of io.stdin) {
    size += part.length;
    if (size > limit) throw new UsageError(`stdin holds more than ${limit} bytes`);
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
  const partial = `${path}.part`;
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
      await file.sync();
      await file.close();
      await rename(partial, path);
      return hash.digest("hex");
    },
    async abandon() {
      await file.close().catch(() => undefined);
      await rm(partial, { force: true });
    },
  };
}
