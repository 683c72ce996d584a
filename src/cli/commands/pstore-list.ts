import type { StoredRecord } from "../../index.js";
import { note, type RunVerb, writeJson } from "../context.js";
import { formatTable } from "../format/table.js";
import { exitOfScan, formatTime, noteWarnings, withStore } from "../pstore-session.js";

const HEADER = ["NAME", "REASON", "TIME (UTC)", "BYTES", "STORED", "COMPRESSION", "STATE"];

/** `pstore list`: all records, erased ones too. Exit 7 if one of them is torn. */
export const run: RunVerb = (context, _operands, flags) =>
  withStore(context, "read", flags, async ({ store, geometry, part }) => {
    const scan = await store.list();
    if (context.settings.json)
      await writeJson(context, "pstore-list", { geometry, records: scan.records.map(recordJson) });
    else await context.io.writeOut(formatTable(scan.records.map(row), HEADER));
    noteWarnings(context, scan);
    if (scan.records.length === 0) note(context, `no records on ${part.part.description}`);
    return exitOfScan(scan.records);
  });

function row(record: StoredRecord): string[] {
  const { name, reason, header, mtime, textBytes, storedBytes, compression, state } = record;
  return [
    name,
    header === undefined ? "-" : `${reason} #${header.counter}`,
    mtime === undefined ? "-" : formatTime(mtime).replace(/\.\d+Z$/, "Z"),
    String(textBytes ?? "-"),
    String(storedBytes),
    compression,
    state,
  ];
}

/** A record as scripts get it (DESIGN §5). */
export function recordJson(record: StoredRecord): object {
  return {
    name: record.name,
    type: record.type,
    zone: record.zone.index,
    offset: record.zone.offset,
    reason: record.reason ?? null,
    counter: record.header?.counter ?? null,
    time: record.mtime === undefined ? null : formatTime(record.mtime),
    compressed: record.compressed,
    compression: record.compression,
    storedBytes: record.storedBytes,
    textBytes: record.textBytes ?? null,
    sha256: record.sha256 ?? null,
    state: record.state,
  };
}
