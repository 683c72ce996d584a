import { deflateRawSync } from "node:zlib";
import { concatBytes } from "../util/bytes.js";
import { reasonName } from "./dmesg-head.js";
import { type Dump, splitDump, storedBytes, storedText } from "./dump-text.js";
import { PstoreError } from "./types.js";

/** `auto`: as it is if it fits, else deflated. */
export type CompressMode = "auto" | "always" | "never";

export interface PayloadOptions {
  /** Largest payload, in bytes: zone size − 84 in the 64-bit layouts, − 72 in i386's. */
  readonly capacity: number;
  /** Size of the dmesg zones, in bytes. */
  readonly kmsgSize: number;
  /** 1 Panic, 2 Oops, 3 Emergency, 4 Shutdown. */
  readonly reason: number;
  /** The n of `Panic#n Part1`, if that line is to be added: the record's counter. */
  readonly sequence: number;
  readonly compress: CompressMode;
}

/** What is written behind the record header. */
export interface PreparedPayload {
  readonly payload: Uint8Array;
  readonly compressed: boolean;
  /** Bytes of the text that the payload holds, its first line included. */
  readonly textBytes: number;
  /** The oldest lines that had to be left out. */
  readonly droppedBytes: number;
  readonly droppedLines: number;
  /** The `Panic#n Part1` line was missing and was put in front. */
  readonly addedDumpLine: boolean;
}

/** Linux 6.1 inflates with a window of 2^11 and refuses what reaches back further (fs/pstore/platform.c). */
const WINDOW_BITS = 11;
/** Zone header and 64-bit record header: what the kernel takes off kmsg_size. */
const KERNEL_HEADER_BYTES = 52;

/**
 * Bytes of text that every kernel inflates from a zone of that size. Linux 6.1 (zbufsize_deflate) takes bufsize·100/45 for 4000
 * to 10000 bytes and bufsize·100/60 above; below 4000, where its zones never are, the smaller of the two is taken. From 6.6
 * on it is 3·bufsize, which is more.
 */
export function inflateLimit(kmsgSize: number): number {
  const bufsize = kmsgSize - KERNEL_HEADER_BYTES;
  const percent = bufsize >= 4000 && bufsize <= 10_000 ? 45 : 60;
  return Math.max(0, Math.floor((bufsize * 100) / percent));
}

/**
 * Makes the payload of a record from a log. Pure.
 *
 * A text that fits is stored as it is, else deflated; if that does not fit either, or is more than old kernels inflate, the
 * newest whole lines are kept that fit, deflated or (if that keeps no fewer) as they are. The dump's first line stays in front.
 *
 * @throws PstoreError PSTORE_TOO_LARGE if not even the last line fits
 */
export function preparePayload(text: Uint8Array, options: PayloadOptions): PreparedPayload {
  const { compress } = options;
  const dump = splitDump(text, reasonName(options.reason), options.sequence);
  const raw = compress === "always" ? undefined : newestRaw(dump, options.capacity);
  if (raw?.first === 0 || compress === "never") return finish(dump, raw, options);
  const packed = newestPacked(dump, options);
  const isRawBetter = raw !== undefined && (packed === undefined || raw.first <= packed.first);
  return finish(dump, isRawBetter ? raw : packed, options);
}

/** A payload with the lines from `first` on. */
interface Candidate {
  readonly first: number;
  readonly payload: Uint8Array;
  readonly compressed: boolean;
}

function newestRaw(dump: Dump, capacity: number): Candidate | undefined {
  const first = firstFitting(dump, 0, (line) => storedBytes(dump, line) <= capacity);
  if (first === undefined) return undefined;
  return { first, payload: concatBytes(storedText(dump, first)), compressed: false };
}

function newestPacked(dump: Dump, options: PayloadOptions): Candidate | undefined {
  const limit = inflateLimit(options.kmsgSize);
  const oldest = firstFitting(dump, 0, (line) => storedBytes(dump, line) <= limit);
  if (oldest === undefined) return undefined;
  let best: Candidate | undefined;
  firstFitting(dump, oldest, (first) => {
    const payload = deflate(dump, first);
    if (payload.length > options.capacity) return false;
    best = { first, payload, compressed: true };
    return true;
  });
  return best;
}

function deflate(dump: Dump, first: number): Uint8Array {
  const text = concatBytes(storedText(dump, first));
  return deflateRawSync(text, { windowBits: WINDOW_BITS, level: 9 });
}

/**
 * By halving: the first line, not before `from`, that fits while the one before it does not; undefined if the last one does not.
 * The last call of `fits` that was true is the one for the line returned.
 */
function firstFitting(
  dump: Dump,
  from: number,
  fits: (line: number) => boolean,
): number | undefined {
  const last = Math.max(0, dump.lines.length - 1);
  if (fits(from)) return from;
  if (from >= last || !fits(last)) return undefined;
  let tooEarly = from;
  let good = last;
  while (good - tooEarly > 1) {
    const middle = (good + tooEarly) >> 1;
    if (fits(middle)) good = middle;
    else tooEarly = middle;
  }
  return good;
}

function finish(
  dump: Dump,
  chosen: Candidate | undefined,
  options: PayloadOptions,
): PreparedPayload {
  if (chosen === undefined) throw tooLarge(dump, options);
  const { first, payload, compressed } = chosen;
  return {
    payload,
    compressed,
    textBytes: storedBytes(dump, first),
    droppedBytes: dump.lines[first] ?? 0,
    droppedLines: first,
    addedDumpLine: dump.addedDumpLine,
  };
}

function tooLarge(dump: Dump, options: PayloadOptions): PstoreError {
  const last = dump.body.length - (dump.lines.at(-1) ?? 0);
  const { capacity, compress } = options;
  return new PstoreError(
    "PSTORE_TOO_LARGE",
    `the last line alone (${last} bytes) does not fit in a record of ${capacity} bytes`,
    {
      details: { lastLineBytes: last, capacity, compress, textBytes: dump.body.length },
      hint:
        compress === "never"
          ? "leave out --no-compress, shorten the line, or use larger zones (--kmsg-size)"
          : "shorten the line, or use larger zones (--kmsg-size)",
    },
  );
}
