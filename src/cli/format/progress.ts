import type { Clock } from "../../util/clock.js";
import type { CliIo } from "../io.js";

const REDRAW_US = 100_000;
const BAR = 24;

/** One line on a terminal that shows how far a transfer is, at what rate, and how long it will take. */
export interface Progress {
  /** @param done bytes so far */
  update(done: number): void;
  /** Takes the line away. */
  finish(): void;
}

const quiet: Progress = { update: () => undefined, finish: () => undefined };

/** Progress on stderr, only where that is a terminal (scripts see nothing). Rates are those of `clock`. */
export function createProgress(io: CliIo, clock: Clock, title: string, total: number): Progress {
  if (!io.stderrIsTerminal || io.env["TERM"] === "dumb" || total === 0) return quiet;
  const start = clock.nowUs();
  let shown = Number.NEGATIVE_INFINITY;
  return {
    update(done) {
      const now = clock.nowUs();
      if (now - shown < REDRAW_US && done < total) return;
      shown = now;
      io.writeErr(
        `\r${progressLine(title, done, total, now - start).slice(0, io.columns - 1)}\x1b[K`,
      );
    },
    finish() {
      if (Number.isFinite(shown)) io.writeErr("\r\x1b[K");
    },
  };
}

/** `reading [######----] 42 %  3.6 MB/s  0:12 left` */
export function progressLine(
  title: string,
  done: number,
  total: number,
  elapsedUs: number,
): string {
  const share = Math.min(1, done / total);
  const filled = Math.round(share * BAR);
  const rate = elapsedUs > 0 ? done / elapsedUs : 0;
  const bar = "#".repeat(filled) + "-".repeat(BAR - filled);
  const left = rate > 0 ? `  ${formatDuration((total - done) / rate / 1e6)} left` : "";
  return `${title} [${bar}] ${Math.floor(share * 100)} %  ${rate.toFixed(2)} MB/s${left}`;
}

/** Seconds as `m:ss` or `h:mm:ss`. */
export function formatDuration(seconds: number): string {
  const whole = Math.ceil(seconds);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const shown = parts[0] === 0 ? parts.slice(1) : parts;
  return shown
    .map((part, at) => (at === 0 ? String(part) : String(part).padStart(2, "0")))
    .join(":");
}
