import { errorCode } from "../util/errors.js";
import { parseSize } from "../util/size.js";
import { BLOCK_SIZE, BlockError } from "./device.js";
import { parseGuid } from "./guid.js";

/** All of the device. */
export interface WholeSelector {
  readonly kind: "whole";
  readonly text: string;
}

/** A run of blocks. */
export interface BlocksSelector {
  readonly kind: "blocks";
  readonly text: string;
  readonly startLba: number;
  readonly blockCount: number;
}

/** What must be looked up in a partition table. */
export type TableSelector =
  | { readonly kind: "number"; readonly text: string; readonly number: number }
  | { readonly kind: "label"; readonly text: string; readonly label: string }
  /** `offset` counts in partition numbers from the one with this PARTUUID (lower-case). */
  | {
      readonly kind: "uuid";
      readonly text: string;
      readonly uuid: string;
      readonly offset: number;
    };

/** A PART of the command line, parsed; `text` is what was typed. Nothing is looked up yet. */
export type PartSelector = WholeSelector | BlocksSelector | TableSelector;

const FORMS =
  "p2, label=pstore, PARTUUID=..., PARTUUID=.../PARTNROFF=1, /dev/mmcblk0p2, mmcblk0p2, 179:2, b302, START+LENGTH, START..END or whole";

/** Minors that a disk takes, by major. mmc: CONFIG_MMC_BLOCK_MINORS, 8 unless a kernel was built with another number. */
const MINORS_OF_MAJOR: ReadonlyMap<number, number> = new Map([
  [179, 8],
  ...[8, 65, 66, 67, 68, 69, 70, 71, 128, 129, 130, 131, 132, 133, 134, 135].map(
    (major): [number, number] => [major, 16],
  ),
]);

/** Disks whose name ends in a digit put a p before the number (Linux block/partitions/core.c, disk_name). */
const DEVICE_NAMES: readonly RegExp[] = [
  /^(?:mmcblk|nvme\d+n|loop|nbd|md)\d+(?:p(\d+))?$/,
  /^(?:sd|vd|hd|xvd)[a-z]{1,3}(\d+)?$/,
];

/**
 * Parses a PART: the kernel's own forms of a block device (Linux block/early-lookup.c), a label, a range of bytes, or `whole`. Names and numbers
 * of a device tell the partition only: which card it is, `-d` says.
 * @throws BlockError PART_MALFORMED
 */
export function parsePartSelector(text: string): PartSelector {
  return parse(text, "partition");
}

/**
 * Parses the RANGE of a verb: `START+LENGTH`, `START..END` (END is the first byte behind it), a PART, or `whole`. Sizes count in bytes.
 * @throws BlockError PART_MALFORMED
 */
export function parseRange(text: string): PartSelector {
  return parse(text, "range");
}

function parse(text: string, what: string): PartSelector {
  const trimmed = text.trim();
  if (trimmed === "whole") return { kind: "whole", text };
  const parsed =
    parseKeyword(trimmed) ?? parseBlocks(trimmed) ?? parseNumber(trimmed) ?? parseDevt(trimmed);
  if (parsed !== undefined) return parsed;
  throw malformed(text, `is no ${what}`, hintFor(trimmed));
}

function malformed(text: string, why: string, hint: string): BlockError {
  return new BlockError("PART_MALFORMED", `'${text}' ${why}`, { details: { part: text }, hint });
}

function hintFor(text: string): string {
  if (/^\d+$/.test(text)) return `write p${Number(text)} for a partition, 0+${text} for a range`;
  if (/^mmcblk\d+(boot\d|rpmb|gp\d)/.test(text.replace("/dev/", "")))
    return "boot, RPMB and general purpose areas of an eMMC cannot be reached over SPI";
  return `the forms are ${FORMS}`;
}

/** `label=`, `PARTLABEL=`, `PARTUUID=`. Their keywords in any case; a label itself is taken as it is. */
function parseKeyword(text: string): PartSelector | undefined {
  const match =
    /^(label|partlabel|partuuid)=(.+)$/i.exec(text) ??
    /^\/dev\/disk\/by-(partlabel|partuuid)\/(.+)$/.exec(text);
  if (match === null) return undefined;
  const [, keyword = "", value = ""] = match;
  if (keyword.toLowerCase() === "partuuid") return parseUuid(text, value);
  return { kind: "label", text, label: value };
}

function parseUuid(text: string, value: string): PartSelector {
  const match = /^([0-9a-f-]+)(?:\/PARTNROFF=([+-]?\d{1,4}))?$/i.exec(value);
  const uuid = (match?.[1] ?? "").toLowerCase();
  if (parseGuid(uuid) === undefined && !/^[0-9a-f]{8}-[0-9a-f]{2}$/.test(uuid))
    throw malformed(
      text,
      "holds no PARTUUID",
      "a GPT has GUIDs (8-4-4-4-12 hex digits), an MBR SSSSSSSS-NN; part list prints them",
    );
  return { kind: "uuid", text, uuid, offset: Number(match?.[2] ?? 0) };
}

function parseBlocks(text: string): PartSelector | undefined {
  const match = /^([^+.]+)(\+|\.\.)([^+.]+)$/.exec(text);
  if (match === null) return undefined;
  const [, first = "", sign, second = ""] = match;
  const start = blocksOf(text, first);
  const blockCount = blocksOf(text, second) - (sign === ".." ? start : 0);
  if (blockCount <= 0)
    throw malformed(text, "is empty", "START..END ends before END; START+LENGTH is LENGTH long");
  return { kind: "blocks", text, startLba: start, blockCount };
}

function blocksOf(text: string, size: string): number {
  const blocks = parseSizeIn(text, size) / BLOCK_SIZE;
  if (Number.isInteger(blocks)) return blocks;
  throw malformed(
    text,
    `does not begin and end with a block: ${size} is no multiple of ${BLOCK_SIZE} bytes`,
    `plain numbers count bytes: write ${Math.floor(blocks)}s for blocks, or 4K, 1MiB`,
  );
}

function parseSizeIn(text: string, size: string): number {
  try {
    return parseSize(size);
  } catch (cause) {
    if (errorCode(cause) !== "USAGE") throw cause;
    throw new BlockError("PART_MALFORMED", `'${text}' is no range: '${size}' is no size`, {
      cause,
      details: { part: text },
      hint: "write sizes as 512, 0x200, 4K, 1MiB, 1MB (10^6) or 8s (sectors)",
    });
  }
}

/** `p2`, and the names of disks and partitions under /dev. */
function parseNumber(text: string): PartSelector | undefined {
  const short = /^p(\d{1,5})$/i.exec(text);
  if (short !== null) return numbered(text, Number(short[1]));
  const name = text.replace(/^\/dev\//, "");
  for (const pattern of DEVICE_NAMES) {
    const match = pattern.exec(name);
    if (match === null) continue;
    return match[1] === undefined ? { kind: "whole", text } : numbered(text, Number(match[1]));
  }
  return undefined;
}

function numbered(text: string, number: number): PartSelector {
  if (number > 0) return { kind: "number", text, number };
  throw malformed(text, "is no partition", "partitions are numbered from 1");
}

/** `179:2`, and `b302`: the 32 bits of new_decode_dev() in hex (Linux include/linux/kdev_t.h). */
function parseDevt(text: string): PartSelector | undefined {
  const pair = /^(\d{1,4}):(\d{1,7})$/.exec(text);
  if (pair !== null) return fromDevt(text, Number(pair[1]), Number(pair[2]));
  if (!/^[0-9a-f]{3,8}$/i.test(text)) return undefined;
  const devt = Number.parseInt(text, 16);
  const major = (devt & 0xfff00) >> 8;
  // A number alone is more likely something else; the hint then says what.
  if (/^\d+$/.test(text) && !MINORS_OF_MAJOR.has(major)) return undefined;
  return fromDevt(text, major, (devt & 0xff) | ((devt >>> 12) & 0xfff00));
}

function fromDevt(text: string, major: number, minor: number): PartSelector {
  const minors = MINORS_OF_MAJOR.get(major);
  if (minors === undefined)
    throw malformed(
      text,
      `does not tell the partition: device numbers of major ${major} say nothing about it`,
      "write p2, or the PARTUUID",
    );
  const number = minor % minors;
  return number === 0 ? { kind: "whole", text } : { kind: "number", text, number };
}
