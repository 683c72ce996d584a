import { constants, type InflateRaw, inflateRawSync } from "node:zlib";
import { errorCode } from "../util/errors.js";
import type { Compression } from "./types.js";

/** A payload that was marked as compressed, unpacked. */
export interface Unpacked {
  readonly method: Compression;
  /** `whole`: all input used; `salvaged`: the readable part of a damaged stream; `none`: nothing that looks like a log. */
  readonly result: "whole" | "salvaged" | "none";
  /** Empty if `none`. */
  readonly text: Uint8Array;
}

/** Any encoder's window fits in this one (RFC 1951: 32 KiB). */
const WINDOW_BITS = 15;
const MIN_OUTPUT_LIMIT = 1 << 20;
const MAX_OUTPUT_LIMIT = 1 << 28;
/** A kernel's own limits are 2.2 and 3 times the zone's payload; a log packs 20:1 at the very best. */
const OUTPUT_RATIO = 32;
/** Every dump begins with this line (fs/pstore/platform.c, pstore_dump). */
const DUMP_LINE = /^[A-Z][a-z]+#\d+ Part\d+\n/;
const DUMP_LINE_BYTES = 64;
const MIN_TEXT_SHARE = 0.9;
const NEWLINE = 0x0a;

const NOTHING: Unpacked = { method: "unknown", result: "none", text: new Uint8Array(0) };

/**
 * Unpacks a compressed record. The method is not recorded on disk, so a trial counts only if it uses up all input and gives
 * a plausible log; what begins with a dump's first line but breaks off, or has something behind its end, is salvaged.
 * Never throws; output is bounded by 32 times the input, at least 1 MiB.
 */
export function unpack(payload: Uint8Array): Unpacked {
  const limit = Math.min(
    Math.max(payload.length * OUTPUT_RATIO, MIN_OUTPUT_LIMIT),
    MAX_OUTPUT_LIMIT,
  );
  const whole = tryInflate(payload, constants.Z_FINISH, limit);
  if (whole === undefined) return salvage(payload, limit);
  if (whole.used === payload.length && isPlausibleLog(whole.output))
    return { method: "deflate", result: "whole", text: whole.output };
  return startsWithDumpLine(whole.output)
    ? { method: "deflate", result: "salvaged", text: whole.output }
    : NOTHING;
}

/** True for what a kernel log may look like: a dump's first line, or nine tenths text. */
export function isPlausibleLog(bytes: Uint8Array): boolean {
  if (bytes.length === 0 || startsWithDumpLine(bytes)) return true;
  let text = 0;
  for (const byte of bytes) if (byte >= 0x20 ? byte !== 0x7f : byte >= 0x09 && byte <= 0x0d) text++;
  return text >= bytes.length * MIN_TEXT_SHARE;
}

function startsWithDumpLine(bytes: Uint8Array): boolean {
  return DUMP_LINE.test(Buffer.from(bytes.subarray(0, DUMP_LINE_BYTES)).toString("latin1"));
}

/** The whole lines in front of where the stream breaks. Zeros at the end are of the zone, not of the stream. */
function salvage(payload: Uint8Array, limit: number): Unpacked {
  const end = payload.findLastIndex((byte) => byte !== 0) + 1;
  const readable = longestReadable(payload.subarray(0, end), limit);
  if (readable === undefined || !startsWithDumpLine(readable)) return NOTHING;
  const text = readable.subarray(0, readable.lastIndexOf(NEWLINE) + 1);
  return { method: "deflate", result: "salvaged", text };
}

/** zlib gives no output of a call that failed, so the longest prefix without an error is searched for by halving. */
function longestReadable(stream: Uint8Array, limit: number): Uint8Array | undefined {
  let good: Uint8Array | undefined;
  let low = 1;
  let high = stream.length;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const trial = tryInflate(stream.subarray(0, middle), constants.Z_SYNC_FLUSH, limit);
    if (trial === undefined) {
      high = middle - 1;
    } else {
      good = trial.output;
      low = middle + 1;
    }
  }
  return good;
}

interface Inflated {
  readonly output: Uint8Array;
  /** Bytes of input that the stream took. */
  readonly used: number;
}

/** Undefined if the stream is malformed, larger than the limit, or (with Z_FINISH) has no end. */
function tryInflate(stream: Uint8Array, finishFlush: number, limit: number): Inflated | undefined {
  try {
    const options = { windowBits: WINDOW_BITS, maxOutputLength: limit, finishFlush, info: true };
    const { buffer, engine } = inflateRawSync(stream, options) as unknown as {
      buffer: Buffer;
      engine: InflateRaw;
    };
    return { output: buffer, used: engine.bytesWritten };
  } catch (error) {
    const code = errorCode(error);
    if (code === "ERR_BUFFER_TOO_LARGE" || code?.startsWith("Z_")) return undefined;
    throw error;
  }
}
