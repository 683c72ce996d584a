import type { RecordTime } from "../../index.js";

const LAST_SECOND = 253_402_300_799n;

/** `2026-11-20T07:31:12.000000000Z`; a second that no calendar of four digits has: `@SECONDS.NANOSECONDS`. */
export function formatTime({ seconds, nanoseconds }: RecordTime): string {
  const fraction = String(nanoseconds).padStart(9, "0");
  if (seconds < 0n || seconds > LAST_SECOND) return `@${seconds}.${fraction}`;
  return `${new Date(Number(seconds) * 1000).toISOString().slice(0, 19)}.${fraction}Z`;
}

/** To the second, for tables: `2026-11-20 07:31:12`. */
export function formatTimeShort(time: RecordTime): string {
  const text = formatTime(time);
  return text.startsWith("@") ? text : text.slice(0, 19).replace("T", " ");
}
