import { PANIC_OUTCOMES, type PanicOutcome } from "../../../src/block/panic.js";
import type { PanicReport } from "../../../src/pstore/panic.js";
import { FireBench, type FireCase, nameOf, type RecordSets } from "./bench.js";

export type Line = "mosi" | "miso";

const PANEL: FireCase = { kmsgSize: 4096, records: 2, before: "idle" };
/** Steps of a record in a free zone: the data, then the sector that commits. */
const STEPS = 2;

/** One bit error in a panic that a healthy card would have taken, at a time. */
export class BitErrors {
  readonly line: Line;
  /** Bytes of a panic without an error. */
  readonly bytes: number;
  runs = 0;
  readonly outcomes: Map<string, number> = new Map();
  readonly failures: string[] = [];
  readonly #bench: FireBench;
  readonly #old: RecordSets;
  readonly #final: RecordSets;

  private constructor(
    line: Line,
    bytes: number,
    bench: FireBench,
    sets: { readonly old: RecordSets; readonly final: RecordSets },
  ) {
    this.line = line;
    this.bytes = bytes;
    this.#bench = bench;
    this.#old = sets.old;
    this.#final = sets.final;
  }

  static async open(line: Line): Promise<BitErrors> {
    const bench = await FireBench.open(PANEL);
    const run = await bench.arm();
    run.wire.arm();
    await run.fire();
    const sets = { old: await bench.sets(bench.before), final: await bench.sets() };
    return new BitErrors(line, run.wire.bytes, bench, sets);
  }

  /** Inverts bit `bit` (7 is sent first) of byte `byte`. */
  async strike(byte: number, bit: number): Promise<void> {
    const run = await this.#bench.arm();
    run.wire.arm({ kind: "flip", line: this.line, byte, mask: 1 << bit });
    const report = await run.fire();
    this.runs++;
    const { outcome } = report.verdict;
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
    const wrong = run.wire.struck ? await this.#wrong(report) : "the error did not strike";
    const id = `${nameOf(PANEL)}, ${this.line} byte ${byte} bit ${bit}`;
    if (wrong !== undefined) this.failures.push(`${id}: ${outcome}: ${wrong}`);
  }

  get summary(): string {
    const counts = [...this.outcomes].map(([name, count]) => `${name}: ${count}`).join(", ");
    return `bit errors on ${this.line}: ${this.runs} in a panic of ${this.bytes} bytes; ${counts}`;
  }

  /** The old set and the record, by the name that the report gives: a zone that seemed to refuse it leaves it to the next. */
  #hasRecord(set: keyof RecordSets, now: RecordSets, name: string | undefined): boolean {
    const before = this.#old[set].split(" ");
    const added = this.#final[set].split(" ").find((one) => !before.includes(one));
    return now[set] === [...before, `${name}=${added?.split("=")[1]}`].sort().join(" ");
  }

  /** What is not true of the verdict, or of the card. */
  async #wrong({ verdict, name }: PanicReport): Promise<string | undefined> {
    const { outcome, stepsDone } = verdict;
    const now = await this.#bench.sets();
    const isOld = now.own === this.#old.own && now.kernel === this.#old.kernel;
    const isNew = this.#hasRecord("own", now, name) && this.#hasRecord("kernel", now, name);
    if (!isOld && !isNew) return `we show ${now.own}, a kernel ${now.kernel}`;
    if (untrue(outcome)) return "the card is well";
    if (!PANIC_OUTCOMES.includes(outcome)) return "no verdict";
    const said = outcome === "committed" || stepsDone === STEPS;
    if (said && !isNew) return "the record is not there";
    if (said && name === undefined) return "the record has no name";
    return honest(outcome, verdict.error?.hint) ? undefined : "no hint";
  }
}

/** What a bit error does not make true: the card is in its slot, its own, and takes writes. */
function untrue(outcome: PanicOutcome): boolean {
  return ["locked", "wrong-card", "write-protected", "needs-power-cycle", "too-large"].includes(
    outcome,
  );
}

function honest(outcome: PanicOutcome, hint: string | undefined): boolean {
  return outcome.startsWith("committed") || hint !== undefined;
}
