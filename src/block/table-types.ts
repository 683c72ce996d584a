/** A partition as tools and kernels number and name it. */
export interface PartitionEntry {
  /** From 1, as in `/dev/mmcblk0p2`; holes stay holes; logical partitions count from 5. */
  readonly number: number;
  readonly startLba: number;
  readonly blockCount: number;
  /** GPT: lower-case GUID; MBR: `0x83`. */
  readonly type: string;
  /** As util-linux prints it; "unknown" if it is none of ours. */
  readonly typeName: string;
  /** GPT only; may be empty. */
  readonly label?: string;
  /** PARTUUID as the kernel takes it, lower-case: a GUID, or `SSSSSSSS-NN` from the MBR's disk signature and the number in hex. */
  readonly uuid: string;
  /** GPT: the 64 attribute bits; MBR: the boot indicator, 0x80 = active. */
  readonly attributes: bigint;
  /** In an extended partition of an MBR. */
  readonly logical?: true;
  /** An MBR's container of logical partitions: no place for data. */
  readonly extended?: true;
}

export type FindingCode =
  | "primary-damaged"
  | "backup-damaged"
  | "backup-not-at-end"
  | "copies-differ"
  | "device-too-small"
  | "no-protective-mbr"
  | "hybrid-mbr"
  | "entry-size"
  | "entry-nonsense"
  | "overlap"
  | "outside-usable"
  | "behind-end"
  | "chain-damaged"
  | "file-system"
  | "stray-gpt";

/** Something about a table that its user should know. Plain data. */
export interface TableFinding {
  readonly code: FindingCode;
  /** One sentence without a full stop. */
  readonly message: string;
  /** The partitions that it is about. */
  readonly numbers?: readonly number[];
}

export interface PartitionTable {
  readonly kind: "gpt" | "mbr" | "none";
  /** PTUUID, lower-case: a GUID, or the MBR's disk signature as 8 hex digits. */
  readonly diskId?: string;
  /** By number. */
  readonly entries: readonly PartitionEntry[];
  readonly findings: readonly TableFinding[];
}
