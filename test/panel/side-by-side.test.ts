import { describe, expect, it } from "@jest/globals";
import { SimClock } from "../../src/sim/clock.js";
import { AdapterBench } from "../support/adapter-bench.js";

const FAMILIES = [
  "bridge=ft232h",
  "bridge=ft4232h",
  "bridge=ch341a&ident=fast",
  "bridge=ch347",
  "bridge=mcp2210",
  "bridge=serprog",
  "bridge=serprog&board=stm32-vserprog&startup=lax",
] as const;
/** Each beside its like, and beside the next one. */
const PAIRS = FAMILIES.flatMap((one, at) =>
  [one, FAMILIES[(at + 1) % FAMILIES.length] ?? one].map((other) => [one, other] as const),
);

const READ_BYTES = 64 * 1024;
/** DESIGN §9: one process, one clock. */
const TOLERANCE = 0.05;

/** Opens adapters over one clock and reads 64 KiB from each at once; gives the model time of each, in us. */
async function readTimes(options: readonly string[]): Promise<readonly number[]> {
  const clock = new SimClock();
  const opened = await Promise.all(options.map((text) => new AdapterBench(text, clock).open()));
  const startUs = clock.nowUs();
  const times = await Promise.all(
    opened.map(async ({ card }) => {
      await card.read(0, new Uint8Array(READ_BYTES));
      return clock.nowUs() - startUs;
    }),
  );
  for (const { card } of opened) await card.close();
  return times;
}

describe("two adapters at once in one process", () => {
  it.each(PAIRS)("%s beside %s: neither is slowed down", async (one, other) => {
    const alone = [...(await readTimes([one])), ...(await readTimes([other]))];
    const together = await readTimes([one, other]);
    together.forEach((us, at) => {
      expect(us / (alone[at] ?? 0)).toBeLessThanOrEqual(1 + TOLERANCE);
      expect(us / (alone[at] ?? 0)).toBeGreaterThanOrEqual(1 - TOLERANCE);
    });
  });
});
