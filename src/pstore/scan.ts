import { createHash } from "node:crypto";
import type { BlockDevice } from "../block/device.js";
import { geometryWarnings } from "./contradictions.js";
import { reasonName } from "./dmesg-head.js";
import { computeLayout } from "./geometry.js";
import { totalBytes } from "./read-bytes.js";
import {
  hasRecord,
  payloadBytes,
  type RecordHead,
  recordTime,
  type ShownFile,
  showDmesg,
} from "./record-content.js";
import { type RingHead, type RingOptions, readFtrace, readRing, validRings } from "./scan-rings.js";
import { emptyRecordWarning, headWarning, stateWarning } from "./scan-warnings.js";
import {
  type DmesgHead,
  type Geometry,
  type PartitionScan,
  PstoreError,
  type ScanWarning,
  type StoredRecord,
  type Zone,
  type ZoneType,
} from "./types.js";
import { readHeads, readZone, type ZoneHead } from "./zone-reader.js";

export interface ScanOptions extends RingOptions {
  /**
   * Where to look for signatures that contradict the geometry: `near` (the default) in the first MiB and at least two dmesg
   * zones, where a kernel's second record would be; `all` everywhere, which reads the whole partition; `heads` at zone starts only.
   */
  readonly search?: "heads" | "near" | "all";
}

/** Reads a record's file from the device. */
type Load = () => Promise<ShownFile>;

/**
 * Reads all zones of a partition and decodes their records, one at a time. Damage of one zone never hides another, also
 * where it would stop a kernel; what is refused and why is in the warnings. Random bytes give an empty list.
 *
 * @throws PstoreError PSTORE_GEOMETRY_INVALID, PSTORE_GEOMETRY_TOO_LARGE; what the device throws
 */
export async function scanPartition(
  device: BlockDevice,
  geometry: Geometry,
  options: ScanOptions = {},
): Promise<PartitionScan> {
  const layout = computeLayout(geometry, totalBytes(device));
  const heads = await readHeads(device, layout.zones, options.deadline);
  const scan = new Scan(device, options);
  for (const { zone, dmesg } of heads) if (dmesg !== undefined) await scan.addDmesg(zone, dmesg);
  await scan.addFtrace(heads.filter(({ zone }) => zone.type === "ftrace"));
  for (const type of ["pmsg", "console"] as const)
    await scan.addRings(heads.filter(({ zone }) => zone.type === type));
  const dmesg = heads.flatMap(({ zone, dmesg: head }) => (head ? [{ zone, head }] : []));
  const geometryDoubts = await geometryWarnings(device, layout, heads, options);
  return {
    layout,
    dmesg,
    records: scan.records,
    warnings: [...scan.warnings, ...geometryDoubts],
    contents: (record) => scan.contents(record),
  };
}

class Scan {
  readonly records: StoredRecord[] = [];
  readonly warnings: ScanWarning[] = [];
  readonly #device: BlockDevice;
  readonly #options: ScanOptions;
  /** By zone offset, which two records never share. */
  readonly #loads = new Map<number, Load>();

  constructor(device: BlockDevice, options: ScanOptions) {
    this.#device = device;
    this.#options = options;
  }

  async addDmesg(zone: Zone, head: DmesgHead): Promise<void> {
    const warning = headWarning(zone, head);
    if (warning !== undefined) this.warnings.push(warning);
    if (!hasRecord(head) || head.state === "damaged") return;
    const about = describeDmesg(zone, head);
    if (head.state === "erased") {
      this.records.push({ ...about, name: fileName(zone), compression: "none", state: "erased" });
      return;
    }
    const file = await this.#add(about, zone, async () => {
      const bytes = await readZone(this.#device, zone, head.datalen, this.#options.deadline);
      return showDmesg(bytes, head);
    });
    const doubt =
      about.compressed && about.storedBytes === 0
        ? emptyRecordWarning(zone)
        : stateWarning(zone, file.state);
    if (doubt !== undefined) this.warnings.push(doubt);
  }

  async addRings(heads: readonly ZoneHead[]): Promise<void> {
    for (const ring of validRings(heads, this.warnings))
      await this.#add(describeRing([ring]), ring.zone, async () =>
        plain(await readRing(this.#device, ring, this.#options.deadline)),
      );
  }

  async addFtrace(heads: readonly ZoneHead[]): Promise<void> {
    const rings = validRings(heads, this.warnings);
    const [first] = rings;
    if (first === undefined) return;
    const load: Load = async () => plain(await readFtrace(this.#device, rings, this.#options));
    const file = await load();
    if (file.bytes.length > 0) await this.#add(describeRing(rings), first.zone, load, file);
  }

  async #add(about: About, zone: Zone, load: Load, loaded?: ShownFile): Promise<ShownFile> {
    const file = loaded ?? (await load());
    this.#loads.set(zone.offset, load);
    this.records.push({
      ...about,
      name: fileName(zone, file.encoded),
      compression: file.compression,
      textBytes: file.bytes.length,
      sha256: createHash("sha256").update(file.bytes).digest("hex"),
      state: file.state,
    });
    return file;
  }

  async contents(record: StoredRecord): Promise<Uint8Array> {
    const load = this.#loads.get(record.zone.offset);
    if (load !== undefined) return (await load()).bytes;
    throw new PstoreError("PSTORE_NOT_FOUND", `${record.name} is erased: it has no contents`, {
      details: { name: record.name, offset: record.zone.offset },
      hint: "its header is still listed, its text is no longer shown by a kernel",
    });
  }
}

/** What is known of a record without its contents. */
type About = Omit<StoredRecord, "name" | "compression" | "state" | "textBytes" | "sha256">;

function describeDmesg(zone: Zone, head: RecordHead): About {
  const { layout, header } = head;
  const mtime = recordTime(header);
  return {
    type: "dmesg",
    zone,
    layout,
    header,
    reason: reasonName(header.reason),
    ...(mtime && { mtime }),
    compressed: header.compressed !== 0,
    storedBytes: payloadBytes(head),
  };
}

function describeRing(rings: readonly RingHead[]): About {
  const { zone, header } = rings[0] as RingHead;
  return {
    type: zone.type,
    zone,
    layout: { headerBytes: 40, byteOrder: header.byteOrder },
    compressed: false,
    storedBytes: rings.reduce((sum, ring) => sum + ring.header.datalen, 0),
  };
}

function plain(bytes: Uint8Array): ShownFile {
  return { bytes, state: "ok", compression: "none", encoded: false };
}

/** The name that the kernel gives a zone's file (pstore_mkfile, fs/pstore/inode.c): only dmesg files are numbered by zone. */
export function fileName(
  zone: { readonly type: ZoneType; readonly index: number },
  encoded = false,
): string {
  const id = zone.type === "dmesg" ? zone.index : 0;
  return `${zone.type}-pstore_blk-${id}${encoded ? ".enc.z" : ""}`;
}
