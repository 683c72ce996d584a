import { InternalError } from "../util/errors.js";
import type { PartitionScan, RecordTime, StoredRecord } from "./types.js";

/** A file as `pstore extract` writes it. */
export interface ExtractedFile {
  /** Without any path separator. */
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Absent where a kernel shows the time of mounting. */
  readonly mtime?: RecordTime;
}

/** The records that a kernel has a file for: not the erased ones, nor a compressed one without a byte. */
export function shownRecords(scan: PartitionScan): StoredRecord[] {
  return scan.records.filter(
    ({ state, compressed, storedBytes }) =>
      state !== "erased" && !(compressed && storedBytes === 0),
  );
}

/**
 * The files that a kernel shows under its pstore mount, one at a time, in its order. Where it would stop early because of a
 * damaged zone, the files behind it too; what it shows encoded although the log can be had, decoded.
 */
export async function* extractFiles(
  scan: PartitionScan,
  records: readonly StoredRecord[] = shownRecords(scan),
): AsyncGenerator<ExtractedFile> {
  for (const record of records) {
    const { name, mtime } = record;
    if (/[/\\\0]/.test(name)) throw new InternalError(`'${name}' is no file name`);
    yield { name, bytes: await scan.contents(record), ...(mtime && { mtime }) };
  }
}
