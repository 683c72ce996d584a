/** A name as the kernel gives it; the number of a dmesg zone stands for the record in it. */
export function recordName(text: string): string {
  return /^\d{1,6}$/.test(text) ? `dmesg-pstore_blk-${Number(text)}` : text;
}
