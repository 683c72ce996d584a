import { deflateRawSync } from "node:zlib";
import { concatBytes, viewOf } from "../util/bytes.js";
import { crc32 } from "../util/crc.js";
import { UsageError } from "../util/errors.js";

/** A file in an archive. */
export interface ZipEntry {
  readonly name: string;
  readonly data: Uint8Array;
}

const LOCAL = 0x0403_4b50;
const CENTRAL = 0x0201_4b50;
const END = 0x0605_4b50;
/** "2.0": deflate. */
const VERSION = 20;
const DEFLATED = 8;
/** 1 January 1980, in DOS format: the same recording gives the same archive. */
const DATE = 0x0021;
/** Beyond these the format has an extension that not every reader knows. */
const LIMITS: ZipLimits = { bytes: 0xffff_ffff, entries: 0xffff };

export interface ZipLimits {
  readonly bytes: number;
  readonly entries: number;
}

/**
 * A zip archive (PKWARE APPNOTE 4.3), deflated, in pieces; entries are taken one after the other.
 * @throws UsageError if it becomes larger than 4 GiB or has more than 65535 entries
 */
export function* zipOf(
  entries: Iterable<ZipEntry>,
  limits: ZipLimits = LIMITS,
): Generator<Uint8Array> {
  const directory: Uint8Array[] = [];
  let at = 0;
  for (const { name, data } of entries) {
    const packed = deflateRawSync(data);
    const common = commonFields(data, packed, name);
    const local = concatBytes([words(LOCAL), common, shorts(0), Buffer.from(name)]);
    directory.push(centralRecord(common, name, at));
    at += local.length + packed.length;
    if (at > limits.bytes || directory.length > limits.entries) throw tooLarge();
    yield local;
    yield packed;
  }
  const central = concatBytes(directory);
  yield central;
  const counts = shorts(0, 0, directory.length, directory.length);
  yield concatBytes([words(END), counts, words(central.length, at), shorts(0)]);
}

/** What stands in both headers: version, flags, method, time, date, CRC-32, sizes, length of the name. */
function commonFields(data: Uint8Array, packed: Uint8Array, name: string): Uint8Array {
  const head = shorts(VERSION, 0, DEFLATED, 0, DATE);
  const sizes = words(crc32(data), packed.length, data.length);
  return concatBytes([head, sizes, shorts(Buffer.byteLength(name))]);
}

function centralRecord(common: Uint8Array, name: string, at: number): Uint8Array {
  const rest = [shorts(0, 0, 0, 0), words(0, at), Buffer.from(name)];
  return concatBytes([words(CENTRAL), shorts(VERSION), common, ...rest]);
}

function tooLarge(): UsageError {
  return new UsageError("the recording is too long for one zip archive", {
    hint: "export it as vcd",
  });
}

function shorts(...values: number[]): Uint8Array {
  const out = new Uint8Array(2 * values.length);
  for (const [at, value] of values.entries()) viewOf(out).setUint16(2 * at, value, true);
  return out;
}

function words(...values: number[]): Uint8Array {
  const out = new Uint8Array(4 * values.length);
  for (const [at, value] of values.entries()) viewOf(out).setUint32(4 * at, value, true);
  return out;
}
