import { expect, test } from "@jest/globals";
import { BitErrors } from "./bit-errors.js";

test("a bit error on MISO at every bit of a panic of 4 KiB", async () => {
  const errors = await BitErrors.open("miso");
  for (let byte = 0; byte < errors.bytes; byte++)
    for (let bit = 0; bit < 8; bit++) await errors.strike(byte, bit);
  process.stderr.write(`${errors.summary}\n`);
  expect(errors.failures).toEqual([]);
  expect(errors.runs).toBe(errors.bytes * 8);
});
