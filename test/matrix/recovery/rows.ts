import type { Latency } from "../../../src/sim/card/options.js";
import type { RecoveryCase } from "./bench.js";
import type { Flow, Meets } from "./flows.js";

const NCR = [0, 1, 8];
const NAC: readonly Latency[] = [{ bytes: 0 }, { bytes: 24 }, { us: 100_000 }];
const DELAYS = [0, 1, 2, 3];
const BUSY: readonly Latency[] = [{ bytes: 0 }, { bytes: 40 }, { us: 200_000 }];

/** The whole product for one command; latencies that it does not meet are left out. */
export function rowsOf(flow: Flow): RecoveryCase[] {
  const meets = (...what: Meets[]): boolean => what.some((one) => flow.meets.includes(one));
  let rows: RecoveryCase[] = [{ flow, crc: true, cs: "low", csRise: "reset", ncr: 0 }];
  const times = <K extends keyof RecoveryCase>(
    name: K,
    values: readonly RecoveryCase[K][],
  ): void => {
    rows = rows.flatMap((row) => values.map((value) => ({ ...row, [name]: value })));
  };
  times("crc", [true, false]);
  times("cs", ["low", "pulse"]);
  times("csRise", ["reset", "freeze"]);
  times("ncr", NCR);
  if (meets("read", "register")) times("nac", NAC);
  if (meets("write")) times("delay", DELAYS);
  if (meets("write", "erase", "stop")) times("busy", BUSY);
  return rows;
}

/** Rows of a product in which every two values of different options come together: for the quick suite. */
export function coveringRows(flow: Flow): RecoveryCase[] {
  const rows = rowsOf(flow);
  const pairsOf = ({ flow: _, ...row }: RecoveryCase): string[] => {
    const values = Object.entries(row).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
    return values.flatMap((a, at) => values.slice(at + 1).map((b) => `${a} ${b}`));
  };
  const open = new Set(rows.flatMap(pairsOf));
  const chosen: RecoveryCase[] = [];
  while (open.size > 0) {
    const gain = (row: RecoveryCase): number =>
      pairsOf(row).filter((pair) => open.has(pair)).length;
    const best = rows.reduce((a, b) => (gain(b) > gain(a) ? b : a));
    for (const pair of pairsOf(best)) open.delete(pair);
    chosen.push(best);
  }
  return chosen;
}
