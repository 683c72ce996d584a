import { UsageError } from "./errors.js";

const SECTOR = 512;

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  s: SECTOR,
  k: 1024,
  kib: 1024,
  kb: 1000,
  m: 1024 ** 2,
  mib: 1024 ** 2,
  mb: 1000 ** 2,
  g: 1024 ** 3,
  gib: 1024 ** 3,
  gb: 1000 ** 3,
  t: 1024 ** 4,
  tib: 1024 ** 4,
  tb: 1000 ** 4,
};

/**
 * Bytes of a size as the command line takes it: `512`, `0x200`, `4K`/`4KiB`, `1M`/`1MiB`, `1MB` (10^6),
 * `8s` (sectors of 512 bytes).
 * @throws UsageError if it is none of these, or more than 2^53 - 1
 */
export function parseSize(text: string): number {
  const match = /^(0x[0-9a-f]+|\d+)([a-z]*)$/i.exec(text.trim());
  const unit = UNITS[(match?.[2] ?? "?").toLowerCase()];
  const value = Number(match?.[1]) * (unit ?? Number.NaN);
  if (Number.isSafeInteger(value)) return value;
  throw new UsageError(`'${text}' is not a size`, {
    details: { size: text },
    hint: "write 512, 0x200, 4K, 4KiB, 1MiB, 1MB (10^6) or 8s (sectors of 512 bytes)",
  });
}

/** `65536` → `64 KiB`; exact binary units only, else plain bytes. */
export function formatSize(bytes: number): string {
  for (const [unit, name] of [
    [1024 ** 4, "TiB"],
    [1024 ** 3, "GiB"],
    [1024 ** 2, "MiB"],
    [1024, "KiB"],
  ] as const) {
    if (bytes >= unit && bytes % (unit / 4) === 0) return `${bytes / unit} ${name}`;
  }
  return `${bytes} bytes`;
}
