import type { Deadline } from "../util/deadline.js";
import type { RandomSource } from "../util/random.js";
import type { PartitionEntry } from "./table-types.js";

export interface CreateOptions {
  /** Name of the partition; 1 to 36 UTF-16 code units. An MBR has no place for it. */
  readonly label: string;
  /** A multiple of 512. */
  readonly sizeBytes: number;
  /** Its start is a multiple of this, in bytes; the default is the medium's allocation unit, or 4 MiB if that is unknown. */
  readonly alignBytes?: number;
  /** For GUIDs; in a recording it must repeat. */
  readonly random: RandomSource;
  readonly deadline?: Deadline;
}

/** Whole blocks to be written; what was written before must be on the medium first. */
export interface PlannedWrite {
  readonly lba: number;
  readonly data: Uint8Array;
  /** `primary GPT header` */
  readonly what: string;
}

/** What `part create` would do. Plain data; nothing has been written. */
export interface CreatePlan {
  readonly kind: "gpt" | "mbr";
  /** The device has no table yet. */
  readonly newTable: boolean;
  /** The new partition. */
  readonly entry: PartitionEntry;
  readonly alignBytes: number;
  /** In this order, each flushed before the next; a power cut between any two, or within one, loses no other partition. */
  readonly writes: readonly PlannedWrite[];
  /** Blocks that hold something, and belong to no partition, are overwritten or taken in: ask the user. */
  readonly overwritesData: boolean;
  /** One sentence each, without a full stop; for people. */
  readonly description: readonly string[];
  /** What the user should know afterwards. */
  readonly hint?: string;
}
