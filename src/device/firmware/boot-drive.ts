import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../util/clock.js";
import { type Deadline, expired } from "../../util/deadline.js";
import { errorCode, RefusedError, UsageError } from "../../util/errors.js";

/** What a UF2 boot loader has on its drive (github.com/microsoft/uf2). */
const INFO_FILE = "INFO_UF2.TXT";
const BOARD_LINE = /^Board-ID:\s*(\S+)/m;
const LOOK_US = 250_000;

/** A mounted drive of a boot loader. */
export interface BootDrive {
  readonly path: string;
  /** As the boot loader calls the board: `RPI-RP2`. */
  readonly board: string;
}

/** Folders that drives are mounted at, by the system's table (proc(5), octal escapes). */
export function mountPoints(mounts: string): string[] {
  return mounts
    .split("\n")
    .flatMap((line) => line.split(" ")[1] ?? [])
    .map((path) =>
      path.replaceAll(/\\([0-7]{3})/g, (_, octal: string) =>
        String.fromCharCode(Number.parseInt(octal, 8)),
      ),
    );
}

/** The boot drive at `path`; undefined if there is none. */
export async function bootDriveAt(path: string): Promise<BootDrive | undefined> {
  try {
    const info = await readFile(join(path, INFO_FILE), "latin1");
    const board = BOARD_LINE.exec(info)?.[1];
    return board === undefined ? undefined : { path, board };
  } catch {
    return undefined;
  }
}

/** Every one that is mounted. */
export async function bootDrives(mountTable: string): Promise<BootDrive[]> {
  const mounts = await readFile(mountTable, "utf8").catch(() => "");
  const found = await Promise.all(mountPoints(mounts).map(bootDriveAt));
  return found.filter((drive) => drive !== undefined);
}

export interface DriveSearch {
  readonly board: string;
  /** Where the user says that it is. */
  readonly path?: string;
  readonly mountTable: string;
  readonly clock: Clock;
  /** Until when it may appear. */
  readonly deadline: Deadline;
}

/**
 * The drive of one board in its boot loader.
 * @throws UsageError if there is none, if there are several, or if it is another board's
 */
export async function findBootDrive(search: DriveSearch): Promise<BootDrive> {
  const { path, board, clock, deadline, mountTable } = search;
  for (;;) {
    const seen =
      path === undefined ? await bootDrives(mountTable) : [(await bootDriveAt(path)) ?? []].flat();
    const fitting = seen.filter((drive) => drive.board === board);
    if (fitting.length > 1) throw severalDrives(fitting);
    if (fitting[0] !== undefined) return fitting[0];
    if (expired(clock, deadline)) throw noDrive(search, seen);
    await clock.sleep(LOOK_US);
  }
}

function noDrive({ board, path }: DriveSearch, seen: readonly BootDrive[]): UsageError {
  const others = seen.map((drive) => `${drive.path} (${drive.board})`).join(", ");
  const where = path === undefined ? "is mounted" : `is at ${path}`;
  return new UsageError(
    `no boot drive of a ${board} ${where}${others === "" ? "" : `, only ${others}`}`,
    {
      details: { board, seen: seen.map((drive) => drive.path) },
      hint: "hold BOOTSEL while you plug the board in, mount the drive that appears, or name it (--drive)",
    },
  );
}

function severalDrives(drives: readonly BootDrive[]): UsageError {
  const paths = drives.map(({ path }) => path);
  return new UsageError(`several boards are in their boot loader: ${paths.join(", ")}`, {
    details: { paths },
    hint: "name one of the drives (--drive)",
  });
}

/**
 * Puts a file on the drive, which takes it and vanishes.
 * @throws RefusedError if the drive does not take it
 */
export async function putOnDrive(drive: BootDrive, name: string, file: Uint8Array): Promise<void> {
  const target = join(drive.path, name);
  try {
    const handle = await open(target, "w");
    try {
      await handle.writeFile(file);
      await handle.sync().catch(ignoreGone);
    } finally {
      await handle.close().catch(ignoreGone);
    }
  } catch (cause) {
    throw new RefusedError(`${drive.path} does not take the file`, {
      cause,
      details: { target },
      hint: "may you write there? Plug the board in again, with BOOTSEL held",
    });
  }
}

/** The last block makes the board start anew: its drive may be gone before the system has said that all is written. */
function ignoreGone(error: unknown): void {
  const code = errorCode(error) ?? "";
  if (!["EIO", "ENODEV", "ENXIO", "EBADF"].includes(code)) throw error;
}
