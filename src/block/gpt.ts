import { viewOf } from "../util/bytes.js";
import { crc32 } from "../util/crc.js";
import { BLOCK_SIZE } from "./device.js";
import { formatGuid, NIL_GUID, parseGuid } from "./guid.js";

/** Where the primary header is. */
export const GPT_PRIMARY_LBA = 1;
/** Entries of a table that we make, and their size: the least that UEFI allows. */
export const GPT_ENTRY_COUNT = 128;
export const GPT_ENTRY_BYTES = 128;
/** Longest label, in UTF-16 code units. */
export const GPT_LABEL_UNITS = 36;

const SIGNATURE = "EFI PART";
const REVISION = 0x00010000;
const MIN_HEADER_BYTES = 92;
const MAX_ENTRY_BYTES = 4096;
/** 8192 entries of 128 bytes; sgdisk itself makes no more than fit before the first partition. */
const MAX_ARRAY_BYTES = 1024 * 1024;

const TYPE_AT = 0;
const UNIQUE_AT = 16;
const FIRST_AT = 32;
const LAST_AT = 40;
const ATTRIBUTES_AT = 48;
const LABEL_AT = 56;

/** A header (UEFI 5.3.2), checked. LBAs are in blocks from the start of the device. */
export interface GptHeader {
  readonly revision: number;
  readonly headerBytes: number;
  readonly myLba: number;
  readonly alternateLba: number;
  readonly firstUsableLba: number;
  /** Inclusive. */
  readonly lastUsableLba: number;
  /** Lower-case GUID. */
  readonly diskGuid: string;
  readonly entriesLba: number;
  readonly entryCount: number;
  readonly entryBytes: number;
  readonly entriesCrc: number;
  /** What stands behind the fields, up to the end of the block: reserved, kept. */
  readonly reserved: Uint8Array;
}

/** Why a block is no usable header. */
export type GptHeaderFault = "no signature" | "wrong checksum" | "nonsense in its fields";

/** An entry that is in use (UEFI 5.3.3). */
export interface GptEntry {
  /** From 1; the place in the array. */
  readonly number: number;
  /** Lower-case GUIDs. */
  readonly typeGuid: string;
  readonly uniqueGuid: string;
  readonly firstLba: bigint;
  /** Inclusive. */
  readonly lastLba: bigint;
  readonly attributes: bigint;
  readonly label: string;
}

/** @param lba where the sector was read: a header says where it belongs */
export function decodeGptHeader(sector: Uint8Array, lba: number): GptHeader | GptHeaderFault {
  const view = viewOf(sector);
  if (Buffer.from(sector.subarray(0, 8)).toString("latin1") !== SIGNATURE) return "no signature";
  const headerBytes = view.getUint32(12, true);
  if (headerBytes < MIN_HEADER_BYTES || headerBytes > BLOCK_SIZE) return "nonsense in its fields";
  if (headerCrc(sector, headerBytes) !== view.getUint32(16, true)) return "wrong checksum";
  const header: GptHeader = {
    revision: view.getUint32(8, true),
    headerBytes,
    myLba: Number(view.getBigUint64(24, true)),
    alternateLba: Number(view.getBigUint64(32, true)),
    firstUsableLba: Number(view.getBigUint64(40, true)),
    lastUsableLba: Number(view.getBigUint64(48, true)),
    diskGuid: formatGuid(sector.subarray(56, 72)),
    entriesLba: Number(view.getBigUint64(72, true)),
    entryCount: view.getUint32(80, true),
    entryBytes: view.getUint32(84, true),
    entriesCrc: view.getUint32(88, true),
    reserved: sector.slice(MIN_HEADER_BYTES, BLOCK_SIZE),
  };
  return isSane(header, lba) ? header : "nonsense in its fields";
}

/** The checksum counts with its own field as zero. */
function headerCrc(sector: Uint8Array, headerBytes: number): number {
  const copy = sector.slice(0, headerBytes);
  copy.fill(0, 16, 20);
  return crc32(copy);
}

function isSane(header: GptHeader, lba: number): boolean {
  const { entryBytes, entryCount, entriesLba, firstUsableLba, lastUsableLba } = header;
  const lbas = [header.alternateLba, firstUsableLba, lastUsableLba, entriesLba];
  const isPowerOfTwo = (entryBytes & (entryBytes - 1)) === 0;
  return (
    header.myLba === lba &&
    lbas.every(Number.isSafeInteger) &&
    isPowerOfTwo &&
    entryBytes >= GPT_ENTRY_BYTES &&
    entryBytes <= MAX_ENTRY_BYTES &&
    entryCount > 0 &&
    entryCount * entryBytes <= MAX_ARRAY_BYTES &&
    entriesLba >= 2 &&
    firstUsableLba <= lastUsableLba + 1
  );
}

/** Blocks that the entry array takes. */
export function arrayBlocks(header: { entryCount: number; entryBytes: number }): number {
  return Math.ceil((header.entryCount * header.entryBytes) / BLOCK_SIZE);
}

/** The block of a header; both checksums are computed, `entries` being the whole array. */
export function encodeGptHeader(header: GptHeader, entries: Uint8Array): Uint8Array {
  const sector = new Uint8Array(BLOCK_SIZE);
  const view = viewOf(sector);
  sector.set(Buffer.from(SIGNATURE, "latin1"));
  view.setUint32(8, header.revision, true);
  view.setUint32(12, header.headerBytes, true);
  view.setBigUint64(24, BigInt(header.myLba), true);
  view.setBigUint64(32, BigInt(header.alternateLba), true);
  view.setBigUint64(40, BigInt(header.firstUsableLba), true);
  view.setBigUint64(48, BigInt(header.lastUsableLba), true);
  sector.set(guidBytes(header.diskGuid), 56);
  view.setBigUint64(72, BigInt(header.entriesLba), true);
  view.setUint32(80, header.entryCount, true);
  view.setUint32(84, header.entryBytes, true);
  view.setUint32(88, entriesCrc(header, entries), true);
  sector.set(header.reserved, MIN_HEADER_BYTES);
  view.setUint32(16, headerCrc(sector, header.headerBytes), true);
  return sector;
}

/** CRC-32 over the array, not over the rest of its last block. */
export function entriesCrc(
  header: { entryCount: number; entryBytes: number },
  entries: Uint8Array,
): number {
  return crc32(entries.subarray(0, header.entryCount * header.entryBytes));
}

/** A header for an empty medium, its array right behind it; `deviceBlocks` must be at least 68. */
export function newGptHeader(deviceBlocks: number, diskGuid: string): GptHeader {
  const blocks = arrayBlocks({ entryCount: GPT_ENTRY_COUNT, entryBytes: GPT_ENTRY_BYTES });
  return {
    revision: REVISION,
    headerBytes: MIN_HEADER_BYTES,
    myLba: GPT_PRIMARY_LBA,
    alternateLba: deviceBlocks - 1,
    firstUsableLba: GPT_PRIMARY_LBA + 1 + blocks,
    lastUsableLba: deviceBlocks - 2 - blocks,
    diskGuid,
    entriesLba: GPT_PRIMARY_LBA + 1,
    entryCount: GPT_ENTRY_COUNT,
    entryBytes: GPT_ENTRY_BYTES,
    entriesCrc: 0,
    reserved: new Uint8Array(BLOCK_SIZE - MIN_HEADER_BYTES),
  };
}

/** The entries in use, by number; holes stay holes. */
export function decodeGptEntries(array: Uint8Array, entryBytes: number): GptEntry[] {
  const entries: GptEntry[] = [];
  for (let at = 0; at + entryBytes <= array.length; at += entryBytes) {
    const entry = decodeEntry(array.subarray(at, at + entryBytes), at / entryBytes + 1);
    if (entry.typeGuid !== NIL_GUID) entries.push(entry);
  }
  return entries;
}

function decodeEntry(bytes: Uint8Array, number: number): GptEntry {
  const view = viewOf(bytes);
  const label = Buffer.from(bytes.subarray(LABEL_AT, LABEL_AT + 2 * GPT_LABEL_UNITS));
  return {
    number,
    typeGuid: formatGuid(bytes.subarray(TYPE_AT, TYPE_AT + 16)),
    uniqueGuid: formatGuid(bytes.subarray(UNIQUE_AT, UNIQUE_AT + 16)),
    firstLba: view.getBigUint64(FIRST_AT, true),
    lastLba: view.getBigUint64(LAST_AT, true),
    attributes: view.getBigUint64(ATTRIBUTES_AT, true),
    label: label.toString("utf16le").split("\0", 1)[0] ?? "",
  };
}

/** True if the entry names at least one block, and none behind 2^53. */
export function hasSaneRange({ firstLba, lastLba }: GptEntry): boolean {
  return firstLba <= lastLba && lastLba < BigInt(Number.MAX_SAFE_INTEGER);
}

/** A copy of the array with this entry in its place; every other byte is kept. The label is cut after 36 units. */
export function withGptEntry(array: Uint8Array, entryBytes: number, entry: GptEntry): Uint8Array {
  const out = array.slice();
  const bytes = out.subarray((entry.number - 1) * entryBytes, entry.number * entryBytes);
  const view = viewOf(bytes);
  bytes.fill(0);
  bytes.set(guidBytes(entry.typeGuid), TYPE_AT);
  bytes.set(guidBytes(entry.uniqueGuid), UNIQUE_AT);
  view.setBigUint64(FIRST_AT, entry.firstLba, true);
  view.setBigUint64(LAST_AT, entry.lastLba, true);
  view.setBigUint64(ATTRIBUTES_AT, entry.attributes, true);
  bytes.set(Buffer.from(entry.label.slice(0, GPT_LABEL_UNITS), "utf16le"), LABEL_AT);
  return out;
}

function guidBytes(text: string): Uint8Array {
  const bytes = parseGuid(text);
  if (bytes === undefined) throw new RangeError(`not a GUID: ${text}`);
  return bytes;
}
