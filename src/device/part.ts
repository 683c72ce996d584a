import type { BlockDevice } from "../block/device.js";
import type { PartitionView } from "../block/partition-view.js";
import {
  type ResolvedPart,
  resolveDefaultPart,
  resolvePart,
  viewOfPart,
} from "../block/resolve.js";
import { parsePartSelector } from "../block/selector.js";
import { findSignatures } from "../pstore/signatures.js";

/** The partition of a command line, as a device of its own. */
export interface OpenedPart {
  readonly view: PartitionView;
  readonly part: ResolvedPart;
  /** What the user should be told: a default that was taken, a damaged table. */
  readonly notes: readonly string[];
}

/** Finds the PART, or the default one: the partition labelled `pstore`, or all of a device with records and no table. @throws BlockError */
export async function openPart(device: BlockDevice, text: string | undefined): Promise<OpenedPart> {
  if (text !== undefined) {
    const part = await resolvePart(device, parsePartSelector(text));
    return { view: viewOfPart(device, part), part, notes: findingNotes(part) };
  }
  const part = await resolveDefaultPart(device, { hasSignatures });
  const notes =
    part.by === "signatures"
      ? ["no partition table, but zones of records: using the whole device"]
      : [];
  return { view: viewOfPart(device, part), part, notes: [...notes, ...findingNotes(part)] };
}

function findingNotes(part: ResolvedPart): string[] {
  return part.findings.map(({ message }) => `warning: ${message}`);
}

async function hasSignatures(view: BlockDevice): Promise<boolean> {
  return (await findSignatures(view)).found.length > 0;
}
