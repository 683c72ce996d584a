import { mkdir, readFile, rename, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { extractFiles, PstoreError, type RecordTime, shownRecords } from "../../index.js";
import { errorCode, IoError, RefusedError, UsageError } from "../../util/errors.js";
import { type Context, note, type RunVerb, writeJson } from "../context.js";
import { exitOfScan, noteWarnings, withStore } from "../pstore-session.js";
import { operand } from "../session.js";
import { symbolOptions } from "../symbols.js";

/** A file to be written, and what is there already. */
interface Target {
  readonly path: string;
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly mtime?: RecordTime;
  readonly present: "none" | "same" | "other";
}

/** `pstore extract DIR`: the files that a kernel shows. Nothing is written if one that differs is there, unless `--yes`. */
export const run: RunVerb = (context, operands, flags) => {
  const folder = operand(operands, 0, "dir");
  return withStore(context, "read", flags, async ({ store, part, device: { clock } }) => {
    const scan = await store.list(await clock.outside(symbolOptions(flags)));
    noteWarnings(context, scan);
    const records = shownRecords(scan);
    if (records.length === 0) throw nothing(part.part.description);
    const targets: Target[] = [];
    for await (const file of extractFiles(scan, records)) {
      const path = join(folder, file.name);
      targets.push({ ...file, path, present: await clock.outside(compare(path, file.bytes)) });
    }
    refuseOverwriting(context, targets);
    if (!context.settings.dryRun) await clock.outside(writeAll(folder, targets));
    await report(context, folder, targets);
    return exitOfScan(records);
  });
};

function nothing(where: string): PstoreError {
  return new PstoreError("PSTORE_NOT_FOUND", `there are no records on ${where}`, {
    hint: "if a kernel has written some, the sizes may be wrong: try --geometry auto",
  });
}

async function compare(path: string, bytes: Uint8Array): Promise<Target["present"]> {
  try {
    return Buffer.compare(await readFile(path), bytes) === 0 ? "same" : "other";
  } catch (cause) {
    const code = errorCode(cause);
    if (code === "ENOENT") return "none";
    if (code === "ENOTDIR") throw new UsageError(`${path}: its folder is a file`, { cause });
    throw new UsageError(`${path} is there and cannot be read (${code ?? "error"})`, { cause });
  }
}

function refuseOverwriting({ settings }: Context, targets: readonly Target[]): void {
  const others = targets.filter(({ present }) => present === "other");
  if (others.length === 0 || settings.yes) return;
  throw new RefusedError(`${others[0]?.path} is there already, with other contents`, {
    details: { files: others.map(({ path }) => path) },
    hint: "take another folder, or give --yes to overwrite",
  });
}

async function writeAll(folder: string, targets: readonly Target[]): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    if (!(await stat(folder)).isDirectory()) throw new UsageError(`${folder} is no folder`);
    for (const target of targets) await writeOne(target);
  } catch (cause) {
    const code = errorCode(cause) ?? "error";
    if (code === "USAGE") throw cause;
    throw new IoError(`${folder} cannot be written to (${code})`, { cause });
  }
}

async function writeOne({ path, bytes, mtime, present }: Target): Promise<void> {
  if (present !== "same") {
    await writeFile(`${path}.part`, bytes);
    await rename(`${path}.part`, path);
  }
  if (mtime === undefined) return;
  const seconds = Number(mtime.seconds) + mtime.nanoseconds / 1e9;
  await utimes(path, seconds, seconds);
}

async function report(context: Context, folder: string, targets: readonly Target[]): Promise<void> {
  const { json, dryRun } = context.settings;
  if (json) {
    const files = targets.map(({ name, path, bytes, present }) => ({
      name,
      path,
      bytes: bytes.length,
      written: !dryRun && present !== "same",
    }));
    await writeJson(context, "pstore-extract", { files });
    return;
  }
  for (const { path, present } of targets)
    await context.io.writeOut(`${path}${present === "same" ? " (there already)" : ""}\n`);
  note(
    context,
    `${dryRun ? "would extract" : "extracted"} ${targets.length} ${targets.length === 1 ? "file" : "files"} to ${folder}`,
  );
}
