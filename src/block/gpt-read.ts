import type { Deadline } from "../util/deadline.js";
import type { BlockDevice } from "./device.js";
import {
  arrayBlocks,
  decodeGptEntries,
  decodeGptHeader,
  entriesCrc,
  GPT_PRIMARY_LBA,
  type GptEntry,
  type GptHeader,
} from "./gpt.js";
import type { MbrEntry } from "./mbr.js";
import { readBlocks } from "./read-blocks.js";

/** One of the two copies: a header, and the whole blocks of its entry array. Both checksums are right. */
export interface GptCopy {
  readonly header: GptHeader;
  readonly array: Uint8Array;
}

/** A GPT of which at least one copy is good. */
export interface GptDisk {
  readonly source: "primary" | "backup";
  /** The copy that counts: the primary, or the backup where the primary is damaged. */
  readonly inUse: GptCopy;
  readonly primary: GptCopy | undefined;
  readonly backup: GptCopy | undefined;
  /** What is wrong with the copy that is missing; a part of a sentence. */
  readonly fault: string | undefined;
}

export type GptReading =
  | { readonly state: "good"; readonly disk: GptDisk }
  /** No trace of one. */
  | { readonly state: "absent" }
  | { readonly state: "damaged"; readonly primaryFault: string; readonly backupFault: string };

/** The fault of a block that is no header at all. */
export const NO_SIGNATURE = "no signature";

/** Reads both copies. Throws only what the device throws. @param protective the 0xEE slot of the MBR, which may know where the table ends */
export async function readGpt(
  device: BlockDevice,
  protective: MbrEntry | undefined,
  deadline?: Deadline,
): Promise<GptReading> {
  const primary = await readCopy(device, GPT_PRIMARY_LBA, deadline);
  const backup = await readBackup(device, primary, protective, deadline);
  if (typeof primary === "object") {
    const [good, fault] = typeof backup === "object" ? [backup] : [undefined, backup];
    return {
      state: "good",
      disk: { source: "primary", inUse: primary, primary, backup: good, fault },
    };
  }
  if (typeof backup === "object") {
    const disk = { inUse: backup, primary: undefined, backup, fault: primary };
    return { state: "good", disk: { source: "backup", ...disk } };
  }
  if (primary === NO_SIGNATURE && backup === NO_SIGNATURE) return { state: "absent" };
  return { state: "damaged", primaryFault: primary, backupFault: backup };
}

/** Where the backup can be, best first: where the primary says, at the end, at the end of the medium that the table was made for. */
async function readBackup(
  device: BlockDevice,
  primary: GptCopy | string,
  protective: MbrEntry | undefined,
  deadline: Deadline | undefined,
): Promise<GptCopy | string> {
  const last = device.blockCount - 1;
  const madeFor = protective === undefined ? last : protective.startLba + protective.blockCount - 1;
  const places =
    typeof primary === "object" ? [primary.header.alternateLba, last] : [last, madeFor];
  let fault: string | undefined;
  for (const lba of new Set(places)) {
    if (lba <= GPT_PRIMARY_LBA) continue;
    const copy = await readCopy(device, lba, deadline);
    if (typeof copy === "string") fault ??= copy;
    else if (typeof primary === "object" && copy.header.diskGuid !== primary.header.diskGuid)
      fault ??= "belongs to another table";
    else return copy;
  }
  return fault ?? NO_SIGNATURE;
}

/** @returns what is wrong with it instead, as a part of a sentence */
async function readCopy(
  device: BlockDevice,
  lba: number,
  deadline: Deadline | undefined,
): Promise<GptCopy | string> {
  if (lba >= device.blockCount)
    return lba === GPT_PRIMARY_LBA ? NO_SIGNATURE : "behind the end of the device";
  const header = decodeGptHeader(await readBlocks(device, lba, 1, deadline), lba);
  if (typeof header === "string") return header;
  const blocks = arrayBlocks(header);
  if (header.entriesLba + blocks > device.blockCount)
    return "its entries lie behind the end of the device";
  const array = await readBlocks(device, header.entriesLba, blocks, deadline);
  if (entriesCrc(header, array) !== header.entriesCrc) return "wrong checksum of its entries";
  return { header, array };
}

/** The entries of a copy that are in use. */
export function entriesOf(copy: GptCopy): GptEntry[] {
  return decodeGptEntries(arrayBytes(copy), copy.header.entryBytes);
}

/** Its array without the rest of the last block. */
export function arrayBytes({ header, array }: GptCopy): Uint8Array {
  return array.subarray(0, header.entryCount * header.entryBytes);
}
