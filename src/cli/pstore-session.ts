import {
  type Geometry,
  LAYOUT_BE64,
  LAYOUT_I386,
  LAYOUT_LE64,
  type OpenedDevice,
  type OpenedPart,
  openPart,
  type PartitionScan,
  PstoreStore,
  type RecordLayout,
  type RecordTime,
  type StoredRecord,
} from "../index.js";
import { UsageError } from "../util/errors.js";
import { type Context, note, type VerbFlags } from "./context.js";
import { EXIT, type ExitCode } from "./exit-codes.js";
import { openGeometry } from "./geometry.js";
import { requireWholeDevice } from "./ranges.js";
import { type Access, type SessionOptions, withDevice } from "./session.js";

/** The reserved partition of the command line, opened as a store. */
export interface OpenedStore {
  readonly store: PstoreStore;
  readonly device: OpenedDevice;
  readonly part: OpenedPart;
  readonly geometry: Geometry;
}

const LAYOUTS: Readonly<Record<string, RecordLayout>> = {
  le64: LAYOUT_LE64,
  be64: LAYOUT_BE64,
  i386: LAYOUT_I386,
};

/** Device, PART and geometry of the command line, opened; closed when `use` is done. */
export function withStore<T>(
  context: Context,
  access: Access,
  flags: VerbFlags,
  use: (opened: OpenedStore) => Promise<T>,
  options: SessionOptions = {},
): Promise<T> {
  const withPart = async (device: OpenedDevice): Promise<T> => {
    const part = await openPart(device.block, context.settings.part);
    for (const text of part.notes) note(context, text);
    if (access === "write") requireWholeDevice(part.part);
    const geometry = await openGeometry(context, part.view, access);
    const layout = layoutOf(flags);
    const store = new PstoreStore(part.view, geometry, device.clock, {
      yes: context.settings.yes,
      ...(layout === undefined ? {} : { layout }),
    });
    return use({ store, device, part, geometry });
  };
  return withDevice(context, access, withPart, options);
}

function layoutOf(flags: VerbFlags): RecordLayout | undefined {
  const name = flags["layout"];
  if (name === undefined) return undefined;
  const layout = Object.hasOwn(LAYOUTS, String(name)) ? LAYOUTS[String(name)] : undefined;
  if (layout !== undefined) return layout;
  throw new UsageError(`'${String(name)}' is no record layout`, {
    hint: `it is one of ${Object.keys(LAYOUTS).join(", ")}`,
  });
}

/** Warnings of a scan on stderr. */
export function noteWarnings(context: Context, scan: PartitionScan): void {
  for (const { message } of scan.warnings) note(context, `warning: ${message}`);
}

/** 7 if one of the records is torn or salvaged, else 0. */
export function exitOfScan(records: readonly StoredRecord[]): ExitCode {
  const isDamaged = records.some(({ state }) => state === "torn" || state === "salvaged");
  return isDamaged ? EXIT.differs : EXIT.ok;
}

/** `2026-01-02T03:04:05.123456789Z`; outside of what a date can say, the bare seconds. */
export function formatTime(time: RecordTime | undefined): string {
  if (time === undefined) return "-";
  const ms = Number(time.seconds) * 1000;
  if (!(Math.abs(ms) <= 8.64e15)) return `${time.seconds} s`;
  return new Date(ms)
    .toISOString()
    .replace(
      ".000Z",
      `${time.nanoseconds === 0 ? "" : `.${String(time.nanoseconds).padStart(9, "0")}`}Z`,
    );
}
