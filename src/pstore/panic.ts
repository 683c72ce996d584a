import { BLOCK_SIZE, type BlockDevice } from "../block/device.js";
import {
  type ArmedPort,
  type PanicExtent,
  type PanicPort,
  type PanicVerdict,
  type PanicWrite,
  plainPanicPort,
} from "../block/panic.js";
import type { Clock } from "../util/clock.js";
import { type Deadline, expired } from "../util/deadline.js";
import { payloadCapacity, planCommit } from "./commit.js";
import { decodeDmesgHead, reasonName } from "./dmesg-head.js";
import { nextCounter } from "./kernel-order.js";
import { type CompressMode, type PreparedPayload, preparePayload } from "./payload.js";
import { fileName } from "./scan.js";
import type { RecordHeader, RecordLayout, RecordTime, Zone } from "./types.js";
import type { WritePlan } from "./write-plan.js";
import { chooseZone, countedHeaders, type DmesgCandidate, recordSeconds } from "./zone-choice.js";

/** What a panic record is made of, ready to be written; {@link ArmedRecords.prepare} makes it. */
export interface PanicRecord {
  /** 1 Panic, 2 Oops, 3 Emergency, 4 Shutdown. */
  readonly reason: number;
  readonly time: RecordTime;
  readonly prepared: PreparedPayload;
}

/** A record that a panic has put another one in place of, or may have. */
export interface LostRecord {
  readonly name: string;
  readonly reason: string;
  readonly counter: number;
}

/** What became of it. Plain data. */
export interface PanicReport {
  readonly verdict: PanicVerdict;
  /** As the kernel names the file; absent if nothing was committed. */
  readonly name?: string;
  readonly counter?: number;
  readonly time?: RecordTime;
  /** Zones that were tried, in order. */
  readonly zones: readonly number[];
  readonly lost: readonly LostRecord[];
}

/** The writes of one record, and what they will be known as. */
export interface PanicPlan extends WritePlan {
  /** The first sector of its zone as it is now. */
  readonly mark: PanicWrite;
  readonly name: string;
  readonly counter: number;
  readonly time: RecordTime;
}

/** A zone that is ready to be written. */
interface Choice {
  readonly index: number;
  readonly firstSector: Uint8Array;
}

/** What was read while all was well. */
interface Armament {
  readonly zones: DmesgCandidate[];
  readonly layout: RecordLayout;
  readonly port: ArmedPort;
  /** At most two, best first; each is used once. */
  readonly choices: Choice[];
}

export interface ArmOptions {
  readonly damagedIsFree?: boolean;
  /** Zones that are being written by somebody else. */
  readonly passOver?: ReadonlySet<number>;
  /** Somebody is about to write to the zones themselves. */
  readonly changing?: boolean;
}

/**
 * A zone and a second one, chosen and read while all is well, so that a record can be written at any moment: without a look at
 * the partition, past whatever the card is being used for. Writes nothing until {@link fire}.
 */
export class ArmedRecords {
  readonly #device: BlockDevice;
  readonly #clock: Clock;
  readonly #port: PanicPort;
  #armament: Armament | undefined;

  constructor(device: BlockDevice, clock: Clock) {
    this.#device = device;
    this.#clock = clock;
    this.#port = device.panic ?? plainPanicPort(device, clock);
  }

  /** Zones chosen, best first; none if there is nothing left to write to before the next {@link arm}. */
  get zones(): readonly number[] {
    return this.#armament?.choices.map(({ index }) => index) ?? [];
  }

  /**
   * Reads and chooses.
   * @param zones all dmesg zones as they are now, at least one
   * @throws what the device throws, BlockError BLOCK_READ_ONLY
   */
  async arm(
    zones: readonly DmesgCandidate[],
    layout: RecordLayout,
    options: ArmOptions = {},
    deadline?: Deadline,
  ): Promise<void> {
    const indices = chooseTwo(zones, layout, options);
    const choices: Choice[] = [];
    for (const index of indices) {
      const firstSector = new Uint8Array(BLOCK_SIZE);
      const { offset } = (zones[index] as DmesgCandidate).zone;
      await this.#device.read(offset / BLOCK_SIZE, firstSector, deadline);
      choices.push({ index, firstSector });
    }
    const extents = indices.map((at) => extentOf(zones[at]?.zone));
    const port = await this.#port.prepare(extents, { changing: options.changing ?? false });
    this.#armament = { zones: [...zones], layout, port, choices };
  }

  /** From here on nothing is fired before the next {@link arm}. */
  disarm(): void {
    this.#armament = undefined;
  }

  /**
   * What {@link fire} would store of a log. Pure.
   * @throws PstoreError PSTORE_TOO_LARGE
   */
  prepare(
    text: Uint8Array,
    options: {
      readonly reason: number;
      readonly time?: RecordTime;
      readonly compress?: CompressMode;
    },
  ): PanicRecord {
    const { zones, layout } = this.#armed();
    const { reason, compress = "auto", time = timeOf(this.#clock) } = options;
    const [zone] = zones.map((one) => one.zone);
    const prepared = preparePayload(text, {
      capacity: zone === undefined ? 0 : payloadCapacity(layout, zone),
      kmsgSize: zone?.size ?? 0,
      reason,
      sequence: nextCounter(countedHeaders(zones, layout), reason),
      compress,
    });
    return { reason, time, prepared };
  }

  /**
   * What {@link fire} would write first, for somebody else to write. No choice is used up.
   * @throws TypeError if nothing is armed
   */
  plan(record: PanicRecord): PanicPlan {
    const [choice] = this.#armed().choices;
    if (choice === undefined) throw new TypeError("not armed");
    return this.#planAt(choice, record);
  }

  /** Writes the record, in the second zone if the card refuses the first. Never rejects. */
  async fire(record: PanicRecord, deadline: Deadline): Promise<PanicReport> {
    const zones: number[] = [];
    const lost: LostRecord[] = [];
    let report: PanicReport | undefined;
    while (report === undefined || mayTryAnother(report.verdict, this.#clock, deadline)) {
      const choice = this.#armament?.choices.shift();
      if (choice === undefined) break;
      zones.push(choice.index);
      report = await this.#fireAt(choice, record, deadline);
      lost.push(...report.lost);
    }
    return { ...(report ?? notArmed()), zones, lost };
  }

  #armed(): Armament {
    const { zones = [], layout, port, choices = [] } = this.#armament ?? {};
    if (layout === undefined || port === undefined) throw new TypeError("not armed");
    return { zones, layout, port, choices };
  }

  #planAt({ index, firstSector }: Choice, record: PanicRecord): PanicPlan {
    const { zones, layout } = this.#armed();
    const { zone } = zones[index] as DmesgCandidate;
    const header = headerOf(zones, layout, index, record);
    const { payload } = record.prepared;
    const writes = planCommit({ zone, layout, header, payload, firstSector });
    const mark = { lba: zone.offset / BLOCK_SIZE, bytes: firstSector };
    const time = { seconds: header.tvSec, nanoseconds: Number(header.tvNsec) };
    return { ...writes, mark, name: fileName(zone), counter: header.counter, time };
  }

  async #fireAt(choice: Choice, record: PanicRecord, deadline: Deadline): Promise<PanicReport> {
    const { zones, port } = this.#armed();
    const { index, firstSector } = choice;
    const { zone } = zones[index] as DmesgCandidate;
    const plan = this.#planAt(choice, record);
    const verdict = await port.fire(plan.steps, plan.compare, deadline);
    const lost =
      plan.steps.length === 3 && verdict.stepsDone > 0 ? lostRecord(zone, firstSector) : [];
    const committed = verdict.outcome === "committed" || verdict.stepsDone === plan.steps.length;
    if (!committed) return { verdict, zones: [index], lost };
    // The ring goes on behind it, also without another look at the card.
    const bytes = plan.compare[0]?.bytes ?? firstSector;
    zones[index] = { zone, bytes, head: decodeDmesgHead(bytes, zone.size) };
    const { name, counter, time } = plan;
    return { verdict, name, counter, time, zones: [index], lost };
  }
}

/** The zone for a record, and the one for it if the card refuses that. */
function chooseTwo(
  zones: readonly DmesgCandidate[],
  layout: RecordLayout,
  { damagedIsFree = false, passOver = new Set() }: ArmOptions,
): number[] {
  if (zones.length <= passOver.size) return [];
  const first = chooseZone(zones, layout, { damagedIsFree, passOver }).index;
  if (zones.length <= passOver.size + 1) return [first];
  const second = chooseZone(zones, layout, {
    damagedIsFree,
    passOver: new Set([...passOver, first]),
  }).index;
  return [first, second];
}

function extentOf(zone: Zone | undefined): PanicExtent {
  const { offset, size } = zone ?? { offset: 0, size: 0 };
  return { lba: offset / BLOCK_SIZE, blocks: size / BLOCK_SIZE };
}

function headerOf(
  zones: readonly DmesgCandidate[],
  layout: RecordLayout,
  index: number,
  { reason, time, prepared }: PanicRecord,
): RecordHeader {
  const counted = countedHeaders(zones, layout);
  const seconds = recordSeconds(counted, index, time.seconds);
  return {
    tvSec: seconds,
    tvNsec: seconds === time.seconds ? BigInt(time.nanoseconds) : 0n,
    compressed: prepared.compressed ? 1 : 0,
    counter: nextCounter(counted, reason),
    reason,
  };
}

/** Only a card that refuses to write is asked for another place. */
function mayTryAnother(verdict: PanicVerdict, clock: Clock, deadline: Deadline): boolean {
  return verdict.outcome === "write-failed" && !expired(clock, deadline);
}

function lostRecord(zone: Zone, firstSector: Uint8Array): LostRecord[] {
  const { state, header } = decodeDmesgHead(firstSector, zone.size);
  if (state !== "valid" || header === undefined) return [];
  return [{ name: fileName(zone), reason: reasonName(header.reason), counter: header.counter }];
}

function notArmed(): PanicReport {
  const message = "no zone is armed: the choices are used up";
  const error = { code: "INTERNAL", message } as const;
  return {
    verdict: { outcome: "write-failed", stepsDone: 0, dataAtRisk: false, us: 0, error },
    zones: [],
    lost: [],
  };
}

/** Seconds and nanoseconds of the wall clock. */
export function timeOf(clock: Pick<Clock, "wallTime">): RecordTime {
  const ms = clock.wallTime();
  const seconds = Math.floor(ms / 1000);
  return { seconds: BigInt(seconds), nanoseconds: Math.floor(ms - seconds * 1000) * 1_000_000 };
}
