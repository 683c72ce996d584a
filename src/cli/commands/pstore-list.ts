import type { StoredRecord } from "../../index.js";
import { note, type RunVerb, writeJson } from "../context.js";
import type { ExitCode } from "../exit-codes.js";
import { formatTable } from "../format/table.js";
import { formatTime, formatTimeShort } from "../format/time.js";
import { exitOf, openStore, tellWarnings } from "../pstore-part.js";
import { withDevice } from "../session.js";

const HEADER = ["NAME", "REASON", "TIME (UTC)", "BYTES", "STORED", "COMPRESSION", "STATE"];

/** `pstore list`: all records, erased ones too. Exit 7 if one of them is torn. */
export const run: RunVerb = (context, _operands, flags) =>
  withDevice(context, "read", async (device): Promise<ExitCode> => {
    const { store, geometry, part } = await openStore(context, flags, device, "read");
    const scan = await store.list();
    if (context.settings.json)
      await writeJson(context, "pstore-list", { geometry, records: scan.records.map(recordJson) });
    else await context.io.writeOut(formatTable(scan.records.map(row), HEADER));
    tellWarnings(context, scan);
    if (scan.records.length === 0) note(context, `no records on ${part.description}`);
    return exitOf(scan.records);
  });

function row(record: StoredRecord): string[] {
  const { name, reason, header, mtime, textBytes, storedBytes, compression, state } = record;
  return [
    name,
    header === undefined ? "-" : `${reason} #${header.counter}`,
    mtime === undefined ? "-" : formatTimeShort(mtime),
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
