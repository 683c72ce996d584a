import type { Segment } from "../../spi/bridge.js";
import type { RecoveryKnowledge, RecoveryReport, RecoveryStep } from "../../spi/card-bus.js";
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

/** FF, start token, a block of FF, and 00 00 where its CRC16 would be 7F A1: a card that checks answers 0B and writes nothing. */
const POISON = Uint8Array.of(0xff, TOKEN.startBlock, ...new Uint8Array(512).fill(0xff), 0, 0);

/** A card has 100 ms for the first byte of a block (SD Physical Layer 4.6.2.1): looked for so often. */
const ACCESS_LOOKS = 5;
const ACCESS_LOOK_US = 21_000;
const LOOK_BYTES = 16;

/**
 * CMD12 comes before any CMD13, since a card that has just taken CMD55 would answer that with a block; none of the
 * bytes sent is a token but FD, and nothing has an address.
 */
const END_TRANSFERS: readonly Phase[] = [
  stopTransmission,
  settle,
  stopIfStreaming,
  stopToken,
  settle,
  probeStatus,
];

/** @see recoverCard */
const PHASES: readonly Phase[] = [drain, settle, waitForAccess, ...END_TRANSFERS];

/** A card that waits for the token of a single block has no other way out of that, where it heeds no command there. */
const POISON_PHASES: readonly Phase[] = [poison, settle, ...END_TRANSFERS];

/** Nobody knows anything. */
const IGNORANT: RecoveryKnowledge = { crcProved: false };

/**
 * Brings the card back to answering CMD13 in transfer state, whatever byte of whatever command was the last
 * that it got; never sends CMD0. Bounded by `deadline` and, but for busy and access time, to 2048 bytes, or 4352 with a
 * poison block, which is sent only where CRC checking is proved on.
 * @throws what the bridge throws, but for a deadline that passes: outcome `busy` or `silent`
 */
export async function recoverCard(
  link: CardLink,
  deadline: Deadline,
  known: RecoveryKnowledge = IGNORANT,
): Promise<RecoveryReport> {
  link.stateKnown = false;
  const run = new RecoveryRun(link, deadline, known);
  const outcome = await runPhases(run);
  link.stateKnown = outcome === "ready";
  if (outcome === "ready") link.doing = "nothing";
  link.log.debug({ outcome, steps: run.steps, bytes: run.bytesClocked }, "recovery");
  const { steps, bytesClocked, waitBytes, status } = run;
  return { outcome, steps, bytesClocked, waitBytes, ...(status !== undefined && { status }) };
}

async function runPhases(run: RecoveryRun): Promise<Outcome> {
  try {
    await run.takeBridge();
    const outcome = await inOrder(PHASES, run);
    return outcome === "silent" && run.known.crcProved
      ? await inOrder(POISON_PHASES, run)
      : outcome;
  } catch (error) {
    if (isDeadline(error)) return run.quiet.status === "more" ? "busy" : "silent";
    throw error;
  }
}

async function inOrder(phases: readonly Phase[], run: RecoveryRun): Promise<Outcome> {
  for (const phase of phases) {
    const outcome = await phase(run);
    if (outcome !== undefined) return outcome;
  }
  return "silent";
}

/** What the phases share. */
class RecoveryRun {
  readonly quiet: QuietParser = new QuietParser();
  readonly response: ResponseParser = new ResponseParser();
  readonly known: RecoveryKnowledge;
  readonly steps: RecoveryStep[] = [];
  bytesClocked = 0;
  waitBytes = 0;
  status: readonly [number, number] | undefined;
  readonly #link: CardLink;
  readonly #deadline: Deadline;

  constructor(link: CardLink, deadline: Deadline, known: RecoveryKnowledge) {
    this.#link = link;
    this.#deadline = deadline;
    this.known = known;
    this.quiet.status = "done";
  }

  /** CS stays as it was found: a card may be inside a block. */
  async takeBridge(): Promise<void> {
    this.steps.push("bridge");
    await this.#link.abort(this.#deadline);
  }

  get mayBeReading(): boolean {
    const { doing } = this.#link;
    return this.known.mayBeReading ?? (doing === "reading" || doing === "unknown");
  }

  async transact(step: RecoveryStep, segments: readonly Segment[]): Promise<void> {
    if (this.steps.at(-1) !== step) this.steps.push(step);
    await this.#link.run({ label: `recover: ${step}`, segments }, this.#deadline);
    for (const segment of segments) this.bytesClocked += fixedBytes(segment);
  }

  /** FF for `us`, looking at MISO at its end; false if anything came. Waiting, so not among the bytes. */
  async silentFor(us: number): Promise<boolean> {
    const into = new Uint8Array(LOOK_BYTES);
    await this.#link.clock.sleep(us);
    await this.transact("access", [{ kind: "read", into }]);
    this.bytesClocked -= LOOK_BYTES;
    this.waitBytes += LOOK_BYTES;
    return into.every((byte) => byte === 0xff);
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
  const segment = { kind: "receive", parser, hint: ANSWER_BYTES, resumable: true } as const;
  await run.transact("busy", [segment]);
  run.bytesClocked += parser.bytes - parser.lowBytes;
  run.waitBytes += parser.lowBytes;
}

/** A read whose block has not begun: it would come in the middle of what follows. */
async function waitForAccess(run: RecoveryRun): Promise<undefined> {
  if (!run.mayBeReading || run.quiet.streaming) return;
  for (let look = 0; look < ACCESS_LOOKS; look++) {
    if (await run.silentFor(ACCESS_LOOK_US)) continue;
    await drain(run);
    return settle(run);
  }
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
  await run.transact("stop-token", [
    { kind: "write", data: STOP_TRAN },
    { kind: "idle", bytes: ANSWER_BYTES },
  ]);
}

/** What it answers and whether it goes on is for the phases that follow. */
async function poison(run: RecoveryRun): Promise<undefined> {
  await run.transact("poison", [
    { kind: "select" },
    { kind: "write", data: POISON },
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
  await run.transact("probe", [
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
