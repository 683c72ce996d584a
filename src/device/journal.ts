import { closeSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { CardIdentity } from "../card/identity.js";
import type { CardIntent, IntentSink } from "../card/intent.js";
import type { Interruption } from "../card/sd-card.js";
import type { Clock } from "../util/clock.js";
import type { Log } from "../util/log.js";
import type { OpenOptions } from "./types.js";

/** What a process that is gone was doing with the card behind an adapter. */
export interface LeftBehind {
  readonly cid: string;
  readonly crcProved: boolean;
  readonly frequencyHz: number;
  /** Absent: it was idle when it ended. */
  readonly intent?: CardIntent;
  /** Wall time in ms until which an erase may go on. */
  readonly eraseUntilMs?: number;
}

const VERSION = 1;
/** One write of a page's part: a process that is killed leaves the old entry or the new one. */
const ENTRY_BYTES = 512;

/**
 * The intent journal of one adapter: a small file in the runtime directory that says what its user is in the middle of. It is there
 * while a card is in use, and gone after a proper end; so whoever finds one knows that its writer was killed, and doing what.
 * Belongs to whoever holds the adapter's lock. Never fails: without a journal the card is one of which nothing is known.
 */
export class IntentJournal implements IntentSink {
  readonly #path: string;
  readonly #clock: Pick<Clock, "wallTime">;
  readonly #log: Log;
  #file: number | undefined;
  #card: Pick<LeftBehind, "cid" | "crcProved" | "frequencyHz"> | undefined;

  constructor(path: string, clock: Pick<Clock, "wallTime">, log: Log) {
    this.#path = path;
    this.#clock = clock;
    this.#log = log;
  }

  /** What the user before left; undefined if it ended properly, or if the entry makes no sense. */
  leftBehind(): LeftBehind | undefined {
    try {
      return parseEntry(readFileSync(this.#path, "utf8"));
    } catch {
      return undefined;
    }
  }

  /** The card is identified: from here on the file is there. */
  start({ cid, integrityClass, frequencyHz }: CardIdentity): void {
    this.#card = { cid: cid.raw, crcProved: integrityClass === "A", frequencyHz };
    this.#quietly(() => {
      this.#file ??= openSync(this.#path, "w", 0o600);
    });
    this.#write();
  }

  begin(intent: CardIntent): void {
    this.#write(intent);
  }

  end(): void {
    this.#write();
  }

  /** The card is released as it should be. Idempotent. */
  finish(): void {
    if (this.#file === undefined) return;
    const file = this.#file;
    this.#file = undefined;
    this.#quietly(() => {
      closeSync(file);
      rmSync(this.#path, { force: true });
    });
  }

  #write(intent?: CardIntent): void {
    const file = this.#file;
    if (file === undefined) return;
    const entry = {
      journal: VERSION,
      ...this.#card,
      ...(intent === undefined ? {} : { intent }),
      ...(intent?.eraseMs === undefined
        ? {}
        : { eraseUntilMs: this.#clock.wallTime() + intent.eraseMs }),
    };
    const line = `${JSON.stringify(entry).padEnd(ENTRY_BYTES - 1)}\n`;
    this.#quietly(() => writeSync(file, line, 0));
  }

  #quietly(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#log.warn({ error: String(error) }, "the intent journal cannot be kept");
    }
  }
}

function parseEntry(text: string): LeftBehind | undefined {
  const entry = JSON.parse(text) as Partial<Record<keyof LeftBehind | "journal", unknown>>;
  const { journal, cid, crcProved, frequencyHz, intent, eraseUntilMs } = entry;
  if (journal !== VERSION || typeof cid !== "string" || typeof crcProved !== "boolean")
    return undefined;
  return {
    cid,
    crcProved,
    frequencyHz: typeof frequencyHz === "number" ? frequencyHz : 400_000,
    ...(isIntent(intent) ? { intent } : {}),
    ...(typeof eraseUntilMs === "number" ? { eraseUntilMs } : {}),
  };
}

/** What the card layer makes of it; undefined if there is nothing that it need know. */
export function interruptionOf(
  left: LeftBehind | undefined,
  clock: Pick<Clock, "wallTime">,
): Interruption | undefined {
  if (left === undefined) return undefined;
  const { crcProved, intent, eraseUntilMs } = left;
  return {
    crcProved,
    mayBeReading: intent === undefined || intent.doing === "reading",
    ...(eraseUntilMs === undefined ? {} : { busyMs: Math.max(0, eraseUntilMs - clock.wallTime()) }),
  };
}

/** `writing blocks 8192+128` */
export function describeLeftBehind({ intent }: LeftBehind): string {
  if (intent === undefined) return "not in the middle of anything";
  return `${intent.doing} blocks ${intent.lba}+${intent.blocks}`;
}

function isIntent(value: unknown): value is CardIntent {
  if (typeof value !== "object" || value === null) return false;
  const { doing, lba, blocks } = value as Partial<Record<keyof CardIntent, unknown>>;
  const known = doing === "reading" || doing === "writing" || doing === "erasing";
  return known && typeof lba === "number" && typeof blocks === "number";
}

/** Files of one adapter, shared by the processes that use it one after the other. */
export function runtimeFile(
  name: string,
  { lockDir }: Pick<OpenOptions, "lockDir">,
  kind: "lock" | "journal",
): string {
  return join(lockDir, `mmcpstore-${name.replaceAll(/[^\w.-]/g, "-")}.${kind}`);
}
