import { BLOCK_SIZE, type BlockDevice, checkWritable } from "../block/device.js";
import type { Clock } from "../util/clock.js";
import type { Deadline } from "../util/deadline.js";
import { type AppendReport, reportOf } from "./append-report.js";
import { planCommit } from "./commit.js";
import { decodeDmesgHead } from "./dmesg-head.js";
import { draftRecord } from "./draft.js";
import { type ErasePlan, noSuchRecord, planErase, type Selection } from "./erase.js";
import { type FormatPlan, planFormat } from "./format.js";
import { computeLayout } from "./geometry.js";
import { ArmedRecords, timeOf } from "./panic.js";
import type { CompressMode } from "./payload.js";
import { totalBytes } from "./read-bytes.js";
import { type ScanOptions, scanPartition } from "./scan.js";
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
  #armed: ArmedRecords | undefined;

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
      time: request.time ?? timeOf(this.#clock),
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
    const { zone } = plan.report;
    const head = plan.compare[0]?.bytes ?? new Uint8Array(BLOCK_SIZE);
    await this.#whileArmed({ passOver: new Set([zone.index]), pending: { zone, head } }, () =>
      runPlan(this.#device, plan, deadline),
    );
    return plan.report;
  }

  /**
   * Chooses and reads all that a panic record needs, and keeps that true while this store is used. Writes nothing.
   * @throws as {@link planAppend}, but for the record's own
   */
  async arm(clock: Clock, deadline?: Deadline): Promise<ArmedRecords> {
    checkWritable(this.#device);
    if (this.layout.dmesg.length === 0) throw noDmesgZone(this.layout);
    const armed = new ArmedRecords(this.#device, clock);
    await this.#rearm(armed, {}, deadline);
    this.#armed = armed;
    return armed;
  }

  /** After a panic record, or whatever else has used a choice up. @throws as {@link arm} */
  async rearm(deadline?: Deadline): Promise<void> {
    if (this.#armed !== undefined) await this.#rearm(this.#armed, {}, deadline);
  }

  /**
   * The armed choice makes way for a write, and is made anew behind it, however it ended. If the device fails then, the one that
   * made way stays: that is when a panic needs it. Only a partition that must not be written has none.
   */
  async #whileArmed(write: Disturbance, run: () => Promise<void>): Promise<void> {
    const armed = this.#armed;
    if (armed === undefined) return run();
    await this.#rearm(armed, write);
    try {
      await run();
    } finally {
      await this.#rearm(armed, {}).catch((error: unknown) => {
        if (error instanceof PstoreError) armed.disarm();
      });
    }
  }

  async #rearm(armed: ArmedRecords, write: Disturbance, deadline?: Deadline): Promise<void> {
    const heads = await readWritableHeads(this.#device, this.layout, within(deadline));
    const zones = dmesgCandidates(heads);
    const layout = this.#options.layout ?? chooseLayout(zones.map(({ head }) => head));
    const { pending, passOver, changing } = write;
    if (pending !== undefined) {
      const { zone, head: bytes } = pending;
      zones[zone.index] = { zone, bytes, head: decodeDmesgHead(bytes, zone.size) };
    }
    await armed.arm(
      zones,
      layout,
      {
        damagedIsFree: this.#options.yes ?? false,
        ...(passOver === undefined ? {} : { passOver }),
        ...(changing === undefined ? {} : { changing }),
      },
      deadline,
    );
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
    await this.#whileArmed({ changing: true }, () => runPlan(this.#device, plan, deadline));
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
    await this.#whileArmed({ changing: true }, () => runPlan(this.#device, plan, deadline));
    return plan;
  }
}

/** What a write does to the zones that a panic may have chosen. */
interface Disturbance {
  /** Zones that it writes. */
  readonly passOver?: ReadonlySet<number>;
  /** The record that it is about to put there: the ring goes on behind it. */
  readonly pending?: { readonly zone: Zone; readonly head: Uint8Array };
  /** It may change any zone. */
  readonly changing?: boolean;
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
