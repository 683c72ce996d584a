import { expect, test } from "@jest/globals";
import { FLOWS } from "./flows.js";
import { Tally } from "./judge.js";
import { rowsOf } from "./rows.js";

/** The whole product for flows whose names match. */
export function recoveryShard(names: RegExp): void {
  for (const flow of FLOWS.filter(({ name }) => names.test(name))) {
    test(`${flow.name}, interrupted after every byte`, async () => {
      const tally = new Tally();
      for (const row of rowsOf(flow)) await tally.add(row);
      process.stderr.write(`recovery, ${flow.name}: ${tally.line}\n`);
      expect(tally.failures).toEqual([]);
      expect(tally.runs).toBeGreaterThan(0);
    });
  }
}
