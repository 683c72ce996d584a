import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import type { ByteTiming } from "../../../src/sim/spi-device.js";
import { concatBytes, fromHex, toHex } from "../../../src/util/bytes.js";
import { Bench, BusyDevice, pattern, shift } from "./support.js";

/** Keeps every byte with the time of its first clock, however the exchanges are cut. */
class TimedDevice extends BusyDevice {
  readonly bytes: string[] = [];

  override setCs(level: "high" | "low"): void {
    super.setCs(level);
    this.bytes.push(level);
    if (level === "low") this.bitsLeft = 40;
  }

  override exchange(
    mosi: Uint8Array | undefined,
    miso: Uint8Array | undefined,
    length: number,
    timing: ByteTiming,
  ): void {
    for (let at = 0; at < length; at++) {
      const us = Math.round((timing.startUs + at * timing.usPerByte) * 100);
      this.bytes.push(`${mosi?.[at] ?? 255}@${us}`);
    }
    super.exchange(mosi, miso, length, timing);
  }
}

const ops = [
  "80 02 0b",
  "80 0a 0b",
  "8f 05 00",
  "8e 02",
  "9c 0f 00",
  "81",
  "87",
  "20 30 00",
  "13 02 a0",
  "33 06 55",
  "86 03 00",
];

const script = fc
  .array(
    fc.oneof(
      fc.constantFrom(...ops).map(fromHex),
      fc.integer({ min: 1, max: 900 }).map((length) => shift(pattern(length))),
    ),
    { minLength: 1, maxLength: 10 },
  )
  .map((parts) => concatBytes([...parts, fromHex("81 87")]));

async function play(
  stream: Uint8Array,
  looks: readonly number[],
  waitGranularity: "byte" | "clock",
): Promise<{ readonly miso: string; readonly bytes: string[]; readonly endUs: number }> {
  const spi = new TimedDevice();
  const bench = new Bench({ spi, misoOnGpiol1: true, waitGranularity });
  await bench.mpsse(2);
  for (const us of looks) bench.clock.timer(us, () => bench.model.engine.cs);
  const sent = bench.out(stream);
  let miso = "";
  let gotAnswer = true;
  while (gotAnswer) {
    const answer = bench.post(65536, 50).done;
    gotAnswer = await answer.then(
      (data) => {
        miso += toHex(bench.strip(data));
        return true;
      },
      () => false,
    );
  }
  await sent.done;
  return { miso, bytes: spi.bytes, endUs: Math.round(bench.clock.nowUs()) };
}

describe("the engine, run late and in large pieces", () => {
  it("does every byte at the same time, however often it is looked at", async () => {
    await fc.assert(
      fc.asyncProperty(
        script,
        fc.array(fc.nat(2000), { maxLength: 25 }),
        fc.constantFrom("byte" as const, "clock" as const),
        async (stream, looks, granularity) => {
          const unseen = await play(stream, [], granularity);
          const seen = await play(stream, looks, granularity);
          expect(seen).toEqual(unseen);
        },
      ),
      { numRuns: 60 },
    );
  });
});
