import { viewOf } from "../util/bytes.js";
import { BLOCK_SIZE } from "./device.js";
import { isExtendedType, MBR_GPT_PROTECTIVE } from "./partition-types.js";

/** Slots of a boot record, primary or extended. */
export const MBR_SLOTS = 4;
/** First block that an MBR cannot address. */
export const MBR_LBA_LIMIT: number = 2 ** 32;
/** The active flag of {@link MbrEntry.bootIndicator}. */
export const MBR_ACTIVE = 0x80;

const SIGNATURE_AT = 440;
const ENTRIES_AT = 446;
const ENTRY_BYTES = 16;
const BOOT_MARK_AT = 510;
const BOOT_MARK = 0xaa55;

/** The geometry that sfdisk assumes for a medium that has none. */
const HEADS = 255;
const SECTORS = 63;
const CYLINDERS = 1024;

/** One of the four slots. All numbers are unsigned; LBAs and counts are 32 bits, in blocks. */
export interface MbrEntry {
  /** 0x80: active; 0x00: not; anything else is no partition table. */
  readonly bootIndicator: number;
  readonly type: number;
  /** From the start of the device; in an extended boot record from what the chain says. */
  readonly startLba: number;
  readonly blockCount: number;
  /** Head, sector and cylinder of the first and of the last block, as on disk; nobody reads them. */
  readonly firstChs: Uint8Array;
  readonly lastChs: Uint8Array;
}

/** A boot record with its mark 55 AA. */
export interface BootRecord {
  /** The "NT disk signature", unsigned 32 bits; 0 in an extended boot record. */
  readonly diskSignature: number;
  /** Always four. */
  readonly slots: readonly MbrEntry[];
}

/** @returns undefined if the mark 55 AA is missing */
export function decodeBootRecord(sector: Uint8Array): BootRecord | undefined {
  const view = viewOf(sector);
  if (view.getUint16(BOOT_MARK_AT, true) !== BOOT_MARK) return undefined;
  const slots = Array.from({ length: MBR_SLOTS }, (_, slot) => decodeEntry(sector, slot));
  return { diskSignature: view.getUint32(SIGNATURE_AT, true), slots };
}

function decodeEntry(sector: Uint8Array, slot: number): MbrEntry {
  const at = ENTRIES_AT + slot * ENTRY_BYTES;
  const view = viewOf(sector);
  return {
    bootIndicator: view.getUint8(at),
    firstChs: sector.slice(at + 1, at + 4),
    type: view.getUint8(at + 4),
    lastChs: sector.slice(at + 5, at + 8),
    startLba: view.getUint32(at + 8, true),
    blockCount: view.getUint32(at + 12, true),
  };
}

/** A copy of `sector` with one slot replaced and the mark 55 AA set; all other bytes are kept. */
export function withMbrEntry(sector: Uint8Array, slot: number, entry: MbrEntry): Uint8Array {
  const out = sector.slice(0, BLOCK_SIZE);
  const view = viewOf(out);
  const at = ENTRIES_AT + slot * ENTRY_BYTES;
  view.setUint8(at, entry.bootIndicator);
  out.set(entry.firstChs, at + 1);
  view.setUint8(at + 4, entry.type);
  out.set(entry.lastChs, at + 5);
  view.setUint32(at + 8, entry.startLba, true);
  view.setUint32(at + 12, entry.blockCount, true);
  view.setUint16(BOOT_MARK_AT, BOOT_MARK, true);
  return out;
}

/** A slot for a run of blocks, its CHS fields filled as sfdisk does. */
export function makeMbrEntry(type: number, startLba: number, blockCount: number): MbrEntry {
  const firstChs = encodeChs(startLba);
  const lastChs = encodeChs(startLba + blockCount - 1);
  return { bootIndicator: 0, type, startLba, blockCount, firstChs, lastChs };
}

/** The slot that keeps MBR-only tools off a GPT (UEFI 5.2.3). */
export function makeProtectiveEntry(deviceBlocks: number): MbrEntry {
  const blockCount = Math.min(deviceBlocks - 1, 0xffffffff);
  const entry = makeMbrEntry(MBR_GPT_PROTECTIVE, 1, blockCount);
  return { ...entry, lastChs: Uint8Array.of(0xff, 0xff, 0xff) };
}

/** Head; sector (1..63) with bits 9..8 of the cylinder on top; cylinder. What lies behind cylinder 1023 saturates. */
export function encodeChs(lba: number): Uint8Array {
  const cylinder = Math.floor(lba / (HEADS * SECTORS));
  if (cylinder >= CYLINDERS) return Uint8Array.of(HEADS - 1, 0xff, 0xff);
  const sector = (lba % SECTORS) + 1;
  const head = Math.floor(lba / SECTORS) % HEADS;
  return Uint8Array.of(head, sector | ((cylinder >> 2) & 0xc0), cylinder & 0xff);
}

/** True if nothing is in the slot. Tools ask for the type, the kernel for the size: only both make it free. */
export function isFreeSlot(entry: MbrEntry): boolean {
  return entry.type === 0 && entry.blockCount === 0;
}

/** True if the slot is a partition, or a container of logical ones. */
export function isPartition(entry: MbrEntry): boolean {
  return entry.type !== 0 && entry.blockCount !== 0;
}

/** True for a container of logical partitions, or a link of their chain. */
export function isExtended(entry: MbrEntry): boolean {
  return isPartition(entry) && isExtendedType(entry.type);
}

/** The kernel's own test (block/partitions/msdos.c): code or text where the boot indicators are is no table. */
export function hasPlausibleSlots(record: BootRecord): boolean {
  return record.slots.every(({ bootIndicator }) => (bootIndicator & 0x7f) === 0);
}

/**
 * True if the sector begins a FAT, exFAT or NTFS file system that fills the medium without a table. Its mark 55 AA is then the file
 * system's own.
 */
export function isFileSystemStart(sector: Uint8Array): boolean {
  const jump = sector[0];
  if (jump !== 0xeb && jump !== 0xe9) return false;
  const text = Buffer.from(sector.subarray(0, 90)).toString("latin1");
  const name = text.slice(3, 11);
  return (
    name === "EXFAT   " ||
    name === "NTFS    " ||
    text.slice(54, 57) === "FAT" ||
    text.slice(82, 87) === "FAT32"
  );
}
