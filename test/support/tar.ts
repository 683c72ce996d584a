const BLOCK = 512;
const NAME_BYTES = 100;
const SIZE_AT = 124;
const TYPE_AT = 156;
const REGULAR = new Set(["0", "\0"]);

/** The regular files of a ustar archive, by name without leading directories. */
export function readTar(archive: Uint8Array): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  const text = (at: number, length: number): string =>
    Buffer.from(archive.subarray(at, at + length)).toString("latin1");
  for (let at = 0; at + BLOCK <= archive.length && archive[at] !== 0; ) {
    const name = text(at, NAME_BYTES).replace(/\0.*$/s, "");
    const size = Number.parseInt(text(at + SIZE_AT, 12), 8);
    if (!Number.isSafeInteger(size)) throw new Error(`${name}: no size in its tar header`);
    const isFile = REGULAR.has(text(at + TYPE_AT, 1));
    at += BLOCK;
    if (isFile) files.set(name.replace(/^.*\//s, ""), archive.slice(at, at + size));
    at += Math.ceil(size / BLOCK) * BLOCK;
  }
  return files;
}
