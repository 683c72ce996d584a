import { type ConsoleEvent, ConsoleFollower } from "../../console/follower.js";
import type { PortNotice } from "../../console/serial-source.js";
import { watchConsole } from "../../console/watch.js";
import {
  type ArmedRecords,
  type Deadline,
  deadlineIn,
  type MmcpstoreError,
  type PanicReport,
  RealClock,
} from "../../index.js";
import { isMmcpstoreError, toError } from "../../util/errors.js";
import { consoleName, type OpenedConsole, openConsole, parseConsole } from "../console-source.js";
import { type Context, note, type RunVerb } from "../context.js";
import { EXIT, EXIT_OF_ERROR, type ExitCode } from "../exit-codes.js";
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
/** A console that chatters on does not keep a report from being written: so many quiet periods after its start it is. */
const LONGEST_PERIODS = 20;
/** No kernel inflates more than 2.3 zones of text (`inflateLimit`): what is older cannot get into a record. */
const KEPT_ZONES = 4;
/** enum kmsg_dump_reason */
const REASON = { panic: 1, oops: 2 } as const;

type Report = Extract<ConsoleEvent, { kind: "report" }>;

/** `watch --console PORT[@BAUD]|-|FILE`: writes a record for every oops and panic that a board's console shows. */
export const run: RunVerb = async (context, _operands, flags) => {
  const spec = await parseConsole(flags);
  const quietMs = typeof flags["idle"] === "string" ? parseDuration(flags["idle"]) : QUIET_MS;
  const use = async (opened: OpenedStore): Promise<ExitCode> => {
    const console = await openConsole(context, spec);
    try {
      const armed = await opened.store.arm(opened.device.clock);
      const watch = new Watch(context, opened, armed, flags["once"] === true);
      return await watch.run(console, consoleName(spec), quietMs);
    } finally {
      await console.close();
    }
  };
  return withStore(context, "write", flags, use, { ownSignals: true });
};

/** One run of the verb. */
class Watch {
  readonly #context: Context;
  readonly #opened: OpenedStore;
  readonly #armed: ArmedRecords;
  readonly #once: boolean;
  #records = 0;
  #worst: ExitCode = EXIT.ok;
  #ended: "SIGINT" | "SIGTERM" | undefined;

  constructor(context: Context, opened: OpenedStore, armed: ArmedRecords, once: boolean) {
    this.#context = context;
    this.#opened = opened;
    this.#armed = armed;
    this.#once = once;
  }

  async run(console: OpenedConsole, name: string, quietMs: number): Promise<ExitCode> {
    const { geometry, part } = this.#opened;
    const zone = this.#armed.zones[0] ?? "-";
    note(
      this.#context,
      `watching; the next record goes to zone ${zone} of ${part.part.description}`,
    );
    const follower = new ConsoleFollower({ maxBytes: KEPT_ZONES * geometry.kmsgSize });
    const longestMs = quietMs * LONGEST_PERIODS;
    const clock = new RealClock();
    await this.#follow(watchConsole(console.pieces, follower, { clock, quietMs, longestMs }));
    return this.#finish(name, follower.lines);
  }

  /** Up to the end of the console, a signal, or the first record with `--once`. */
  async #follow(events: AsyncGenerator<ConsoleEvent | PortNotice>): Promise<void> {
    let off: () => void = () => undefined;
    const stopped = new Promise<undefined>((resolve) => {
      off = this.#context.io.onSignal((signal) => {
        this.#ended = signal;
        resolve(undefined);
      });
    });
    try {
      for (;;) {
        const next = events.next();
        next.catch(() => undefined);
        const event = await this.#opened.device.clock.outside(Promise.race([next, stopped]));
        if (event === undefined || event.done === true) break;
        if (await this.#take(event.value)) break;
      }
    } finally {
      off();
      // A source that waits for its next byte returns only then: nobody waits for it.
      void events.return(undefined).catch(() => undefined);
    }
  }

  /** True if there is nothing more to do. */
  async #take(event: ConsoleEvent | PortNotice): Promise<boolean> {
    if (event.kind !== "report") {
      const line = "line" in event ? event.line : "";
      await this.#tell({ event: event.kind, ...(line === "" ? {} : { line }) }, line);
      return false;
    }
    const { report: kind, line, ended } = event;
    const about = { report: kind, line, ended };
    try {
      await this.#tellRecord(about, await this.#fire(event));
    } catch (error) {
      if (!isMmcpstoreError(error)) throw error;
      await this.#tellFailure(about, error);
    }
    return this.#once;
  }

  async #tellRecord(about: object, report: PanicReport): Promise<void> {
    const exit = exitOfVerdict(report.verdict.outcome);
    if (report.name !== undefined) this.#records++;
    if (exit !== EXIT.ok) this.#worst = exit;
    await this.#tell({ event: "record", ...about, ...panicJson(report) }, describePanic(report));
    notePanic(this.#context, report);
  }

  async #tellFailure(about: object, error: MmcpstoreError): Promise<void> {
    const { code, message, hint } = error;
    this.#worst = EXIT_OF_ERROR[code];
    const plain = { code, message, ...(hint === undefined ? {} : { hint }) };
    await this.#tell({ event: "failed", ...about, error: plain }, `no record written: ${message}`);
    if (hint !== undefined) note(this.#context, `hint: ${hint}`);
  }

  /**
   * With what was chosen while all was well; then the next choice is made.
   * @throws PstoreError PSTORE_TOO_LARGE; what choosing a zone throws, if none is left
   */
  async #fire(event: Report): Promise<PanicReport> {
    if (this.#armed.zones.length === 0) await this.#rearm();
    const record = this.#armed.prepare(event.text, { reason: REASON[event.report] });
    const report = await this.#armed.fire(record, this.#deadline());
    await this.#rearm().catch((error: unknown) => {
      // It may be readable again when it is needed, and a second zone is chosen already.
      const { message } = toError(error);
      note(this.#context, `warning: no zone could be chosen for the next record: ${message}`);
    });
    return report;
  }

  #rearm(): Promise<void> {
    return this.#opened.store.rearm(this.#deadline());
  }

  #deadline(): Deadline {
    const { timeoutMs = PANIC_DEADLINE_MS } = this.#context.settings;
    return deadlineIn(this.#opened.device.clock, timeoutMs);
  }

  /** One line, as JSON or with `text`. */
  async #tell(event: Readonly<Record<string, unknown>>, text: string): Promise<void> {
    const { io, settings } = this.#context;
    const time = new Date(new RealClock().wallTime()).toISOString();
    if (settings.json) {
      const line = { schema: "mmcpstore/watch/1", time, ...event };
      await io.writeOut(`${JSON.stringify(line)}\n`);
      return;
    }
    await io.writeOut(`${`${time} ${String(event["event"])}: ${printable(text)}`.trimEnd()}\n`);
  }

  async #finish(console: string, lines: number): Promise<ExitCode> {
    const records = this.#records;
    if (this.#context.settings.json)
      await this.#tell({ event: "end", console, lines, records }, "");
    else note(this.#context, `${console}: ${lines} lines, ${records} records`);
    if (this.#ended === "SIGTERM") return EXIT.terminated;
    if (this.#worst !== EXIT.ok) return this.#worst;
    return this.#once && records === 0 ? EXIT.notFound : EXIT.ok;
  }
}

/** A board's bytes must not move the cursor of the user's terminal. */
function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, "\ufffd");
}
