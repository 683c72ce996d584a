import { reasonName } from "./dmesg-head.js";
import type { Draft } from "./draft.js";
import { listingEnd } from "./listing-end.js";
import { recordTime } from "./record-content.js";
import { fileName } from "./scan.js";
import type { RecordLayout, RecordTime, Zone } from "./types.js";
import type { DmesgCandidate } from "./zone-choice.js";
import type { ZoneHead } from "./zone-reader.js";

/** What was written, or would be. Plain data. */
export interface AppendReport {
  /** As the kernel names the file. */
  readonly name: string;
  readonly zone: Zone;
  readonly layout: RecordLayout;
  readonly reason: string;
  readonly counter: number;
  /** As it is in the header. */
  readonly time: RecordTime;
  /** The time wanted, if a record on disk made it a later one: a kernel finds its place by time. */
  readonly raisedFrom?: RecordTime;
  readonly compressed: boolean;
  /** Payload bytes on disk. */
  readonly storedBytes: number;
  /** Bytes of text in them. */
  readonly textBytes: number;
  /** The oldest lines that did not fit. */
  readonly droppedBytes: number;
  readonly droppedLines: number;
  readonly addedDumpLine: boolean;
  /** No zone was free: the record that went. */
  readonly replaced?: {
    readonly reason: string;
    readonly counter: number;
    readonly time: RecordTime;
  };
  /** A kernel ends its listing at this damaged zone, in front of the new record. */
  readonly hiddenBehind?: Zone;
}

/** The report of a draft: `before` is what its zone held, `heads` those of all zones. */
export function reportOf(
  draft: Draft,
  before: DmesgCandidate,
  heads: readonly ZoneHead[],
): AppendReport {
  const { zone, layout, header, prepared, raisedFrom } = draft;
  const old = before.head.state === "valid" ? before.head.header : undefined;
  const hiddenBehind = listingEnd(heads, zone);
  return {
    name: fileName(zone),
    zone,
    layout,
    reason: reasonName(header.reason),
    counter: header.counter,
    time: { seconds: header.tvSec, nanoseconds: Number(header.tvNsec) },
    ...(raisedFrom && { raisedFrom }),
    compressed: prepared.compressed,
    storedBytes: prepared.payload.length,
    textBytes: prepared.textBytes,
    droppedBytes: prepared.droppedBytes,
    droppedLines: prepared.droppedLines,
    addedDumpLine: prepared.addedDumpLine,
    ...(old && {
      replaced: {
        reason: reasonName(old.reason),
        counter: old.counter,
        time: recordTime(old) ?? { seconds: 0n, nanoseconds: 0 },
      },
    }),
    ...(hiddenBehind && { hiddenBehind }),
  };
}
