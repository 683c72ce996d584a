import { payloadCapacity } from "./commit.js";
import { nextCounter } from "./kernel-order.js";
import { type CompressMode, type PreparedPayload, preparePayload } from "./payload.js";
import type { RecordHeader, RecordLayout, RecordTime, Zone } from "./types.js";
import { countedHeaders, type DmesgCandidate, recordSeconds } from "./zone-choice.js";

/** A record as it is to be written to one zone. */
export interface Draft {
  readonly zone: Zone;
  readonly layout: RecordLayout;
  readonly header: RecordHeader;
  readonly prepared: PreparedPayload;
  /** The time wanted, if the ring's order asked for a later one. */
  readonly raisedFrom?: RecordTime;
}

export interface DraftRequest {
  readonly text: Uint8Array;
  /** 1 Panic, 2 Oops, 3 Emergency, 4 Shutdown. */
  readonly reason: number;
  readonly time: RecordTime;
  readonly compress: CompressMode;
}

/**
 * Header and payload of a record for the zone of that index, from what is in all of them. Pure.
 *
 * @param zones all dmesg zones by index
 * @throws PstoreError PSTORE_TOO_LARGE, PSTORE_TIME
 */
export function draftRecord(
  zones: readonly DmesgCandidate[],
  index: number,
  layout: RecordLayout,
  request: DraftRequest,
): Draft {
  const { zone } = zones[index] as DmesgCandidate;
  const { time, reason, compress } = request;
  const counted = countedHeaders(zones, layout);
  const counter = nextCounter(counted, reason);
  const seconds = recordSeconds(counted, index, time.seconds);
  const isRaised = seconds !== time.seconds;
  const prepared = preparePayload(request.text, {
    capacity: payloadCapacity(layout, zone),
    kmsgSize: zone.size,
    reason,
    sequence: counter,
    compress,
  });
  const header: RecordHeader = {
    tvSec: seconds,
    tvNsec: isRaised ? 0n : BigInt(time.nanoseconds),
    compressed: prepared.compressed ? 1 : 0,
    counter,
    reason,
  };
  return { zone, layout, header, prepared, ...(isRaised && { raisedFrom: time }) };
}
