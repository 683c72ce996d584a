import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { equalBytes } from "../../src/util/bytes.js";
import { isMmcpstoreError } from "../../src/util/errors.js";
import type { FakeRule } from "../support/fake-card-bus.js";
import { type FakeCard, MMC, SDHC, SDSC } from "../support/fake-cards.js";
import { type CardBench, cardBench, contents, pattern } from "./card-bench.js";

const AREA = 24;

/** `toEqual` looks at each byte by itself: too slow for this many. */
function same(actual: Uint8Array, expected: Uint8Array): void {
  if (!equalBytes(actual, expected)) expect(actual).toEqual(expected);
}

interface Operation {
  readonly verb: "read" | "write" | "erase";
  readonly lba: number;
  readonly count: number;
  readonly seed: number;
}

const operation: fc.Arbitrary<Operation> = fc.record({
  verb: fc.constantFrom("read" as const, "write" as const, "erase" as const),
  lba: fc.nat(AREA - 9),
  count: fc.integer({ min: 1, max: 8 }),
  seed: fc.nat(255),
});

const failure = fc.record({
  fail: fc.constantFrom(
    "CARD_CRC" as const,
    "CARD_TIMEOUT" as const,
    "CARD_ERROR" as const,
    "CARD_WRITE_REJECTED" as const,
    "CARD_NO_RESPONSE" as const,
  ),
  blocksDone: fc.nat(8),
  stateKnown: fc.boolean(),
});

/** A data command that fails behind some of its blocks, sometimes because the card lost power. */
const transferFault = fc.record({
  on: fc.constantFrom("CMD17", "CMD18", "CMD24", "CMD25"),
  skip: fc.nat(3),
  times: fc.integer({ min: 1, max: 3 }),
  give: failure,
  replug: fc.boolean(),
});

/** A command that is answered wrongly. */
const answerFault = fc.record({
  on: fc.constantFrom("CMD13", "CMD32", "CMD33", "CMD38", "ACMD41", "CMD8"),
  skip: fc.nat(4),
  times: fc.integer({ min: 1, max: 2 }),
  give: fc.record({
    r1: fc.constantFrom(0x08, 0x01, 0x04, 0x40),
    extra: fc.constant([0]),
  }),
});

type TransferFault = typeof transferFault extends fc.Arbitrary<infer T> ? T : never;

function ruleOf({ on, skip, times, give, replug }: TransferFault): FakeRule {
  const single = on === "CMD17" || on === "CMD24";
  return {
    on,
    skip,
    times,
    give: (call) => ({
      ...give,
      blocksDone: single ? 0 : Math.min(give.blocksDone, call.blocks - 1),
    }),
    ...(replug && { before: (bus) => bus.replug() }),
  };
}

async function run({ bus, card }: CardBench, { verb, lba, count, seed }: Operation): Promise<void> {
  const before = contents(bus, 0, AREA);
  const data = pattern(lba, count, seed);
  const into = new Uint8Array(count * 512);
  const work = {
    read: () => card.read(lba, into),
    write: () => card.write(lba, data),
    erase: () => card.erase?.(lba, count),
  }[verb];
  const error: unknown = await Promise.resolve(work()).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  const after = contents(bus, 0, AREA);
  expectOutsideUntouched(before, after, lba, count);
  const inside = after.slice(lba * 512, (lba + count) * 512);
  if (verb === "read") same(after, before);
  if (error === undefined) {
    if (verb === "read") same(into, inside);
    if (verb === "write") same(inside, data);
    if (verb === "erase") same(inside, new Uint8Array(count * 512));
    return;
  }
  expectHonest(error, verb === "write" ? { inside, data } : undefined, card.stateKnown);
}

function expectOutsideUntouched(
  before: Uint8Array,
  after: Uint8Array,
  lba: number,
  count: number,
): void {
  same(after.slice(0, lba * 512), before.slice(0, lba * 512));
  same(after.slice((lba + count) * 512), before.slice((lba + count) * 512));
}

/** The error is one of ours, says whether the state is known, and `blocksDone` blocks are there. */
function expectHonest(
  error: unknown,
  written: { readonly inside: Uint8Array; readonly data: Uint8Array } | undefined,
  stateKnown: boolean,
): void {
  if (!isMmcpstoreError(error)) throw error;
  expect(error.code).toMatch(/^CARD_/);
  expect(error.details["stateKnown"]).toBe(stateKnown);
  if (written === undefined) return;
  const done = Number(error.details["blocksDone"]) * 512;
  same(written.inside.slice(0, done), written.data.slice(0, done));
}

describe.each<[string, FakeCard]>([
  ["SDHC", SDHC],
  ["SDSC", SDSC],
  ["MMC", MMC],
])("any operations, any faults: %s", (_kind, fake) => {
  test("what succeeds is true, what fails says so, and the card is usable afterwards", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(operation, { minLength: 1, maxLength: 6 }),
        fc.array(transferFault, { maxLength: 4 }),
        fc.array(answerFault, { maxLength: 2 }),
        async (operations, transferFaults, answerFaults) => {
          const bench = await cardBench(fake, [...transferFaults.map(ruleOf), ...answerFaults]);
          for (const each of operations) await run(bench, each);
          await settle(bench);
          const data = pattern(0, 3);
          await bench.card.write(0, data);
          const into = new Uint8Array(data.length);
          await bench.card.read(0, into);
          same(into, data);
        },
      ),
      { numRuns: 300 },
    );
  });
});

/** Uses up the faults that are left. */
async function settle({ bus, card }: CardBench): Promise<void> {
  bus.noRules();
  await card.read(0, new Uint8Array(512)).catch(() => undefined);
}
