import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { isMmcpstoreError } from "../../../src/util/errors.js";
import { type Bench, bench, cmd, pattern, read, stored, write } from "./bench.js";

/** Flips of single bits, by SPI byte. */
const flips = fc.array(
  fc.record({ at: fc.integer({ min: 0, max: 2400 }), bit: fc.integer({ min: 0, max: 7 }) }),
  { minLength: 1, maxLength: 3 },
);
const timing = fc.record({
  ncr: fc.constantFrom(0, 1, 8),
  nac: fc.constantFrom(0, 8),
  gap: fc.constantFrom(0, 1, 2),
  late: fc.integer({ min: 0, max: 3 }),
  busy: fc.constantFrom(0, 1, 30),
  deafInWrite: fc.boolean(),
});

async function succeeded(work: Promise<unknown>): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (error) {
    if (!isMmcpstoreError(error) || error.code === "INTERNAL") throw error;
    return false;
  }
}

/**
 * Whatever happened, the card must be usable again, or known not to be: at once or, where the last thing sent (a stop
 * token) has no answer of its own, with the next command.
 */
async function usableAgain(b: Bench): Promise<void> {
  b.bridge.resetStats();
  const known = b.bus.stateKnown;
  if (known && (await succeeded(b.bus.command(cmd(13, 0, "R2"), b.in(100))))) {
    expect(await read(b, 500, 2)).toEqual(new Uint8Array(stored(b.card, 500, 2)));
    return;
  }
  expect(b.bus.stateKnown).toBe(false);
  const { outcome } = await b.bus.recover(b.in(1000));
  if (outcome === "ready") await usableAgain(b);
  else expect(["silent", "reinitialise"]).toContain(outcome);
}

describe("noise on the wires", () => {
  for (const line of ["miso", "mosi"] as const) {
    for (const count of [1, 4]) {
      test(`${line}, reading ${count}: the data is right or an error is thrown`, async () => {
        await fc.assert(
          fc.asyncProperty(timing, flips, async (options, where) => {
            const b = bench(options);
            for (const { at, bit } of where) b.bridge.faults[line].set(at, 1 << bit);
            let data: Uint8Array = new Uint8Array(0);
            const fine = await succeeded(read(b, 40, count).then((got) => (data = got)));
            // A command read wrongly by the card passes one CRC7 in 128.
            if (fine && b.card.log[0]?.endsWith(" 0x28")) {
              expect(Buffer.compare(data, stored(b.card, 40, count))).toBe(0);
            }
            await usableAgain(b);
          }),
          { numRuns: 100 },
        );
      });

      test(`${line}, writing ${count}: what is called written is written`, async () => {
        await fc.assert(
          fc.asyncProperty(timing, flips, async (options, where) => {
            const b = bench(options);
            for (const { at, bit } of where) b.bridge.faults[line].set(at, 1 << bit);
            const data = pattern(count, 5);
            const fine = await succeeded(write(b, 40, data));
            if (fine) expect(Buffer.compare(stored(b.card, 40, count), data)).toBe(0);
            await usableAgain(b);
          }),
          { numRuns: 100 },
        );
      });
    }
  }
});
