import { expect, test } from "@jest/globals";
import { BitErrors } from "../matrix/fire/bit-errors.js";

/** All of the first command, its response and its token; of what follows each so-many-th byte. */
const HEAD = 20;
const EVERY = 211;

test.each([
  // [line, bytes and bits that once gave a wrong verdict: "idle" in R1 of a write, a stop token that is none]
  [
    "miso",
    [
      [3804, 0],
      [4361, 0],
      [4918, 2],
    ],
  ],
  [
    "mosi",
    [
      [4343, 6],
      [4343, 7],
      [4900, 6],
    ],
  ],
] as const)("a bit error on %s: committed, or an honest verdict", async (line, known) => {
  const errors = await BitErrors.open(line);
  for (const [byte, bit] of known) await errors.strike(byte, bit);
  for (let byte = 0; byte < errors.bytes; byte += byte < HEAD ? 1 : EVERY)
    for (let bit = 0; bit < 8; bit++) await errors.strike(byte, bit);
  expect(errors.failures).toEqual([]);
  expect(errors.runs).toBeGreaterThan(500);
  expect(errors.outcomes.get("committed")).toBeGreaterThan(errors.runs * 0.9);
});
