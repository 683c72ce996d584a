import { randomBytes } from "node:crypto";
import { link, open, readFile, rename, unlink, writeFile } from "node:fs/promises";
import { errorCode, IoError, LockedError } from "./errors.js";

/** A held lock. */
export interface Lock {
  /** True if a dead process had left its lock behind. */
  readonly wasStale: boolean;
  /** Idempotent. */
  release(): Promise<void>;
}

/** What a lock file holds: one line, `PID START NONCE`. */
interface Holder {
  readonly pid: number;
  /** Start time of the process in clock ticks since boot, or "-" where the system does not tell: a pid alone may be another's by now. */
  readonly startTime: string;
  /** Tells this lock from every other one, of the same process too. */
  readonly nonce: string;
}

const UNKNOWN_START = "-";
/** A killed process whose parent has not looked yet (zombie) still has a pid. */
const DEAD_STATES: readonly string[] = ["Z", "X"];
/** How often the lock may change hands under us before we call it busy. */
const TRIES = 20;
/** Takers that died one after the other, each while taking over from the one before. */
const MAX_DEAD_TAKERS = 4;

/**
 * Takes the lock `path`: a file with the pid and the start time of its holder. The lock of a process that is gone is taken over. Pids are
 * those of this machine (and PID namespace); the folder must exist.
 * @param what what it protects, for the message: `the image card.img`
 * @throws LockedError if a living process holds it, or if the file is not a lock of ours; IoError if it cannot be made
 */
export async function acquireLock(path: string, what: string): Promise<Lock> {
  const { startTime } = await processStat(process.pid);
  return acquireAs(path, what, { pid: process.pid, startTime, nonce: newNonce() }, 0);
}

async function acquireAs(path: string, what: string, own: Holder, depth: number): Promise<Lock> {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    if (await tryCreate(path, own)) return heldLock(path, own, false);
    const text = await readText(path);
    if (text === undefined) continue;
    const holder = parseHolder(text);
    if (holder === undefined) throw notOurs(path, what);
    if (await isAlive(holder)) throw busy(path, what, holder);
    if (depth === MAX_DEAD_TAKERS) break;
    if (await takeOver(path, what, holder, own, depth)) return heldLock(path, own, true);
  }
  throw new LockedError(`${what} is being locked and unlocked by others all the time`, {
    details: { lock: path },
    hint: "try again",
  });
}

/**
 * Replaces the lock of a dead holder. The right to do so is itself a lock, named after that one lock (its nonce): whoever has it and still
 * finds the dead holder in place is alone, because the dead holder cannot release it and nobody else may replace it.
 */
async function takeOver(
  path: string,
  what: string,
  dead: Holder,
  own: Holder,
  depth: number,
): Promise<boolean> {
  const right = await acquireAs(`${path}.${dead.nonce}`, what, own, depth + 1);
  try {
    const text = await readText(path);
    if (text === undefined || parseHolder(text)?.nonce !== dead.nonce) return false;
    const aside = await writeAside(path, own);
    await rename(aside, path);
    return true;
  } catch (cause) {
    throw cannotMake(path, cause);
  } finally {
    await right.release();
  }
}

function busy(path: string, what: string, holder: Holder): LockedError {
  const self = holder.pid === process.pid;
  return new LockedError(
    `${what} is in use by ${self ? "this process already" : `process ${holder.pid}`}`,
    {
      details: { lock: path, pid: holder.pid },
      hint: self
        ? "close it before it is opened again"
        : `wait until process ${holder.pid} has ended, or end it`,
    },
  );
}

function notOurs(path: string, what: string): LockedError {
  return new LockedError(`${what} is locked by a file that names no process`, {
    details: { lock: path },
    hint: `if nothing uses it, delete ${path}`,
  });
}

function cannotMake(path: string, cause: unknown): IoError {
  return new IoError(`the lock ${path} cannot be made (${errorCode(cause) ?? "error"})`, {
    cause,
    details: { lock: path },
    hint: "its folder must exist and be writable",
  });
}

function heldLock(path: string, own: Holder, wasStale: boolean): Lock {
  let held = true;
  return {
    wasStale,
    async release() {
      if (!held) return;
      held = false;
      const text = await readText(path);
      // A user may have deleted our file by hand, and another process have made its own since.
      if (text !== undefined && parseHolder(text)?.nonce === own.nonce) await remove(path);
    },
  };
}

/** Written aside and linked into place, so that nobody ever sees a lock without its holder in it. */
async function tryCreate(path: string, own: Holder): Promise<boolean> {
  try {
    const aside = await writeAside(path, own);
    try {
      await link(aside, path);
      return true;
    } catch (cause) {
      if (!hasNoLinks(cause)) throw cause;
      return await createInPlace(path, own);
    } finally {
      await remove(aside);
    }
  } catch (cause) {
    if (errorCode(cause) === "EEXIST") return false;
    throw cannotMake(path, cause);
  }
}

/** FAT and some network file systems have no hard links. */
function hasNoLinks(cause: unknown): boolean {
  return ["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"].includes(errorCode(cause) ?? "");
}

async function createInPlace(path: string, own: Holder): Promise<boolean> {
  const file = await open(path, "wx");
  try {
    await file.write(lineOf(own));
    return true;
  } finally {
    await file.close();
  }
}

async function writeAside(path: string, own: Holder): Promise<string> {
  const aside = `${path}.${own.pid}-${newNonce()}`;
  await writeFile(aside, lineOf(own), { flag: "wx" });
  return aside;
}

/** Not the injected randomness: it names files for a moment, and never reaches a device or a recording. */
function newNonce(): string {
  return randomBytes(8).toString("hex");
}

function lineOf({ pid, startTime, nonce }: Holder): string {
  return `${pid} ${startTime} ${nonce}\n`;
}

function parseHolder(text: string): Holder | undefined {
  const match = /^(\d{1,10}) (\d+|-) ([0-9a-f]{16})\n$/.exec(text);
  if (match === null) return undefined;
  const [, pid = "", startTime = "", nonce = ""] = match;
  return { pid: Number(pid), startTime, nonce };
}

/** undefined if there is none. */
async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return undefined;
    throw cannotMake(path, cause);
  }
}

async function remove(path: string): Promise<void> {
  await unlink(path).catch(() => undefined);
}

async function isAlive(holder: Holder): Promise<boolean> {
  if (holder.pid <= 0) return false;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if (errorCode(error) !== "EPERM") return false;
  }
  const { state, startTime } = await processStat(holder.pid);
  if (DEAD_STATES.includes(state)) return false;
  return (
    startTime === UNKNOWN_START ||
    holder.startTime === UNKNOWN_START ||
    startTime === holder.startTime
  );
}

/** Fields 3 and 22 of /proc/PID/stat (proc(5)); the command name before them may hold spaces and parentheses. */
async function processStat(pid: number): Promise<{ state: string; startTime: string }> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { state: fields[0] ?? "", startTime: fields[19] ?? UNKNOWN_START };
}
