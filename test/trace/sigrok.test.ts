import { afterAll, describe, expect, test } from "@jest/globals";
import { decodeCassette } from "../../src/trace/chips.js";
import { exportSigrok } from "../../src/trace/sigrok.js";
import type { SpiItem } from "../../src/trace/spi-log.js";
import { concatBytes } from "../../src/util/bytes.js";
import { recordSession } from "../support/recorded.js";
import { readSigrok, sampleSpi } from "../support/sigrok-file.js";
import { TempFolder } from "../support/temp-images.js";

const folder = new TempFolder();
afterAll(() => folder.remove());

const WIRES = { clk: "clk", mosi: "mosi", miso: "miso", cs: "cs" };
const MOSI = Uint8Array.of(0x40, 0x00, 0x95);
const MISO = Uint8Array.of(0xff, 0xff, 0x01);

function exported(items: readonly SpiItem[]): ReturnType<typeof readSigrok> {
  return readSigrok(folder.write("run.sr", concatBytes([...exportSigrok(items)])));
}

function bytesAt(atUs: number, usPerByte: number): SpiItem {
  return { kind: "bytes", atUs, usPerByte, selected: true, mosi: MOSI, miso: MISO };
}

describe("sigrok sessions", () => {
  test("a recorded session: its rising clock edges sample the bytes of the wires", async () => {
    const { cassette, tap } = await recordSession(async (card) => {
      await card.write(
        77,
        new Uint8Array(1024).map((_, at) => (at * 31) & 0xff),
      );
      await card.read(77, new Uint8Array(1024));
    });
    const { spi } = decodeCassette(cassette);
    const frames = sampleSpi(exported(spi), WIRES);
    const selected = spi.flatMap((item) => (item.kind === "bytes" && item.selected ? [item] : []));
    const mosi = Buffer.concat(frames.map((frame) => frame.mosi));
    const miso = Buffer.concat(frames.map((frame) => frame.miso));
    expect(mosi.equals(Buffer.from(tap.mosi))).toBe(true);
    expect(miso.equals(Buffer.concat(selected.map((item) => item.miso)))).toBe(true);
    expect(frames.map(({ strayBits }) => strayBits)).toEqual(frames.map(() => 0));
  });

  test("two samples a bit at the fastest clock, more at slower ones, silences cut to 0.1 ms", () => {
    const items: SpiItem[] = [
      { kind: "cs", atUs: 0, level: "low" },
      bytesAt(0, 8),
      bytesAt(1_000_000, 80),
      { kind: "cs", atUs: 1_000_240, level: "high" },
    ];
    const { samples } = exported(items);
    const [frame] = sampleSpi({ samples, channels: { cs: 0, clk: 1, mosi: 2, miso: 3 } }, WIRES);
    expect(frame?.mosi).toEqual(Uint8Array.of(...MOSI, ...MOSI));
    expect(frame?.miso).toEqual(Uint8Array.of(...MISO, ...MISO));
    // 2 MHz: 16 samples a byte of 1 MHz and 160 of the slow ones; 200 of silence, 2 behind each edge of CS and before bytes that follow at once, 100 around all.
    expect(samples.length).toBe(100 + 2 + 2 + 2 + 3 * 16 + 200 + 3 * 160 + 2 + 2 + 100);
  });

  test("long recordings are cut into entries of 4 Mi samples", () => {
    const items = Array.from({ length: 30_000 }, (_, at) => bytesAt(at * 1000, 8));
    const { samples } = exported(items);
    expect(samples.length).toBe(100 + (2 + 48) + 29_999 * (200 + 48) + 100);
    expect(samples.length).toBeGreaterThan(4 << 20);
    const [frame] = sampleSpi({ samples, channels: { cs: 7, clk: 1, mosi: 2, miso: 3 } }, WIRES);
    expect(frame?.mosi).toEqual(new Uint8Array(90_000).map((_, at) => MOSI[at % 3] as number));
  });

  test("nothing recorded is a session too", () => {
    expect(exported([]).samples.length).toBe(200);
  });
});
