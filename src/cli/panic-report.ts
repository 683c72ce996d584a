import type { PanicOutcome, PanicReport } from "../index.js";
import { type Context, note } from "./context.js";
import { EXIT, type ExitCode } from "./exit-codes.js";
import { formatTime } from "./pstore-session.js";

/** How long a panic record may take in all, ms, unless the user says otherwise. */
export const PANIC_DEADLINE_MS = 5000;

interface Meaning {
  readonly exit: ExitCode;
  readonly text: string;
  /** What the user can do. */
  readonly hint?: string;
}

const MEANINGS: Readonly<Record<PanicOutcome, Meaning>> = {
  committed: { exit: EXIT.ok, text: "committed and read back" },
  "committed-unverified": {
    exit: EXIT.differs,
    text: "accepted by the card, but not read back as it should be",
    hint: "look at it with pstore list, and try a lower --speed",
  },
  "card-busy": {
    exit: EXIT.deadline,
    text: "the card is still busy with what it did before",
    hint: "leave it powered and try again",
  },
  deadline: {
    exit: EXIT.deadline,
    text: "the deadline passed",
    hint: "give it more time (--timeout)",
  },
  "card-gone": {
    exit: EXIT.card,
    text: "no card answers",
    hint: "check card, power and wires; a card that another host left in 1.8 V mode, or one that waits for data with CRC checking off, answers again after its power was cycled",
  },
  locked: { exit: EXIT.card, text: "the card is locked by a password" },
  "wrong-card": {
    exit: EXIT.refused,
    text: "another card is in the adapter: nothing was written",
    hint: "put the first card back, or start again with this one",
  },
  "write-protected": { exit: EXIT.refused, text: "the card is write-protected" },
  "write-failed": {
    exit: EXIT.bus,
    text: "the card refused the data twice",
    hint: "try a lower --speed, or another card",
  },
  "needs-power-cycle": {
    exit: EXIT.card,
    text: "the card does not come back by itself",
    hint: "take it out and put it in again",
  },
  "bridge-gone": {
    exit: EXIT.inaccessible,
    text: "the adapter does not answer",
    hint: "plug it in again",
  },
  "too-large": { exit: EXIT.usage, text: "the record does not fit in a zone" },
};

export function exitOfVerdict(outcome: PanicOutcome): ExitCode {
  return MEANINGS[outcome].exit;
}

/** In words. */
export function describeOutcome(outcome: PanicOutcome): string {
  return MEANINGS[outcome].text;
}

/** One line on what became of a panic record. */
export function describePanic({ verdict, name, counter, time }: PanicReport): string {
  const { text } = MEANINGS[verdict.outcome];
  if (name === undefined) return `no record written: ${text}`;
  return `wrote ${name}: #${counter ?? 0}, ${formatTime(time)}; ${text} in ${ms(verdict.us)}`;
}

/** What else there is to say, on stderr. */
export function notePanic(context: Context, report: PanicReport): void {
  const { recovery, dataAtRisk, outcome, error } = report.verdict;
  if (recovery !== undefined)
    note(
      context,
      `note: the card was taken back first: ${recovery.steps.join(", ")}; ${recovery.bytesClocked} bytes, ${ms(recovery.us)}, integrity class ${recovery.integrityClass}`,
    );
  if (dataAtRisk)
    note(
      context,
      "warning: the card was reset while it was busy: what was written before may be damaged",
    );
  for (const { name, reason, counter } of report.lost)
    note(context, `note: ${name} (${reason} #${counter}) was in that place and is gone`);
  if (outcome === "committed") return;
  if (error !== undefined) note(context, `cause: ${error.message}`);
  const hint = MEANINGS[outcome].hint ?? error?.hint;
  if (hint !== undefined) note(context, `hint: ${hint}`);
}

/** As JSON. */
export function panicJson(report: PanicReport): object {
  const { verdict, name, counter, time, zones, lost } = report;
  return {
    outcome: verdict.outcome,
    name: name ?? null,
    counter: counter ?? null,
    time: time === undefined ? null : formatTime(time),
    zones,
    lost,
    stepsDone: verdict.stepsDone,
    dataAtRisk: verdict.dataAtRisk,
    ms: verdict.us / 1000,
    recovery: verdict.recovery ?? null,
    error: verdict.error ?? null,
  };
}

function ms(us: number): string {
  return `${(us / 1000).toFixed(1)} ms`;
}
