import type { Clock, Timer } from "../util/clock.js";
import type { ConsoleEvent, ConsoleFollower } from "./follower.js";
import type { PortNotice } from "./serial-source.js";

export interface WatchOptions {
  readonly clock: Clock;
  /** A report is complete when nothing came for so long, in ms. */
  readonly quietMs: number;
  /** A report is taken as complete so long after its first line, in ms, though the console is not quiet. */
  readonly longestMs: number;
}

type Piece = IteratorResult<Uint8Array | PortNotice>;

/** Runs a console through a follower, with the quiet periods that end reports, up to the end of the source. */
export async function* watchConsole(
  source: AsyncIterable<Uint8Array | PortNotice>,
  follower: ConsoleFollower,
  options: WatchOptions,
): AsyncGenerator<ConsoleEvent | PortNotice> {
  const pieces = source[Symbol.asyncIterator]();
  const patience = new Patience(follower, options);
  try {
    let next = pieces.next();
    for (;;) {
      const piece = await orLate(next, options.clock, patience.waitUs());
      if (piece !== "late") {
        if (piece.done === true) break;
        if (piece.value instanceof Uint8Array) yield* follower.push(piece.value);
        else yield piece.value;
        next = pieces.next();
      }
      if (patience.isOverdue()) yield* follower.overdue();
      else if (piece === "late") yield* follower.quiet();
    }
    yield* follower.end();
  } finally {
    await pieces.return?.();
  }
}

/** How long the report that is open may go on. */
class Patience {
  readonly #follower: ConsoleFollower;
  readonly #options: WatchOptions;
  #report: number | undefined;
  #untilUs = 0;

  constructor(follower: ConsoleFollower, options: WatchOptions) {
    this.#follower = follower;
    this.#options = options;
  }

  /** Until the report that is open is over by itself; undefined if none is. */
  waitUs(): number | undefined {
    const { clock, quietMs } = this.#options;
    this.#look();
    if (this.#report === undefined) return undefined;
    return Math.max(0, Math.min(quietMs * 1000, this.#untilUs - clock.nowUs()));
  }

  isOverdue(): boolean {
    this.#look();
    return this.#report !== undefined && this.#options.clock.nowUs() >= this.#untilUs;
  }

  #look(): void {
    const { openReport } = this.#follower;
    if (openReport === this.#report) return;
    this.#report = openReport;
    this.#untilUs = this.#options.clock.nowUs() + this.#options.longestMs * 1000;
  }
}

/** The next piece, or "late" if none came in time. */
async function orLate(
  next: Promise<Piece>,
  clock: Clock,
  waitUs: number | undefined,
): Promise<Piece | "late"> {
  if (waitUs === undefined) return next;
  let timer: Timer | undefined;
  const late = new Promise<"late">((resolve) => {
    timer = clock.timer(waitUs, () => resolve("late"));
  });
  try {
    return await Promise.race([next, late]);
  } finally {
    timer?.cancel();
  }
}
