import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { PortConsole, type PortNotice } from "../console/serial-source.js";
import { RealClock } from "../index.js";
import { errorCode, UsageError } from "../util/errors.js";
import type { Context, VerbFlags } from "./context.js";

/** Where a console comes from, as `--console` names it. */
export type ConsoleSpec =
  | { readonly kind: "stdin" }
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "port"; readonly path: string; readonly baudRate: number };

/** A console that is open. */
export interface OpenedConsole {
  readonly pieces: AsyncIterable<Uint8Array | PortNotice>;
  /** What waits for its next byte does not go on waiting. */
  close(): Promise<void>;
}

const BAUD = 115_200;
/** From teletypes to the fastest USB adapters, with room. */
const BAUD_RANGE = { least: 50, most: 12_000_000 } as const;

/**
 * `PORT[@BAUD]`, a file, or `-`.
 * @throws UsageError
 */
export async function parseConsole(flags: VerbFlags): Promise<ConsoleSpec> {
  const given = flags["console"];
  if (typeof given !== "string" || given === "")
    throw new UsageError("--console is missing", {
      hint: "give --console /dev/ttyUSB0@115200, a file, or - for stdin",
    });
  if (given === "-") return { kind: "stdin" };
  if ((await kindOf(given)) === "file") return { kind: "file", path: given };
  const [, path = given, baud] = /^(.+)@([^@/]*)$/.exec(given) ?? [];
  if (baud !== undefined && (await kindOf(path)) === "file")
    throw new UsageError(`${path} is a file: it has no baud rate`, { hint: `leave out @${baud}` });
  return { kind: "port", path, baudRate: baud === undefined ? BAUD : parseBaud(baud) };
}

async function kindOf(path: string): Promise<"file" | "other" | undefined> {
  const info = await stat(path).catch((cause: unknown) => {
    if (errorCode(cause) === "ENOENT" || errorCode(cause) === "ENOTDIR") return undefined;
    throw cause;
  });
  if (info?.isDirectory() === true)
    throw new UsageError(`${path} is a directory`, { hint: "name a serial port, a file, or -" });
  if (info?.isFIFO() === true)
    throw new UsageError(`${path} is a pipe`, { hint: `give it as stdin: --console - < ${path}` });
  if (info === undefined) return undefined;
  return info.isFile() ? "file" : "other";
}

function parseBaud(text: string): number {
  const { least, most } = BAUD_RANGE;
  const rate = /^\d{1,8}$/.test(text) ? Number(text) : 0;
  if (rate >= least && rate <= most) return rate;
  throw new UsageError(`'${text}' is no baud rate`, {
    hint: `a number from ${least} to ${most}: most consoles have 115200`,
  });
}

/** As the user named it, without what is the default. */
export function consoleName(spec: ConsoleSpec): string {
  return spec.kind === "stdin" ? "-" : spec.path;
}

/** @throws TransportError what opening a serial port throws */
export async function openConsole(context: Context, spec: ConsoleSpec): Promise<OpenedConsole> {
  switch (spec.kind) {
    case "stdin":
      // main.ts destroys it in the end.
      return { pieces: context.io.stdin, close: async () => undefined };
    case "file": {
      const stream = createReadStream(spec.path);
      return { pieces: stream, close: async () => void stream.destroy() };
    }
    case "port": {
      const { openConsolePort } = await import("../device/console-port.js");
      const { path, baudRate } = spec;
      const clock = new RealClock();
      const port = await PortConsole.open(() => openConsolePort({ path, baudRate, clock }), clock);
      return { pieces: port, close: () => port.close() };
    }
  }
}
