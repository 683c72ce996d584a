import type { Clock, Timer } from "../util/clock.js";
import type { ConsoleEvent, ConsoleFollower } from "./follower.js";
import type { PortNotice } from "./serial-source.js";

export interface WatchOptions {
  readonly clock: Clock;
  /** A report is complete when nothing came for so long, in ms. */
  readonly quietMs: number;
}

type Piece = IteratorResult<Uint8Array | PortNotice>;

/** Runs a console through a follower, with the quiet periods that end reports, up to the end of the source. */
export async function* watchConsole(
  source: AsyncIterable<Uint8Array | PortNotice>,
  follower: ConsoleFollower,
  { clock, quietMs }: WatchOptions,
): AsyncGenerator<ConsoleEvent | PortNotice> {
  const pieces = source[Symbol.asyncIterator]();
  try {
    let next = pieces.next();
    for (;;) {
      const piece = await orQuiet(next, clock, follower.inReport ? quietMs : undefined);
      if (piece === "quiet") {
        yield* follower.quiet();
        continue;
      }
      if (piece.done === true) break;
      if (piece.value instanceof Uint8Array) yield* follower.push(piece.value);
      else yield piece.value;
      next = pieces.next();
    }
    yield* follower.end();
  } finally {
    await pieces.return?.();
  }
}

/** The next piece, or "quiet" if none came in time. */
async function orQuiet(
  next: Promise<Piece>,
  clock: Clock,
  quietMs: number | undefined,
): Promise<Piece | "quiet"> {
  if (quietMs === undefined) return next;
  let timer: Timer | undefined;
  const quiet = new Promise<"quiet">((resolve) => {
    timer = clock.timer(quietMs * 1000, () => resolve("quiet"));
  });
  try {
    return await Promise.race([next, quiet]);
  } finally {
    timer?.cancel();
  }
}
