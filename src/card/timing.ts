/**
 * How long the card may take. Where the specification and what is known of real cards differ, the longer
 * counts (SD Physical Layer 4.6.2; Linux mmc_spi.c and quirks.h; SdFat).
 */
export const TIMING = {
  /** R1 comes within 16 bytes; the rest is the adapter's and the operating system's. */
  responseMs: 1000,
  /** Before CMD0: a card that is programming must not be reset (SD Physical Layer 7.2.8). */
  busyBeforeResetMs: 1000,
  resetMs: 500,
  resetTries: 50,
  /** ACMD41 and CMD1: 1 s by the specification. */
  powerUpMs: 2000,
  /** OCR bit 31 after ACMD41 has ended: at once, on any card that keeps to the specification. */
  ocrMs: 250,
  recoverMs: 3000,
  registerMs: 1000,
  /** 100 ms by the specification. */
  readBlockMs: 300,
  /** Some MMC (Linux quirks.h). */
  readBlockMmcMs: 600,
  /** 250 ms, 500 ms on SDXC by the specification; 900 ms was seen. */
  writeBlockMs: 1000,
  /** For each block of an SDSC card, each allocation unit of others that tell nothing, each unit touched in part. */
  erasePartMs: 250,
  eraseMinMs: 1000,
  eraseCapMs: 60_000,
  /** For all of identification. */
  identifyMs: 15_000,
} as const;

/** Start-up clocks: 74 by the specification; Kingston cards on shared lines want more than 100. */
export const START_UP_BYTES = 20;

/** fOD: the clock of identification, in Hz, and what to fall back to when it is too fast for the wiring. */
export const IDENTIFY_HZ: readonly number[] = [400_000, 200_000, 100_000];

/** Default speed in SPI mode, in Hz; high speed makes cards silent and wants an explicit wish. */
export const DEFAULT_MAX_HZ = 25_000_000;

/** A stream as a whole is bounded by this, however slow each of its blocks may be. */
const STREAM_START_MS = { read: 3000, write: 10_000 } as const;
const STREAM_BLOCK_MS = { read: 20, write: 50 } as const;
/** Clocked bytes for a block, with everything around it. */
const WIRE_BYTES = 560;

/**
 * Milliseconds for a transfer of `blocks`: each may take its longest, but a long stream goes on at better than 10 kB/s
 * (the slowest card on record writes 31 kB/s), plus the clocks themselves.
 */
export function transferBudgetMs(
  direction: "read" | "write",
  blocks: number,
  card: { readonly bytesPerSecond: number; readonly mmc: boolean },
): number {
  const block =
    direction === "write"
      ? TIMING.writeBlockMs
      : card.mmc
        ? TIMING.readBlockMmcMs
        : TIMING.readBlockMs;
  const stream = STREAM_START_MS[direction] + STREAM_BLOCK_MS[direction] * blocks;
  const wire = (blocks * WIRE_BYTES * 1000) / card.bytesPerSecond;
  return TIMING.responseMs + Math.min(blocks * block, stream) + wire;
}
