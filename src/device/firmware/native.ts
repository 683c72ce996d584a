import { execFile } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { TransportError } from "../../transport/types.js";
import { errorCode, toError } from "../../util/errors.js";

const PROGRAM = join("build", "mmcpstore-native");
const BUILD_MS = 300_000;
const HINT =
  "it is built from firmware/ of the source tree by a C compiler and make (Debian: build-essential); MMCPSTORE_FIRMWARE names that folder, or the program";

/**
 * The project's own firmware as a Linux program: brought up to date by make where its sources are, else as it was found.
 * @param places folders of firmware sources, or programs; the first that is there counts
 * @throws TransportError TRANSPORT_NOT_FOUND with a hint if there is none, or it cannot be built
 */
export async function nativeFirmware(places: readonly string[]): Promise<string> {
  for (const place of places) {
    if (!existsSync(place)) continue;
    if (statSync(place).isFile()) return place;
    if (existsSync(join(place, "Makefile"))) return await build(place);
    if (existsSync(join(place, PROGRAM))) return join(place, PROGRAM);
  }
  throw missing("the firmware's program for this machine is not here", { places });
}

async function build(folder: string): Promise<string> {
  const program = join(folder, PROGRAM);
  try {
    await promisify(execFile)("make", ["--silent", "-C", folder, "native"], { timeout: BUILD_MS });
  } catch (cause) {
    // An installed tree need not have a compiler, if somebody has built it.
    if (errorCode(cause) === "ENOENT" && existsSync(program)) return program;
    throw missing(
      "the firmware cannot be built for this machine",
      { folder, why: whyOf(cause) },
      cause,
    );
  }
  return program;
}

/** The last thing that the compiler said. */
function whyOf(cause: unknown): string {
  const said = cause !== null && typeof cause === "object" && "stderr" in cause ? cause.stderr : "";
  return String(said).trim().split("\n").at(-1) || toError(cause).message;
}

function missing(
  message: string,
  details: Readonly<Record<string, unknown>>,
  cause?: unknown,
): TransportError {
  return new TransportError("TRANSPORT_NOT_FOUND", message, { cause, details, hint: HINT });
}
