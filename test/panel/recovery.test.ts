import { describe, expect, test } from "@jest/globals";
import { FLOWS } from "../matrix/recovery/flows.js";
import { Tally } from "../matrix/recovery/judge.js";
import { coveringRows } from "../matrix/recovery/rows.js";

/** Far from both ends of a flow only each so-many-th byte: the whole product is `npm run test:matrix`. */
const EVERY = 97;

describe("a host that dies after a byte of a command leaves a card that is taken back", () => {
  test.each(FLOWS.map((flow) => [flow.name, flow] as const))("%s", async (_, flow) => {
    const tally = new Tally();
    for (const row of coveringRows(flow)) await tally.add(row, EVERY);
    expect(tally.failures).toEqual([]);
    expect(tally.runs).toBeGreaterThan(0);
  });
});
