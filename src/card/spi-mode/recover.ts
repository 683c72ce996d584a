import type { Segment } from "../../spi/bridge.js";
import type { RecoveryReport } from "../../spi/card-bus.js";
import type { Deadline } from "../../util/deadline.js";
import { R1 } from "../r1.js";
import { R2 } from "../status.js";
import { type CardLink, isDeadline } from "./card-link.js";
import { commandBytes, TOKEN } from "./frame.js";
import { QuietParser } from "./quiet-parser.js";
import { ResponseParser } from "./response-parser.js";

type Outcome = RecoveryReport["outcome"];

/** One phase; an outcome ends the recovery, undefined goes on with the next. */
type Phase = (run: RecoveryRun) => Promise<Outcome | undefined>;

/** Rest of a frame 5, NCR 16, token 1, block 514, data response 4, slack (reference: card.md 4.4). */
const DRAIN_BYTES = 544;
/** A receiver out of step takes a stop token and FFs for a command, and answers it. */
const ANSWER_BYTES = 16;
const PROBE_TRIES = 4;

const CMD12 = Uint8Array.of(0xff, ...commandBytes(12));
const CMD13 = commandBytes(13);
/** FF, stop token, and the one byte behind it that says nothing yet. */
const STOP_TRAN = Uint8Array.of(0xff, TOKEN.stopTran, 0xff);

/**
 * CMD12 comes before any CMD13, since a card that has just taken CMD55 would answer that with a block; none of the
 * bytes sent is a token but FD, and nothing has an address.
 */
const PHASES: readonly Phase[] = [
  drain,
  settle,
  stopTransmission,
  settle,
  stopIfStreaming,
  stopToken,
  settle,
  probeStatus,
];

/**
 * Brings the card back to answering CMD13 in transfer state, whatever byte of whatever command was the last
 * that it got; never sends CMD0. Bounded by `deadline` and, without busy, to about 1800 bytes.
 * @throws what the bridge throws, but for a deadline that passes: outcome `busy` or `silent`
 */
export async function recoverCard(link: CardLink, deadline: Deadline): Promise<RecoveryReport> {
  link.stateKnown = false;
  await link.abort(deadline);
  const run = new RecoveryRun(link, deadline);
  const outcome = await runPhases(run);
  link.stateKnown = outcome === "ready";
  link.log.debug({ outcome, bytes: run.bytesClocked, status: run.status }, "recovery");
  return {
    outcome,
    bytesClocked: run.bytesClocked,
    ...(run.status !== undefined && { status: run.status }),
  };
}

async function runPhases(run: RecoveryRun): Promise<Outcome> {
  try {
    for (const phase of PHASES) {
      const outcome = await phase(run);
      if (outcome !== undefined) return outcome;
    }
    return "silent";
  } catch (error) {
    if (isDeadline(error)) return run.quiet.status === "more" ? "busy" : "silent";
    throw error;
  }
}

/** What the phases share. */
class RecoveryRun {
  readonly quiet: QuietParser = new QuietParser();
  readonly response: ResponseParser = new ResponseParser();
  bytesClocked = 0;
  status: readonly [number, number] | undefined;
  readonly #link: CardLink;
  readonly #deadline: Deadline;

  constructor(link: CardLink, deadline: Deadline) {
    this.#link = link;
    this.#deadline = deadline;
    this.quiet.status = "done";
  }

  async transact(label: string, segments: readonly Segment[]): Promise<void> {
    await this.#link.run({ label: `recover: ${label}`, segments }, this.#deadline);
    for (const segment of segments) this.bytesClocked += fixedBytes(segment);
  }
}

function fixedBytes(segment: Segment): number {
  if (segment.kind === "idle") return segment.bytes;
  if (segment.kind === "read") return segment.into.length;
  return "data" in segment ? segment.data.length : 0;
}

/** CS low, which it was when the old user was interrupted: whatever frame or block was open fills up. */
async function drain(run: RecoveryRun): Promise<undefined> {
  await run.transact("drain", [{ kind: "select" }, { kind: "idle", bytes: DRAIN_BYTES }]);
}

/** Until nothing comes any more, or until it is clear that the card is streaming. */
async function settle(run: RecoveryRun): Promise<undefined> {
  const parser = run.quiet.expect();
  await run.transact("settle", [{ kind: "receive", parser, hint: ANSWER_BYTES }]);
  run.bytesClocked += parser.bytes;
}

/** Ends CMD18, and CMD25 as SD Physical Layer 7.3.3.1 wants it; if it went into a block, that is filled up. */
async function stopTransmission(run: RecoveryRun): Promise<undefined> {
  await run.transact("CMD12", [
    { kind: "write", data: CMD12 },
    { kind: "idle", bytes: 1 + ANSWER_BYTES + DRAIN_BYTES },
  ]);
}

/** A second CMD12, if noise ate the first. */
async function stopIfStreaming(run: RecoveryRun): Promise<undefined> {
  if (!run.quiet.streaming) return;
  await stopTransmission(run);
  await settle(run);
}

/** Ends CMD25 on a card that takes no command there. */
async function stopToken(run: RecoveryRun): Promise<undefined> {
  await run.transact("stop token", [
    { kind: "write", data: STOP_TRAN },
    { kind: "idle", bytes: ANSWER_BYTES },
  ]);
}

/** The first status after trouble shows the old trouble, so a later one counts. */
async function probeStatus(run: RecoveryRun): Promise<Outcome> {
  await readStatus(run);
  for (let tries = 1; tries < PROBE_TRIES; tries++) {
    if (!(await readStatus(run))) continue;
    const [r1, r2] = run.status ?? [R1.illegalCommand, 0];
    // A locked card is in transfer state too.
    if (r1 === 0 && (r2 & ~R2.locked) === 0) return "ready";
    if (r1 & R1.idle) return "reinitialise";
    if (r1 & R1.illegalCommand) await stopToken(run).then(() => settle(run));
  }
  return run.status === undefined ? "silent" : "reinitialise";
}

/** CMD13 between two FF: a line stuck at 0 or a card still busy must not pass for an answer. */
async function readStatus(run: RecoveryRun): Promise<boolean> {
  const before = new Uint8Array(1);
  const after = new Uint8Array(1);
  const parser = run.response.expect("R2");
  await run.transact("CMD13", [
    { kind: "deselect" },
    { kind: "idle", bytes: 2 },
    { kind: "select" },
    { kind: "read", into: before },
    { kind: "write", data: CMD13 },
    { kind: "receive", parser, hint: 3 },
    { kind: "read", into: after },
  ]);
  const { r1, extra } = parser;
  run.bytesClocked += parser.responseBytes + extra.length;
  if (r1 === undefined || before[0] !== 0xff || after[0] !== 0xff) return false;
  run.status = [r1, extra[0] ?? 0];
  return true;
}
