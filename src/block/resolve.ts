import type { Deadline } from "../util/deadline.js";
import { formatSize } from "../util/size.js";
import { BLOCK_SIZE, type BlockDevice, BlockError, checkRange } from "./device.js";
import { PartitionView } from "./partition-view.js";
import type { PartSelector, TableSelector } from "./selector.js";
import { readTable } from "./table.js";
import type { PartitionEntry, PartitionTable } from "./table-types.js";

/** Where a PART is, in blocks from the start of the device. */
export interface ResolvedPart {
  readonly startLba: number;
  readonly blockCount: number;
  /** For messages: `p2 'pstore' (4 MiB at block 22528)`. */
  readonly description: string;
  /** Absent where no table was needed. */
  readonly entry?: PartitionEntry;
  /** What is odd about the table that it was found in; empty where no table was needed. */
  readonly findings: PartitionTable["findings"];
}

/** The label that is looked for where no PART is given. */
export const DEFAULT_LABEL = "pstore";

/**
 * Finds a PART. The table is read only for what needs one.
 * @throws BlockError BLOCK_RANGE; PART_NOT_FOUND or PART_AMBIGUOUS, with the list; TABLE_NONE, TABLE_DAMAGED; IMAGE_INVALID if the device ends
 * inside the partition; and what the device throws
 */
export async function resolvePart(
  device: BlockDevice,
  selector: PartSelector,
  deadline?: Deadline,
): Promise<ResolvedPart> {
  if (selector.kind === "whole") return wholeDevice(device);
  if (selector.kind === "blocks") {
    const { startLba, blockCount } = selector;
    checkRange(device, startLba, blockCount * BLOCK_SIZE);
    return { startLba, blockCount, description: at(startLba, blockCount), findings: [] };
  }
  const table = await readTable(device, deadline);
  if (table.kind === "none") throw noTable(selector.text, device);
  return found(device, table, theOne(table, matching(table, selector), selector.text));
}

function matching({ entries }: PartitionTable, selector: TableSelector): PartitionEntry[] {
  switch (selector.kind) {
    case "number":
      return entries.filter(({ number }) => number === selector.number);
    case "label":
      return entries.filter(({ label }) => label === selector.label);
    case "uuid":
      return entries
        .filter(({ uuid }) => uuid === selector.uuid)
        .flatMap((base) => entries.filter((e) => e.number === base.number + selector.offset));
  }
}

function theOne(
  table: PartitionTable,
  matches: readonly PartitionEntry[],
  text: string,
): PartitionEntry {
  const [only, ...others] = matches;
  if (only === undefined) throw notFound(`there is no partition ${text}`, table);
  if (others.length > 0) throw ambiguous(text, matches);
  if (only.extended === undefined) return only;
  throw new BlockError(
    "PART_NOT_FOUND",
    `${name(only)} is an extended partition: it holds no data of its own`,
    { details: { part: text }, hint: listHint(table) },
  );
}

function found(device: BlockDevice, table: PartitionTable, entry: PartitionEntry): ResolvedPart {
  const { startLba, blockCount } = entry;
  const end = startLba + blockCount;
  if (end > device.blockCount)
    throw new BlockError(
      "IMAGE_INVALID",
      `${name(entry)} ends at block ${end}, the device at block ${device.blockCount}`,
      {
        details: { part: entry.number, end, blockCount: device.blockCount },
        hint: "the image was cut off, or the table was made for a larger card",
      },
    );
  const description = `${name(entry)} (${at(startLba, blockCount)})`;
  return { startLba, blockCount, description, entry, findings: table.findings };
}

function wholeDevice(device: BlockDevice): ResolvedPart {
  const { blockCount } = device;
  const description = `the whole device (${size(blockCount)})`;
  return { startLba: 0, blockCount, description, findings: [] };
}

export interface DefaultPartOptions {
  /** True if zones of records are found on these blocks. */
  readonly hasSignatures: (view: BlockDevice) => Promise<boolean>;
  readonly deadline?: Deadline;
}

/** Found without a PART. */
export interface DefaultPart extends ResolvedPart {
  /** Why it was taken: worth telling the user if it is not the label. */
  readonly by: "label" | "signatures";
}

/**
 * What is meant without a PART: the one partition labelled `pstore`; on a device without a table on which records are found, all of it.
 * @throws BlockError as {@link resolvePart}
 */
export async function resolveDefaultPart(
  device: BlockDevice,
  { hasSignatures, deadline }: DefaultPartOptions,
): Promise<DefaultPart> {
  const table = await readTable(device, deadline);
  if (table.kind === "none") {
    const view = new PartitionView(device, 0, device.blockCount);
    if (!(await hasSignatures(view))) throw noTable(undefined, device);
    return { ...wholeDevice(device), by: "signatures" };
  }
  const matches = table.entries.filter(({ label }) => label === DEFAULT_LABEL);
  const [only, ...others] = matches;
  if (only === undefined)
    throw notFound(`there is no partition labelled '${DEFAULT_LABEL}'`, table);
  if (others.length > 0) throw ambiguous(`label=${DEFAULT_LABEL}`, matches);
  return { ...found(device, table, only), by: "label" };
}

/** The part of a device that was resolved, as a device of its own. */
export function viewOfPart(device: BlockDevice, part: ResolvedPart): PartitionView {
  return new PartitionView(device, part.startLba, part.blockCount);
}

function noTable(text: string | undefined, device: BlockDevice): BlockError {
  const looked = text === undefined ? "and no records at its start" : `to look for ${text} in`;
  return new BlockError("TABLE_NONE", `the device has no partition table ${looked}`, {
    details: { blockCount: device.blockCount, ...(text === undefined ? {} : { part: text }) },
    hint: "take -p whole or -p START+LENGTH, or make a partition (part create)",
  });
}

function notFound(what: string, table: PartitionTable): BlockError {
  return new BlockError("PART_NOT_FOUND", what, {
    details: { partitions: table.entries.map(plain) },
    hint: listHint(table),
  });
}

function ambiguous(text: string, matches: readonly PartitionEntry[]): BlockError {
  const names = matches.map(name).join(", ");
  return new BlockError("PART_AMBIGUOUS", `${text} is the name of ${matches.length} partitions`, {
    details: { partitions: matches.map(plain) },
    hint: `choose one of ${names}`,
  });
}

const LIST_LENGTH = 12;

function listHint({ kind, entries }: PartitionTable): string {
  if (entries.length === 0) return "the table is empty; part create makes a partition";
  const shown = entries.slice(0, LIST_LENGTH).map((e) => `${name(e)} ${size(e.blockCount)}`);
  const more = entries.length > LIST_LENGTH ? `, and ${entries.length - LIST_LENGTH} more` : "";
  const labels = kind === "mbr" ? " (an MBR has no labels)" : "";
  return `the device has ${shown.join(", ")}${more}${labels}`;
}

function plain({ number, startLba, blockCount, label, uuid }: PartitionEntry): object {
  return { number, startLba, blockCount, uuid, ...(label === undefined ? {} : { label }) };
}

function name({ number, label }: PartitionEntry): string {
  return label === undefined || label === "" ? `p${number}` : `p${number} '${label}'`;
}

function at(startLba: number, blockCount: number): string {
  return `${size(blockCount)} at block ${startLba}`;
}

function size(blockCount: number): string {
  return formatSize(blockCount * BLOCK_SIZE);
}
