import { CaseBench, type CutResult, caseId, type RecoveryCase } from "./bench.js";

/** Bytes that a recovery may clock, waiting apart. */
const MOST_BYTES = 2048;
const MOST_BYTES_WITH_POISON = 4352;

interface Exception {
  readonly what: string;
  readonly applies: (row: RecoveryCase, result: CutResult) => boolean;
  readonly verdict: string;
}

/** What cannot end in transfer state, and the one right verdict of each. Anything else is a failure. */
const EXCEPTIONS: readonly Exception[] = [
  {
    what: "CRC checking is off, and the card is deaf while it waits for the token of a single block",
    applies: ({ crc }, { awaitsToken }) => !crc && awaitsToken,
    verdict: "CARD_ABSENT",
  },
];

/** Sums of a part of the matrix. */
export class Tally {
  rows = 0;
  runs = 0;
  exceptions = 0;
  mostBytes = 0;
  mostBytesWithPoison = 0;
  longestUs = 0;
  readonly failures: string[] = [];

  async add(row: RecoveryCase, every?: number): Promise<void> {
    this.rows++;
    const bench = await CaseBench.open(row);
    for await (const result of bench.cuts(every)) this.#judge(row, result);
  }

  get line(): string {
    return `${this.rows} rows, ${this.runs} interruptions, ${this.exceptions} of them exceptions of the table; at most ${this.mostBytes} bytes, ${this.mostBytesWithPoison} with the poison block, ${(this.longestUs / 1000).toFixed(1)} ms`;
  }

  #judge(row: RecoveryCase, result: CutResult): void {
    this.runs++;
    const { outcome, damage, recovery } = result;
    const exception = EXCEPTIONS.find(({ applies }) => applies(row, result));
    if (exception !== undefined) this.exceptions++;
    const wanted = exception?.verdict ?? "transfer";
    if (outcome !== wanted) this.#fail(row, result, `ends in ${outcome}, wanted ${wanted}`);
    if (damage !== undefined) this.#fail(row, result, damage);
    if (recovery === undefined) return;
    const { bytesClocked, steps, us } = recovery;
    const poisoned = steps.includes("poison");
    if (poisoned) this.mostBytesWithPoison = Math.max(this.mostBytesWithPoison, bytesClocked);
    else this.mostBytes = Math.max(this.mostBytes, bytesClocked);
    if (bytesClocked > (poisoned ? MOST_BYTES_WITH_POISON : MOST_BYTES))
      this.#fail(row, result, `${bytesClocked} bytes`);
    this.longestUs = Math.max(this.longestUs, us);
  }

  #fail(row: RecoveryCase, { cut }: CutResult, what: string): void {
    if (this.failures.length < 20) this.failures.push(`${caseId(row)} cut=${cut}: ${what}`);
  }
}
