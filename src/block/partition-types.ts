/** GPT type of the partition that `part create` makes: Linux filesystem data. */
export const GPT_LINUX_DATA = "0fc63daf-8483-4772-8e79-3d69d8477de4";
/** MBR type of the partition that `part create` makes: non-FS data. */
export const MBR_NON_FS_DATA = 0xda;
/** The one entry of a protective MBR (UEFI 5.2.3). */
export const MBR_GPT_PROTECTIVE = 0xee;

/** Names as util-linux prints them (include/pt-gpt-partnames.h); those that are met on cards of embedded boards. */
const GPT_NAMES: Readonly<Record<string, string>> = {
  "c12a7328-f81f-11d2-ba4b-00a0c93ec93b": "EFI System",
  "024dee41-33e7-11d3-9d69-0008c781f39f": "MBR partition scheme",
  "21686148-6449-6e6f-744e-656564454649": "BIOS boot",
  "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7": "Microsoft basic data",
  "e3c9e316-0b5c-4db8-817d-f92df00215ae": "Microsoft reserved",
  [GPT_LINUX_DATA]: "Linux filesystem",
  "3b8f8425-20e0-4f3b-907f-1a25a76f98e8": "Linux server data",
  "44479540-f297-41b2-9af7-d131d5f0458a": "Linux root (x86)",
  "4f68bce3-e8cd-4db1-96e7-fbcaf984b709": "Linux root (x86-64)",
  "69dad710-2ce4-4e3c-b16c-21a1d49abed3": "Linux root (ARM)",
  "b921b045-1df0-41c3-af44-4c6f280d3fae": "Linux root (ARM-64)",
  "72ec70a6-cf74-40e6-bd49-4bda08e8f224": "Linux root (RISC-V-64)",
  "933ac7e1-2eb4-4f13-b844-0e14e2aef915": "Linux home",
  "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f": "Linux swap",
  "e6d6d379-f507-44c2-a23c-238f2a3df928": "Linux LVM",
  "a19d880f-05fc-4d3b-a006-743f0f84911e": "Linux RAID",
  "8da63339-0007-60c0-c436-083ac8230908": "Linux reserved",
  "bc13c2ff-59e6-4262-a352-b275fd6f7172": "Linux extended boot",
  "3de21764-95bd-54bd-a5c3-4abe786f38a8": "U-Boot environment",
  "fe3a2a5d-4f32-41a7-b725-accc3285a309": "ChromeOS kernel",
  "3cb8e202-3b7e-47dd-8a3c-7ff2a13cfcec": "ChromeOS root fs",
};

/** Names as util-linux prints them (include/pt-mbr-partnames.h). */
const MBR_NAMES: Readonly<Record<number, string>> = {
  0: "Empty",
  1: "FAT12",
  4: "FAT16 <32M",
  5: "Extended",
  6: "FAT16",
  7: "HPFS/NTFS/exFAT",
  11: "W95 FAT32",
  12: "W95 FAT32 (LBA)",
  14: "W95 FAT16 (LBA)",
  15: "W95 Ext'd (LBA)",
  130: "Linux swap / Solaris",
  131: "Linux",
  133: "Linux extended",
  142: "Linux LVM",
  162: "Onyx",
  [MBR_NON_FS_DATA]: "Non-FS data",
  234: "Linux extended boot",
  [MBR_GPT_PROTECTIVE]: "GPT",
  239: "EFI (FAT-12/16/32)",
  253: "Linux raid autodetect",
};

/** Name of a GPT partition type (lower-case GUID), or "unknown". */
export function gptTypeName(guid: string): string {
  return GPT_NAMES[guid] ?? "unknown";
}

/** Name of an MBR partition type, or "unknown". */
export function mbrTypeName(type: number): string {
  return MBR_NAMES[type] ?? "unknown";
}

/** The types that hold a chain of logical partitions (Linux block/partitions/msdos.c, is_extended_partition). */
export function isExtendedType(type: number): boolean {
  return type === 0x05 || type === 0x0f || type === 0x85;
}
