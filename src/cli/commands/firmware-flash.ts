import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { FIRMWARE_BOARDS, type FirmwareBoard } from "../../device/firmware/boards.js";
import { findBootDrive, putOnDrive } from "../../device/firmware/boot-drive.js";
import { startBootLoader } from "../../device/firmware/boot-loader.js";
import { uf2Problem } from "../../device/firmware/uf2.js";
import { RealClock } from "../../util/clock.js";
import { deadlineIn } from "../../util/deadline.js";
import { RefusedError, UsageError } from "../../util/errors.js";
import { type Context, note, type RunVerb, type VerbFlags, writeJson } from "../context.js";
import { EXIT } from "../exit-codes.js";
import { firmwarePlaces } from "../firmware-places.js";

/** A board that is told to start its boot loader takes a second or two to show its drive. */
const APPEARS_MS = 10_000;
const MOUNT_TABLE = "/proc/self/mounts";

/** `firmware flash TARGET`: a board's boot drive gets the file; for others the command is printed that does it. */
export const run: RunVerb = async (context, operands, flags) => {
  const board = boardOf(operands[0]);
  const file = fileOf(context, board, flags);
  if (board.drive === undefined) await tellCommand(context, board, file, flags);
  else await toDrive(context, { ...board, drive: board.drive }, file, flags);
  return EXIT.ok;
};

function boardOf(name: string | undefined): FirmwareBoard {
  const board = FIRMWARE_BOARDS.find(({ target }) => target === name);
  if (board !== undefined) return board;
  const all = FIRMWARE_BOARDS.map((one) => `${one.target} (${one.name})`).join(", ");
  throw new UsageError(
    name === undefined ? "for which board?" : `there is no firmware for '${name}'`,
    {
      hint: `it is one of ${all}`,
    },
  );
}

/** Given, or built from the sources. */
function fileOf(context: Context, board: FirmwareBoard, flags: VerbFlags): string {
  const given = flags["file"];
  if (typeof given === "string") return resolve(given);
  const names = board.files;
  for (const place of firmwarePlaces(context.io))
    for (const name of names)
      if (existsSync(join(place, "build", name))) return resolve(place, "build", name);
  throw new UsageError(`the firmware for ${board.target} (${names[0]}) is not built`, {
    hint: `make -C firmware ${board.target} (Debian: ${COMPILERS[board.target] ?? "make"}), or name the file (--file)`,
  });
}

const COMPILERS: Readonly<Record<string, string>> = {
  rp2040: "make gcc-arm-none-eabi",
  lm3s6965: "make gcc-arm-none-eabi",
  atmega328p: "make gcc-avr avr-libc",
};

type DriveBoard = FirmwareBoard & { readonly drive: NonNullable<FirmwareBoard["drive"]> };

async function toDrive(
  context: Context,
  board: DriveBoard,
  file: string,
  flags: VerbFlags,
): Promise<void> {
  const bytes = await readFile(file).catch((cause: unknown) => {
    throw new UsageError(`${file} cannot be read`, { cause });
  });
  const problem = uf2Problem(bytes, board.drive.family);
  if (problem !== undefined)
    throw new RefusedError(`${file} is no firmware for a ${board.name}: ${problem}`, {
      hint: "nothing was written: take the file of this release",
    });
  const clock = new RealClock();
  const { port, drive: path } = flags;
  const isTold = typeof port === "string";
  if (isTold) await startBootLoader(port, clock);
  const waitMs = context.settings.waitMs ?? (isTold ? APPEARS_MS : 0);
  const drive = await findBootDrive({
    board: board.drive.board,
    clock,
    deadline: deadlineIn(clock, waitMs),
    mountTable: context.io.env["MMCPSTORE_MOUNTS"] ?? MOUNT_TABLE,
    ...(typeof path === "string" ? { path } : {}),
  });
  const { dryRun, json } = context.settings;
  if (!dryRun) await putOnDrive(drive, basename(file), bytes);
  if (json)
    await writeJson(context, "firmware-flash", {
      target: board.target,
      file,
      bytes: bytes.length,
      drive: drive.path,
      dryRun,
    });
  else
    await context.io.writeOut(
      `${dryRun ? "would put" : "put"} ${basename(file)} (${bytes.length} bytes) on ${drive.path}\n`,
    );
  if (!dryRun)
    note(
      context,
      "the board starts it by itself: mmcpstore list shows its port, mmcpstore firmware info what it says",
    );
}

async function tellCommand(
  context: Context,
  board: FirmwareBoard,
  file: string,
  flags: VerbFlags,
): Promise<void> {
  const port = typeof flags["port"] === "string" ? flags["port"] : "PORT";
  const command = (board.command ?? []).map((word) =>
    word.replace("$FILE", file).replace("$PORT", port),
  );
  if (context.settings.json) {
    await writeJson(context, "firmware-flash", { target: board.target, file, command });
    return;
  }
  await context.io.writeOut(`${command.map(quoted).join(" ")}\n`);
  note(context, `this puts it on a ${board.name} (${board.comesWith}); nothing was done`);
}

/** For a shell. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
