import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { type ConsoleEvent, ConsoleFollower } from "../../console/follower.js";
import { followPort, type PortNotice } from "../../console/serial-source.js";
import { watchConsole } from "../../console/watch.js";
import { deadlineIn, type PanicReport, RealClock } from "../../index.js";
import { errorCode, UsageError } from "../../util/errors.js";
import { type Context, note, type RunVerb, type VerbFlags } from "../context.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { parseDuration } from "../options.js";
import {
  describePanic,
  exitOfVerdict,
  notePanic,
  PANIC_DEADLINE_MS,
  panicJson,
} from "../panic-report.js";
import { type OpenedStore, withStore } from "../pstore-session.js";

const QUIET_MS = 3000;
const BAUD = 115_200;
/** The log of a kernel (CONFIG_LOG_BUF_SHIFT is at most 25), more than any zone can hold even deflated. */
const MAX_LOG_BYTES = 32 * 1024 * 1024;
/** enum kmsg_dump_reason */
const REASON = { panic: 1, oops: 2 } as const;

/** `watch --console PORT[@BAUD]|-|FILE`: writes a record for every oops and panic that a board's console shows. */
export const run: RunVerb = async (context, _operands, flags) => {
  const console = consoleOf(flags);
  const quietMs = typeof flags["idle"] === "string" ? parseDuration(flags["idle"]) : QUIET_MS;
  return withStore(
    context,
    "write",
    flags,
    async (opened) => {
      const watch = new Watch(context, opened, flags["once"] === true);
      const source = await openConsole(context, console);
      await opened.store.arm(opened.device.clock).then((armed) => watch.ready(armed.zones));
      return watch.run(source, console, quietMs);
    },
    { ownSignals: true },
  );
};

function consoleOf(flags: VerbFlags): string {
  const given = flags["console"];
  if (typeof given === "string" && given !== "") return given;
  throw new UsageError("--console is missing", {
    hint: "give --console /dev/ttyUSB0@115200, a file, or - for stdin",
  });
}

type Source = AsyncIterable<Uint8Array | PortNotice>;

async function openConsole(context: Context, console: string): Promise<Source> {
  if (console === "-") return context.io.stdin;
  const [, path = "", baud] = /^(.*?)(?:@(\d+))?$/.exec(console) ?? [];
  const info = await stat(path).catch((cause: unknown) => {
    if (errorCode(cause) === "ENOENT") return undefined;
    throw cause;
  });
  if (info?.isFile() === true && baud === undefined) return createReadStream(path);
  if (info?.isDirectory() === true)
    throw new UsageError(`${path} is a directory`, { hint: "name a serial port, a file, or -" });
  const { openConsolePort } = await import("../../device/console-port.js");
  const clock = new RealClock();
  return followPort(
    () => openConsolePort({ path, baudRate: baud === undefined ? BAUD : Number(baud), clock }),
    clock,
  );
}

/** One run of the verb. */
class Watch {
  readonly #context: Context;
  readonly #opened: OpenedStore;
  readonly #once: boolean;
  #records = 0;
  #worst: ExitCode = EXIT.ok;
  #ended: "SIGINT" | "SIGTERM" | undefined;

  constructor(context: Context, opened: OpenedStore, once: boolean) {
    this.#context = context;
    this.#opened = opened;
    this.#once = once;
  }

  ready(zones: readonly number[]): void {
    const { description } = this.#opened.part.part;
    note(
      this.#context,
      `watching; the next record goes to zone ${zones[0] ?? "-"} of ${description}`,
    );
  }

  async run(source: Source, console: string, quietMs: number): Promise<ExitCode> {
    const follower = new ConsoleFollower({ maxBytes: MAX_LOG_BYTES });
    const clock = new RealClock();
    const events = watchConsole(source, follower, { clock, quietMs });
    let stop: () => void = () => undefined;
    const stopped = new Promise<{ readonly done: true; readonly value: undefined }>((resolve) => {
      stop = () => resolve({ done: true, value: undefined });
    });
    const off = this.#context.io.onSignal((signal) => {
      this.#ended = signal;
      stop();
    });
    try {
      for (;;) {
        const next = events.next();
        next.catch(() => undefined);
        const { done, value } = await this.#opened.device.clock.outside(
          Promise.race([next, stopped]),
        );
        if (done === true || value === undefined) break;
        if (await this.#take(value)) break;
      }
    } finally {
      off();
      // A source that waits for its next byte returns only then: nobody waits for it.
      void events.return(undefined).catch(() => undefined);
    }
    return this.#finish(console, follower.lines);
  }

  /** True if there is nothing more to do. */
  async #take(event: ConsoleEvent | PortNotice): Promise<boolean> {
    if (event.kind !== "report") {
      await this.#tell({ event: event.kind, ...("line" in event ? { line: event.line } : {}) });
      return false;
    }
    const report = await this.#fire(event);
    const exit = exitOfVerdict(report.verdict.outcome);
    if (report.name !== undefined) this.#records++;
    if (exit !== EXIT.ok) this.#worst = exit;
    const { report: kind, line, ended } = event;
    await this.#tell({ event: "record", report: kind, line, ended, ...panicJson(report) }, report);
    notePanic(this.#context, report);
    return this.#once;
  }

  async #fire(event: Extract<ConsoleEvent, { kind: "report" }>): Promise<PanicReport> {
    const { store, device } = this.#opened;
    const { settings } = this.#context;
    const armed = await store.arm(device.clock);
    const record = armed.prepare(event.text, { reason: REASON[event.report] });
    return armed.fire(record, deadlineIn(device.clock, settings.timeoutMs ?? PANIC_DEADLINE_MS));
  }

  async #tell(event: Readonly<Record<string, unknown>>, report?: PanicReport): Promise<void> {
    const { io, settings } = this.#context;
    const time = new Date().toISOString();
    if (settings.json) {
      const line = { schema: "mmcpstore/watch/1", time, ...event };
      await io.writeOut(`${JSON.stringify(line)}\n`);
      return;
    }
    const what = report === undefined ? String(event["line"] ?? "") : describePanic(report);
    await io.writeOut(`${time} ${String(event["event"])}: ${what}\n`);
  }

  async #finish(console: string, lines: number): Promise<ExitCode> {
    const records = this.#records;
    if (this.#context.settings.json) await this.#tell({ event: "end", console, lines, records });
    else note(this.#context, `${console}: ${lines} lines, ${records} records`);
    if (this.#ended === "SIGTERM") return EXIT.terminated;
    if (this.#worst !== EXIT.ok) return this.#worst;
    return this.#once && records === 0 ? EXIT.notFound : EXIT.ok;
  }
}
