import { describe, expect, it } from "@jest/globals";
import { ADAPTERS } from "../../../src/device/adapters/data.js";
import { tune } from "../../../src/device/doctor/tune.js";
import { SIM_CHIPS } from "../../../src/device/sim-options.js";
import { ModelBench } from "../doctor/model-target.js";

const BYTES = 64 * 1024;
const UNITS: Readonly<Record<string, number>> = { kB: 1e3, MB: 1e6 };

/** `3.6 MB/s at 30 MHz` */
const FIGURE = /^([\d.]+) (kB|MB)\/s at ([\d.]+) MHz$/;

const FIGURES = ADAPTERS.flatMap(({ id, rates }) =>
  rates.filter(({ kind }) => kind === "model").map(({ text }) => [id, text] as const),
);

describe("rates that are said to be those of our models", () => {
  it("are there for every adapter that has a model", () => {
    const known = new Set<string>(FIGURES.map(([id]) => id));
    expect(SIM_CHIPS.filter((chip) => !known.has(chip))).toEqual([]);
  });

  it.each(FIGURES)("%s: %s", async (bridge, text) => {
    const [, value, unit, mhz] = FIGURE.exec(text) ?? [];
    const target = new ModelBench({ bridge }).target();
    try {
      const { bytesPerSecond, frequencyHz } = await tune(target, {
        bytes: BYTES,
        crc: true,
        maxHz: Number(mhz) * 1e6,
      });
      expect(frequencyHz).toBe(Number(mhz) * 1e6);
      const measured = bytesPerSecond / (UNITS[unit ?? ""] ?? Number.NaN);
      expect(Number(measured.toPrecision(2))).toBe(Number(value));
    } finally {
      await target.close();
    }
  });
});
