import { tmpdir } from "node:os";
import type { OpenedDevice } from "../device/types.js";
import { CardError } from "../index.js";
import { RealClock, type Timer } from "../util/clock.js";
import { MmcpstoreError, RefusedError, UsageError } from "../util/errors.js";
import { type Context, note } from "./context.js";
import { firmwarePlaces } from "./firmware-places.js";
import { openLog } from "./log.js";
import { VERSION } from "./version.js";

/** The user, or a `--timeout`, ended the command. */
class EndedError extends MmcpstoreError {}

export interface SessionOptions {
  /** The verb ends itself at Ctrl-C, and sees to `--timeout` too. */
  readonly ownSignals?: boolean;
}

/** What a verb does to the device. */
export type Access = "read" | "write";

/**
 * Opens the device of the command line, runs `use`, and closes it whatever happened: success, error, Ctrl-C, `--timeout`.
 * @throws what opening, `use` or closing throw; the first of them
 */
export async function withDevice<T>(
  context: Context,
  access: Access,
  use: (device: OpenedDevice) => Promise<T>,
  { ownSignals = false }: SessionOptions = {},
): Promise<T> {
  if (access === "write") refuseReadOnly(context);
  const ending = new Ending(context, ownSignals);
  try {
    const device = await ending.orEnd(openFromContext(context, access), async (late) =>
      late.close(),
    );
    return await useAndClose(device, context, access, ending, use);
  } finally {
    ending.dispose();
  }
}

/**
 * Work that Ctrl-C and `--timeout` end; it goes on until what it works with is closed under it.
 * @throws what the work throws, or why it was ended
 */
export async function untilEnd<T>(context: Context, work: Promise<T>): Promise<T> {
  const ending = new Ending(context, false);
  try {
    return await ending.orEnd(work);
  } finally {
    ending.dispose();
  }
}

async function useAndClose<T>(
  device: OpenedDevice,
  context: Context,
  access: Access,
  ending: Ending,
  use: (device: OpenedDevice) => Promise<T>,
): Promise<T> {
  for (const text of device.notes) note(context, text);
  let result: T;
  try {
    if (access === "write") refuseProtected(device);
    result = await ending.orEnd(use(device));
  } catch (error) {
    await device.close().catch((closing: unknown) => {
      if (isMismatch(closing)) throw closing;
    });
    throw error;
  }
  await device.close();
  return result;
}

/** A cassette that does not match explains every error that came of it. */
function isMismatch(error: unknown): boolean {
  return error instanceof MmcpstoreError && error.code === "CASSETTE_MISMATCH";
}

function refuseProtected({ card }: OpenedDevice): void {
  const protection = card?.identity.writeProtected ?? "no";
  if (protection === "no") return;
  throw new CardError(
    "CARD_WRITE_PROTECTED",
    `the card is write-protected (${protection}, by its CSD)`,
    {
      details: { protection },
      hint: "it can be read; the protection is the card's own and no switch of this program",
    },
  );
}

function refuseReadOnly(context: Context): void {
  if (!context.settings.readOnly) return;
  throw new RefusedError("this verb writes, and --read-only was given", {
    hint: "leave out --read-only",
  });
}

async function openFromContext(context: Context, access: Access): Promise<OpenedDevice> {
  const { settings, launch } = context;
  const { openDevice } = await import("../device/open.js");
  const writes = access === "write" && !settings.dryRun;
  return openDevice(launch.device ?? settings.device, {
    log: await openLog(context),
    readOnly: !writes,
    crc: settings.crc,
    voltageChecked: settings.voltageChecked,
    version: VERSION,
    lockDir: context.io.env["XDG_RUNTIME_DIR"] ?? tmpdir(),
    arguments: context.args,
    firmwarePlaces: firmwarePlaces(context.io),
    ...(settings.speedHz === undefined ? {} : { speedHz: settings.speedHz }),
    ...(settings.timeoutMs === undefined ? {} : { deadlineMs: settings.timeoutMs }),
    ...(settings.waitMs === undefined ? {} : { waitMs: settings.waitMs }),
    ...(launch.recordTo === undefined ? {} : { recordTo: launch.recordTo }),
  });
}

/** Ends a command early: a signal, or the time-out. The work it is raced against goes on until the device is closed under it. */
class Ending {
  readonly #stop: Promise<never>;
  #offSignal: () => void;
  readonly #timer: Timer | undefined;

  constructor(context: Context, ownSignals: boolean) {
    let end: (error: EndedError) => void = () => undefined;
    this.#stop = new Promise<never>((_, reject) => {
      end = reject;
    });
    this.#stop.catch(() => undefined);
    this.#offSignal = () => undefined;
    if (ownSignals) return;
    this.#offSignal = context.io.onSignal((signal) => {
      end(
        new EndedError("INTERRUPTED", signal === "SIGINT" ? "interrupted" : "terminated", {
          details: { signal },
        }),
      );
    });
    const { timeoutMs } = context.settings;
    if (timeoutMs !== undefined)
      this.#timer = new RealClock().timer(timeoutMs * 1000, () => end(timedOut(timeoutMs)));
  }

  /** @param late what to do with a result that came after the end */
  async orEnd<T>(work: Promise<T>, late?: (result: T) => Promise<void>): Promise<T> {
    let ended = false;
    work
      .then(
        (result) => (ended ? late?.(result) : undefined),
        () => undefined,
      )
      .catch(() => undefined);
    try {
      return await Promise.race([work, this.#stop]);
    } catch (error) {
      ended = true;
      throw error;
    }
  }

  dispose(): void {
    this.#offSignal();
    this.#timer?.cancel();
  }
}

function timedOut(ms: number): EndedError {
  return new EndedError("TRANSPORT_TIMEOUT", `not done within ${ms} ms (--timeout)`, {
    hint: "give it more time, or look with -v where it waits",
  });
}

/**
 * Asks before data is destroyed: `--yes`, or the word typed on a terminal.
 * @throws RefusedError without either
 */
export async function confirmDestruction(context: Context, what: string): Promise<void> {
  const { settings, io } = context;
  if (settings.yes || settings.dryRun) return;
  if (io.stdinIsTerminal && io.stderrIsTerminal) {
    const answer = await io.ask(`${what}. Type yes to go on: `);
    if (answer.trim() === "yes") return;
    throw new RefusedError("not confirmed, nothing was written");
  }
  throw new RefusedError(`${what}: this needs a confirmation`, { hint: "give --yes" });
}

/** One operand that must be there. @throws UsageError */
export function operand(operands: readonly string[], at: number, name: string): string {
  const value = operands[at];
  if (value !== undefined && value !== "") return value;
  throw new UsageError(`the operand <${name}> is missing`);
}
