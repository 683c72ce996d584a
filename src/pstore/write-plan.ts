import { BLOCK_SIZE, type BlockDevice } from "../block/device.js";
import type { Deadline } from "../util/deadline.js";
import { isMmcpstoreError } from "../util/errors.js";
import { PstoreError } from "./types.js";

/** Whole sectors at a place of the partition. */
export interface SectorWrite {
  readonly lba: number;
  /** A multiple of 512. */
  readonly bytes: Uint8Array;
}

/**
 * Writes in an order that survives a power cut. Each step is accepted and flushed before the next begins; after the last, the
 * sectors of `compare` are read back. Plain data: `--dry-run` prints it, the panic path hands it to its port.
 */
export interface WritePlan {
  readonly steps: readonly (readonly SectorWrite[])[];
  readonly compare: readonly SectorWrite[];
}

/** Sectors that a plan writes. */
export function plannedSectors(plan: WritePlan): number {
  return plan.steps.flat().reduce((sum, { bytes }) => sum + bytes.length / BLOCK_SIZE, 0);
}

/**
 * Runs a plan.
 *
 * @throws PstoreError VERIFY_DIFFERS if other bytes are read back; or with the code of what the device threw, which is its
 * `cause`: `details.step` (from 1) says how far it came
 */
export async function runPlan(
  device: BlockDevice,
  plan: WritePlan,
  deadline?: Deadline,
): Promise<void> {
  for (const [index, step] of plan.steps.entries()) {
    try {
      for (const { lba, bytes } of step) await device.write(lba, bytes, deadline);
      await device.flush(deadline);
    } catch (error) {
      throw stepFailed(error, index + 1, plan.steps.length);
    }
  }
  for (const expected of plan.compare) await compareSectors(device, expected, deadline);
}

function stepFailed(error: unknown, step: number, steps: number): unknown {
  if (!isMmcpstoreError(error)) return error;
  const message = `step ${step} of ${steps} failed: ${error.message}`;
  return new PstoreError(error.code, message, {
    cause: error,
    details: { ...error.details, step, steps },
    ...(error.hint !== undefined && { hint: error.hint }),
  });
}

async function compareSectors(
  device: BlockDevice,
  { lba, bytes }: SectorWrite,
  deadline?: Deadline,
): Promise<void> {
  const found = new Uint8Array(bytes.length);
  await device.read(lba, found, deadline);
  const at = bytes.findIndex((byte, index) => byte !== found[index]);
  if (at < 0) return;
  const sector = lba + Math.floor(at / BLOCK_SIZE);
  throw new PstoreError("VERIFY_DIFFERS", `sector ${sector} was not written as it should be`, {
    details: {
      lba: sector,
      offset: at % BLOCK_SIZE,
      expected: bytes[at],
      found: found[at],
    },
    hint: "the card or the wiring loses data: try a lower --speed, or another card",
  });
}
