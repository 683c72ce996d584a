/** One file of an initramfs. */
export interface CpioEntry {
  readonly path: string;
  /** File type and permissions, as in `st_mode`. */
  readonly mode: number;
  readonly data: Uint8Array;
}

const MAGIC = "070701";
const ALIGN = 4;

/** A cpio archive in the `newc` format, which is what the kernel unpacks as initramfs. */
export function encodeCpio(entries: readonly CpioEntry[]): Buffer {
  const all = [...entries, { path: "TRAILER!!!", mode: 0, data: new Uint8Array(0) }];
  return Buffer.concat(all.flatMap((entry, index) => encodeEntry(entry, index + 1)));
}

function encodeEntry(entry: CpioEntry, inode: number): Buffer[] {
  const name = Buffer.from(`${entry.path}\0`);
  const fields = [inode, entry.mode, 0, 0, 1, 0, entry.data.length, 0, 0, 0, 0, name.length, 0];
  const head = Buffer.concat([
    Buffer.from(MAGIC + fields.map((field) => field.toString(16).padStart(8, "0")).join("")),
    name,
  ]);
  return [head, padding(head.length), Buffer.from(entry.data), padding(entry.data.length)];
}

function padding(length: number): Buffer {
  return Buffer.alloc((ALIGN - (length % ALIGN)) % ALIGN);
}
