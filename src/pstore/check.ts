import { BLOCK_SIZE, type BlockDevice } from "../block/device.js";
import type { Deadline } from "../util/deadline.js";
import { type Finding, finding, type Severity } from "./finding.js";
import { kernelNextZone } from "./kernel-order.js";
import { checkParameters, type KernelUse, kernelUse } from "./kernel-parameters.js";
import { totalBytes } from "./read-bytes.js";
import { fieldOffsets } from "./record-fields.js";
import { fileName, scanPartition } from "./scan.js";
import {
  type Geometry,
  LAYOUT_LE64,
  type PartitionScan,
  type RecordLayout,
  type ScanWarning,
  type ScanWarningCode,
} from "./types.js";
import { unwritable } from "./writable.js";
import {
  chooseLayout,
  countedHeaders,
  type DmesgCandidate,
  isFree,
  sameLayout,
} from "./zone-choice.js";
import { readHeads } from "./zone-reader.js";

export interface CheckOptions {
  /** Path of the partition on the board, for the kernel's parameters. */
  readonly blkdev?: string;
  readonly deadline?: Deadline;
}

/** What `pstore check` found. Plain data, but for times (bigint). */
export interface CheckReport {
  /** Parameters first, then zones in their order. */
  readonly findings: readonly Finding[];
  /** A kernel would take the parameters as they are meant. */
  readonly parametersFit: boolean;
  /** A record or a zone's header is torn or damaged. */
  readonly damaged: boolean;
  readonly kernel: KernelUse;
  /** Absent if the partition cannot be read with this geometry. */
  readonly zones?: ZoneSummary;
}

export interface ZoneSummary {
  readonly dmesg: number;
  readonly free: number;
  readonly records: number;
  /** Where a kernel of the records' layout writes next; absent without dmesg zones. */
  readonly kernelNext?: number;
  readonly layout: RecordLayout;
}

const DEFAULT_BLKDEV = "/dev/mmcblk0p2";

/** How much a warning of the scan weighs, and whether it is damage. */
const WEIGHT: Readonly<Record<ScanWarningCode, readonly [Severity, damage: boolean]>> = {
  overtop: ["warning", true],
  "invalid-magic": ["warning", true],
  "damaged-length": ["error", true],
  "empty-compressed": ["error", true],
  "ring-overtop": ["warning", true],
  "ring-start": ["error", true],
  "foreign-signature": ["error", false],
  "misplaced-signature": ["error", false],
  "signature-gap": ["error", false],
  "record-past-zone": ["error", false],
  torn: ["error", true],
  salvaged: ["error", true],
  undecodable: ["warning", false],
};

/**
 * Judges a partition: would a kernel take the parameters, what is wrong in the zones, what would a kernel not show, what is left of
 * erased records. Reads everything, writes nothing. Findings are returned, not thrown.
 *
 * @throws what the device throws
 */
export async function checkPartition(
  device: BlockDevice,
  geometry: Geometry,
  options: CheckOptions = {},
): Promise<CheckReport> {
  const parameters = checkParameters(geometry, totalBytes(device), options.blkdev);
  const kernel = kernelUse(geometry, options.blkdev ?? DEFAULT_BLKDEV);
  const parametersFit = parameters.every(({ severity }) => severity !== "error");
  const isUnreadable = parameters.some(({ code }) => UNREADABLE.has(code));
  if (isUnreadable) return { findings: parameters, parametersFit, damaged: false, kernel };

  const { deadline } = options;
  const within = deadline === undefined ? {} : { deadline };
  const scan = await scanPartition(device, geometry, { search: "all", ...within });
  const heads = await readHeads(device, scan.layout.dmesg, deadline);
  const zones = heads.flatMap(({ zone, bytes, dmesg }) =>
    dmesg ? [{ zone, bytes, head: dmesg }] : [],
  );
  const layout = chooseLayout(zones.map(({ head }) => head));
  const doubts = scan.warnings.map((warning) => weigh(warning, scan));
  const findings = [
    ...parameters,
    ...checkAlignment(scan),
    ...doubts.map(({ finding: one }) => one),
    ...checkLayouts(zones),
    ...checkOrder(zones, layout),
    ...(await checkLeaks(device, zones, deadline)),
  ];
  return {
    findings,
    parametersFit,
    damaged: doubts.some(({ isDamage }) => isDamage),
    kernel,
    zones: summary(scan, zones, layout),
  };
}

const UNREADABLE: ReadonlySet<string> = new Set(["no-room", "geometry-invalid"]);

function summary(
  scan: PartitionScan,
  zones: readonly DmesgCandidate[],
  layout: RecordLayout,
): ZoneSummary {
  return {
    dmesg: zones.length,
    free: zones.filter(({ head }) => isFree(head)).length,
    records: scan.records.filter(({ state }) => state !== "erased").length,
    ...(zones.length > 0 && { kernelNext: kernelNextZone(countedHeaders(zones, layout)) }),
    layout,
  };
}

function weigh(
  warning: ScanWarning,
  scan: PartitionScan,
): { readonly finding: Finding; readonly isDamage: boolean } {
  const { code, message, offset, zone, stopsKernel } = warning;
  const [severity, isDamage] = isUnused(warning, scan) ? UNUSED : WEIGHT[code];
  const details = { offset, ...(zone && { zone }), stopsKernel };
  return { finding: finding(code, severity, message, details), isDamage };
}

const UNUSED: readonly [Severity, boolean] = ["info", false];

/** A signature with no length and no record behind it: nothing was lost there. */
function isUnused({ code, zone }: ScanWarning, { dmesg }: PartitionScan): boolean {
  return code === "invalid-magic" && dmesg[zone?.index ?? -1]?.head.datalen === 0;
}

function checkAlignment({ layout }: PartitionScan): Finding[] {
  const refusal = unwritable(layout);
  if (refusal === undefined) return [];
  return [finding("read-only-geometry", "warning", refusal.message, { hint: refusal.hint })];
}

/** A kernel reads its own layout only: others it skips, or shows as garbage. */
function checkLayouts(zones: readonly DmesgCandidate[]): Finding[] {
  const layouts = zones.flatMap(({ head }) => (head.state === "valid" && head.layout) || []);
  const [first] = layouts;
  if (first === undefined || layouts.every((other) => sameLayout(other, first))) return [];
  const message =
    "records of different machines (header sizes or byte orders) are mixed: a kernel shows its own, others as garbage or not at all";
  return [finding("mixed-layouts", "warning", message)];
}

/** The kernel goes by time: after a clock that jumped back it writes over a newer record first. */
function checkOrder(zones: readonly DmesgCandidate[], layout: RecordLayout): Finding[] {
  const counted = countedHeaders(zones, layout);
  const next = kernelNextZone(counted);
  const lost = zones[next];
  const header = counted[next];
  if (lost?.head.state !== "valid" || header === undefined) return [];
  const older = zones.findIndex(
    ({ head }, index) =>
      head.state === "valid" && (counted[index]?.tvSec ?? header.tvSec) < header.tvSec,
  );
  const isAnyFree = zones.some(({ head }) => isFree(head));
  if (older < 0 && !isAnyFree) return [];
  const why =
    older < 0
      ? "although there are free zones"
      : `although ${fileName(zoneOf(zones, older))} is older`;
  const message = `a kernel's next record replaces ${fileName(lost.zone)}, ${why}`;
  return [finding("ring-order", "info", message, { next, ...(older >= 0 && { older }) })];
}

function zoneOf(zones: readonly DmesgCandidate[], index: number): DmesgCandidate["zone"] {
  return (zones[index] as DmesgCandidate).zone;
}

/** Erasing takes away four bytes; the text stays on the card until it is written over. */
async function checkLeaks(
  device: BlockDevice,
  zones: readonly DmesgCandidate[],
  deadline?: Deadline,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { zone, head } of zones) {
    if (head.state !== "erased" || zone.offset % BLOCK_SIZE !== 0) continue;
    const sector = new Uint8Array(BLOCK_SIZE);
    await device.read(zone.offset / BLOCK_SIZE, sector, deadline);
    const text = sector.subarray(fieldOffsets(head.layout ?? LAYOUT_LE64).payload, zone.size);
    if (text.every((byte) => byte === 0)) continue;
    const message = `${fileName(zone)} is erased, but its text is still on the card`;
    findings.push(finding("leak", "info", message, { zone }));
  }
  return findings;
}
