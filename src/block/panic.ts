import type { Clock } from "../util/clock.js";
import type { Deadline } from "../util/deadline.js";
import { type ErrorCode, isMmcpstoreError, toError } from "../util/errors.js";
import { BLOCK_SIZE, type BlockDevice, checkRange, checkWritable } from "./device.js";

/** Blocks that may be written by a panic. */
export interface PanicExtent {
  readonly lba: number;
  readonly blocks: number;
}

/** Whole sectors at a place of the device. */
export interface PanicWrite {
  readonly lba: number;
  /** A multiple of 512 bytes. */
  readonly bytes: Uint8Array;
}

/** What became of a panic write. */
export const PANIC_OUTCOMES = [
  /** Accepted by the medium, its status read, read back and equal. */
  "committed",
  /** All steps were accepted; other bytes, or none, were read back. */
  "committed-unverified",
  "card-busy",
  "deadline",
  "card-gone",
  "locked",
  "wrong-card",
  "write-protected",
  /** The card refused a block (data response 0B or 0D, or an R1 error) twice. */
  "write-failed",
  "needs-power-cycle",
  "bridge-gone",
  "too-large",
] as const;
export type PanicOutcome = (typeof PANIC_OUTCOMES)[number];

/** How the medium was taken back before anything was written. */
export interface PanicRecovery {
  /** What was done, in order. */
  readonly steps: readonly string[];
  /** Bytes clocked, waiting apart. */
  readonly bytesClocked: number;
  readonly waitBytes: number;
  readonly us: number;
  /** `A`: CRC checking was proved on; `B`: off; `C`: unknown. */
  readonly integrityClass: "A" | "B" | "C";
}

/** The only answer of a panic write: it never throws. Plain data. */
export interface PanicVerdict {
  readonly outcome: PanicOutcome;
  /** Steps that were accepted whole. */
  readonly stepsDone: number;
  /** The medium was reset while it was still programming: blocks written before may be damaged. */
  readonly dataAtRisk: boolean;
  /** From the call to the verdict, in µs; the recovery is in it. */
  readonly us: number;
  readonly recovery?: PanicRecovery;
  /** What went wrong, for a log. */
  readonly error?: { readonly code: ErrorCode; readonly message: string; readonly hint?: string };
}

/** Prepared while all was well. */
export interface ArmedPort {
  /**
   * Takes the medium from whatever is using it, writes the steps, each accepted and its busy over before the next begins, and
   * reads `compare` back. Everything lies in the extents that were prepared.
   */
  fire(
    steps: readonly (readonly PanicWrite[])[],
    compare: readonly PanicWrite[],
    deadline: Deadline,
  ): Promise<PanicVerdict>;
}

/** The way to a medium that does not go through the queue of its regular calls. */
export interface PanicPort {
  /**
   * Writes nothing. The first sector of the first extent is remembered: after a recovery the medium must still have it. Not so
   * with `changing`: somebody is about to write there.
   * @throws BlockError BLOCK_RANGE, BLOCK_READ_ONLY, and what reading throws
   */
  prepare(
    extents: readonly PanicExtent[],
    options?: { readonly changing?: boolean },
  ): Promise<ArmedPort>;
}

/** @throws BlockError BLOCK_RANGE, BLOCK_READ_ONLY */
export function checkExtents(device: BlockDevice, extents: readonly PanicExtent[]): void {
  checkWritable(device);
  for (const { lba, blocks } of extents) checkRange(device, lba, blocks * BLOCK_SIZE);
}

/** The port of a medium whose regular calls are as good as any: an image file, memory. */
export function plainPanicPort(device: BlockDevice, clock: Pick<Clock, "nowUs">): PanicPort {
  return {
    prepare: async (extents) => {
      checkExtents(device, extents);
      return {
        fire: (steps, compare, deadline) => firePlain(device, clock, steps, compare, deadline),
      };
    },
  };
}

async function firePlain(
  device: BlockDevice,
  clock: Pick<Clock, "nowUs">,
  steps: readonly (readonly PanicWrite[])[],
  compare: readonly PanicWrite[],
  deadline: Deadline,
): Promise<PanicVerdict> {
  const startUs = clock.nowUs();
  let stepsDone = 0;
  const verdict = (outcome: PanicOutcome, error?: unknown): PanicVerdict => ({
    outcome,
    stepsDone,
    dataAtRisk: false,
    us: clock.nowUs() - startUs,
    ...(error === undefined ? {} : { error: describeError(error) }),
  });
  try {
    for (const step of steps) {
      if (clock.nowUs() >= deadline.atUs) return verdict("deadline");
      for (const { lba, bytes } of step) await device.write(lba, bytes, deadline);
      await device.flush(deadline);
      stepsDone++;
    }
  } catch (error) {
    return verdict("write-failed", error);
  }
  try {
    return verdict(
      (await allEqual(device, compare, deadline)) ? "committed" : "committed-unverified",
    );
  } catch (error) {
    return verdict("committed-unverified", error);
  }
}

/** True if the device holds just that. @throws what reading throws */
export async function allEqual(
  device: Pick<BlockDevice, "read">,
  expected: readonly PanicWrite[],
  deadline: Deadline,
): Promise<boolean> {
  for (const { lba, bytes } of expected) {
    const found = new Uint8Array(bytes.length);
    await device.read(lba, found, deadline);
    if (Buffer.compare(found, bytes) !== 0) return false;
  }
  return true;
}

/** An error as plain data. */
export function describeError(error: unknown): NonNullable<PanicVerdict["error"]> {
  const { message } = toError(error);
  if (!isMmcpstoreError(error)) return { code: "INTERNAL", message };
  const { code, hint } = error;
  return { code, message, ...(hint === undefined ? {} : { hint }) };
}
