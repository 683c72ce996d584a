import { afterAll, describe, expect, it } from "@jest/globals";
import { TempFolder } from "../support/temp-images.js";
import { BENCHES, readAgain, runUnplugged, unhandledDuring, type Verb } from "./unplugging.js";

const folder = new TempFolder();
afterAll(() => folder.remove());

const VERBS: readonly Verb[] = ["info", "pstore write"];
const CASES = BENCHES.flatMap((bench) => VERBS.map((verb) => [bench, verb] as const));
/** First transfers one by one, later ones in steps; `npm run test:matrix` takes every one. */
const next = (index: number): number => index + 1 + (index >> 2);

describe("the cable is pulled at a transfer", () => {
  it.each(CASES)("%s: %s", async (bench, verb) => {
    const path = folder.at("card.img");
    let pulled = 0;
    const unhandled = await unhandledDuring(async () => {
      for (let index = 0; ; index = next(index)) {
        const { id, exit, err } = await runUnplugged(path, bench, verb, index);
        if (exit === 0) return;
        expect([id, exit, err]).toEqual([id, 4, expect.stringContaining("hint")]);
        pulled++;
      }
    });
    expect(unhandled).toEqual([]);
    expect(pulled).toBeGreaterThan(12);
    expect(await readAgain(path, bench)).toBe(0);
  });
});
