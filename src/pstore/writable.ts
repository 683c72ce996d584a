import { BLOCK_SIZE, type BlockDevice } from "../block/device.js";
import type { Deadline } from "../util/deadline.js";
import { RefusedError } from "../util/errors.js";
import { geometryWarnings } from "./contradictions.js";
import { PstoreError, type ScanWarning, type ZoneLayout } from "./types.js";
import { readHeads, type ZoneHead } from "./zone-reader.js";

const KERNEL_STEP = 4096;

function isOfWholeSectors(layout: ZoneLayout): boolean {
  return layout.dmesg.every(
    ({ offset, size }) => offset % BLOCK_SIZE === 0 && size % BLOCK_SIZE === 0,
  );
}

/** ftrace sizes next to this one that put zones at multiples of 4 KiB, the smaller first; in bytes. */
export function fittingFtraceSizes(ftraceSize: number, cpus: number): readonly number[] {
  const share = Math.floor(ftraceSize / cpus / KERNEL_STEP) * KERNEL_STEP;
  return [share * cpus, (share + KERNEL_STEP) * cpus].filter((size) => size > 0);
}

/** @throws RefusedError what {@link unwritable} says */
export function requireWritable(layout: ZoneLayout): void {
  const refusal = unwritable(layout);
  if (refusal !== undefined) throw refusal;
}

/**
 * Why nothing may be written to a partition of that layout: its dmesg zones are not made of whole sectors, which are what a card
 * writes or does not. Undefined if they are.
 */
export function unwritable(layout: ZoneLayout): RefusedError | undefined {
  if (isOfWholeSectors(layout)) return undefined;
  const { ftraceSize, cpus } = layout.geometry;
  const offset = layout.dmesg[0]?.offset ?? 0;
  const sizes = fittingFtraceSizes(ftraceSize, cpus).map((size) => `--ftrace-size ${size / 1024}K`);
  const isFtrace = ftraceSize > 0 && ftraceSize % (cpus * BLOCK_SIZE) !== 0;
  return new RefusedError(
    `the dmesg zones begin at byte ${offset}, and not all of them at a multiple of ${BLOCK_SIZE}: such a partition can be read only`,
    {
      details: { offset, ftraceSize, cpus, fittingFtraceSizes: isFtrace ? sizes : [] },
      hint: isFtrace
        ? `with ${cpus} CPUs ${sizes.join(" or ")} fits, here and as the kernel's ftrace_size`
        : "give all sizes in multiples of 4 KiB, as the kernel does",
    },
  );
}

/**
 * Heads of all zones, once it is certain that they may be written.
 *
 * @param search where to look for signatures that contradict the geometry
 * @throws RefusedError (zones not at whole sectors), PstoreError PSTORE_GEOMETRY_CONTRADICTED
 */
export async function readWritableHeads(
  device: BlockDevice,
  layout: ZoneLayout,
  options: { readonly search?: "heads" | "near" | "all"; readonly deadline?: Deadline } = {},
): Promise<ZoneHead[]> {
  requireWritable(layout);
  const heads = await readHeads(device, layout.zones, options.deadline);
  const doubts = await geometryWarnings(device, layout, heads, options);
  const first = doubts.find(({ contradictsGeometry }) => contradictsGeometry);
  if (first !== undefined) throw contradicted(first, doubts);
  return heads;
}

function contradicted(first: ScanWarning, all: readonly ScanWarning[]): PstoreError {
  return new PstoreError(
    "PSTORE_GEOMETRY_CONTRADICTED",
    `the signatures on the partition contradict the geometry: ${first.message}`,
    {
      details: {
        contradictions: all.map(({ code, offset, message }) => ({ code, offset, message })),
      },
      hint: "give the sizes of the kernel that wrote it (--geometry auto shows them), or begin anew with pstore format",
    },
  );
}
