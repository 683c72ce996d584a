import { afterAll, describe, expect, it } from "@jest/globals";
import {
  BENCHES,
  readAgain,
  runUnplugged,
  unhandledDuring,
  VERBS,
  type Verb,
} from "../panel/unplugging.js";
import { TempFolder } from "../support/temp-images.js";

const folder = new TempFolder();
afterAll(() => folder.remove());

const CASES = BENCHES.flatMap((bench) =>
  (Object.keys(VERBS) as Verb[]).map((verb) => [bench, verb] as const),
);

describe("the cable is pulled at every transfer", () => {
  it.each(CASES)("%s: %s", async (bench, verb) => {
    const path = folder.at("card.img");
    let pulled = 0;
    const unhandled = await unhandledDuring(async () => {
      for (; ; pulled++) {
        const { id, exit, err } = await runUnplugged(path, bench, verb, pulled);
        if (exit === 0) return;
        expect([id, exit, err]).toEqual([id, 4, expect.stringContaining("hint")]);
        // What is on the card does not depend on who reads it; that the adapter works again is looked at less often.
        const reader = pulled % 16 === 0 ? bench : "bridge=ft232h";
        if (verb === "pstore write") expect([id, await readAgain(path, reader)]).toEqual([id, 0]);
      }
    });
    expect(unhandled).toEqual([]);
    expect(pulled).toBeGreaterThan(20);
    process.stdout.write(`${bench} ${verb}: pulled at each of ${pulled} transfers, exit 4\n`);
  });
});
