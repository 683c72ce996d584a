import { BLOCK_SIZE, type BlockDevice, checkWritable } from "../block/device.js";
import type { Clock } from "../util/clock.js";
import type { Deadline } from "../util/deadline.js";
import { planCommit } from "./commit.js";
import { reasonName } from "./dmesg-head.js";
import { type Draft, draftRecord } from "./draft.js";
import { type ErasePlan, noSuchRecord, planErase, type Selection } from "./erase.js";
import { type FormatPlan, planFormat } from "./format.js";
import { computeLayout } from "./geometry.js";
import { listingEnd } from "./listing-end.js";
import type { CompressMode } from "./payload.js";
import { totalBytes } from "./read-bytes.js";
import { recordTime } from "./record-content.js";
import { fileName, type ScanOptions, scanPartition } from "./scan.js";
import {
  type Geometry,
  type PartitionScan,
  PstoreError,
  type RecordLayout,
  type RecordTime,
  type StoredRecord,
  type Zone,
  type ZoneLayout,
} from "./types.js";
import { readWritableHeads } from "./writable.js";
import { runPlan, type WritePlan } from "./write-plan.js";
import { chooseLayout, chooseZone, type DmesgCandidate } from "./zone-choice.js";
import type { ZoneHead } from "./zone-reader.js";

export interface StoreOptions {
  /** Write in this layout, whatever records are there. */
  readonly layout?: RecordLayout;
  /** The user agrees that damaged zones are written over or erased. */
  readonly yes?: boolean;
}

/** A record to be written. */
export interface AppendRequest {
  /** A kernel log; the `Panic#n Part1` line is added if it is missing. */
  readonly text: Uint8Array;
  /** 1 Panic, 2 Oops, 3 Emergency, 4 Shutdown. */
  readonly reason: number;
  /** Default: the clock's. */
  readonly time?: RecordTime;
  /** Default: `auto`. */
  readonly compress?: CompressMode;
}

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

export interface AppendPlan extends WritePlan {
  readonly report: AppendReport;
}

/**
 * Records on a partition. Every call reads what is on the device anew; nothing is remembered between them.
 *
 * The `plan...` calls write nothing: they are `--dry-run`. All throw what the device throws.
 */
export class PstoreStore {
  readonly layout: ZoneLayout;
  readonly #device: BlockDevice;
  readonly #clock: Pick<Clock, "wallTime">;
  readonly #options: StoreOptions;

  /** @throws PstoreError PSTORE_GEOMETRY_INVALID, PSTORE_GEOMETRY_TOO_LARGE */
  constructor(
    device: BlockDevice,
    geometry: Geometry,
    clock: Pick<Clock, "wallTime">,
    options: StoreOptions = {},
  ) {
    this.layout = computeLayout(geometry, totalBytes(device));
    this.#device = device;
    this.#clock = clock;
    this.#options = options;
  }

  /** All records, and what is wrong on the partition. */
  list(options: ScanOptions = {}): Promise<PartitionScan> {
    return scanPartition(this.#device, this.layout.geometry, options);
  }

  /**
   * A record and the bytes that a kernel shows for it. The name may leave out `.enc.z`.
   * @throws PstoreError PSTORE_NOT_FOUND
   */
  async read(
    name: string,
    options: ScanOptions = {},
  ): Promise<{ readonly record: StoredRecord; readonly bytes: Uint8Array }> {
    const scan = await this.list(options);
    const shown = scan.records.filter(({ state }) => state !== "erased");
    const record = shown.find((one) => one.name === name || one.name === `${name}.enc.z`);
    if (record === undefined)
      throw noSuchRecord(
        name,
        shown.map((one) => one.name),
      );
    return { record, bytes: await scan.contents(record) };
  }

  /**
   * What {@link append} would write.
   * @throws RefusedError, PstoreError PSTORE_GEOMETRY_INVALID (no dmesg zone), PSTORE_GEOMETRY_CONTRADICTED, PSTORE_TOO_LARGE, PSTORE_TIME
   */
  async planAppend(request: AppendRequest, deadline?: Deadline): Promise<AppendPlan> {
    if (this.layout.dmesg.length === 0) throw noDmesgZone(this.layout);
    const heads = await readWritableHeads(this.#device, this.layout, within(deadline));
    const zones = dmesgCandidates(heads);
    const layout = this.#options.layout ?? chooseLayout(zones.map(({ head }) => head));
    const { index } = chooseZone(zones, layout, { damagedIsFree: this.#options.yes ?? false });
    const draft = draftRecord(zones, index, layout, {
      text: request.text,
      reason: request.reason,
      time: request.time ?? this.#now(),
      compress: request.compress ?? "auto",
    });
    const firstSector = new Uint8Array(BLOCK_SIZE);
    await this.#device.read(draft.zone.offset / BLOCK_SIZE, firstSector, deadline);
    const { payload } = draft.prepared;
    const plan = planCommit({ ...draft, payload, firstSector });
    return { ...plan, report: reportOf(draft, zones[index] as DmesgCandidate, heads) };
  }

  /** Writes a record so that a power cut leaves the old set, that without the record replaced, or the new one. */
  async append(request: AppendRequest, deadline?: Deadline): Promise<AppendReport> {
    checkWritable(this.#device);
    const plan = await this.planAppend(request, deadline);
    await runPlan(this.#device, plan, deadline);
    return plan.report;
  }

  /** What {@link erase} would write. */
  async planErase(selection: Selection, deadline?: Deadline): Promise<ErasePlan> {
    const heads = await readWritableHeads(this.#device, this.layout, within(deadline));
    const damaged = this.#options.yes ?? false;
    return planErase(this.#device, heads, selection, { damaged, ...within(deadline) });
  }

  /**
   * Erases records as a kernel's unlink does; returns their names.
   * @throws RefusedError, PstoreError PSTORE_GEOMETRY_CONTRADICTED, PSTORE_NOT_FOUND
   */
  async erase(selection: Selection, deadline?: Deadline): Promise<readonly string[]> {
    checkWritable(this.#device);
    const plan = await this.planErase(selection, deadline);
    await runPlan(this.#device, plan, deadline);
    return plan.erased;
  }

  /** What {@link format} would write. */
  planFormat(deadline?: Deadline): Promise<FormatPlan> {
    return planFormat(this.#device, this.layout, deadline);
  }

  /** Makes the partition empty, also of zones that another geometry left. Returns what was done. */
  async format(deadline?: Deadline): Promise<FormatPlan> {
    checkWritable(this.#device);
    const plan = await this.planFormat(deadline);
    await runPlan(this.#device, plan, deadline);
    return plan;
  }

  #now(): RecordTime {
    const ms = this.#clock.wallTime();
    const seconds = Math.floor(ms / 1000);
    return { seconds: BigInt(seconds), nanoseconds: Math.floor(ms - seconds * 1000) * 1_000_000 };
  }
}

function within(deadline: Deadline | undefined): { readonly deadline?: Deadline } {
  return deadline === undefined ? {} : { deadline };
}

function dmesgCandidates(heads: readonly ZoneHead[]): DmesgCandidate[] {
  return heads.flatMap(({ zone, bytes, dmesg }) => (dmesg ? [{ zone, bytes, head: dmesg }] : []));
}

function noDmesgZone(layout: ZoneLayout): PstoreError {
  return new PstoreError("PSTORE_GEOMETRY_INVALID", "this geometry has no dmesg zone to write to", {
    details: { geometry: layout.geometry },
    hint: "give --kmsg-size",
  });
}

function reportOf(draft: Draft, before: DmesgCandidate, heads: readonly ZoneHead[]): AppendReport {
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
