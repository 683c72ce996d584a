import { describe, expect, test } from "@jest/globals";
import { openPlainSerprog } from "../../../src/bridge/serprog/driver.js";
import { BOARDS } from "../../../src/sim/serprog/model.js";
import { type BenchOptions, bench, openBridge, openOn, pattern } from "./support.js";

const FULL = [...BOARDS.full.commands];

async function roundTrip(options: BenchOptions, blocks: number, baudRate?: number): Promise<void> {
  const b = bench(options);
  const card = await openOn(b, baudRate);
  const data = pattern(blocks * 512, 5);
  await card.write(640, data);
  const into = new Uint8Array(data.length);
  await card.read(640, into);
  expect(Buffer.compare(into, data)).toBe(0);
  await card.close();
  expect(b.model.violations).toEqual([]);
}

describe("boards and lines of all kinds", () => {
  test.each<[string, BenchOptions, number | undefined]>([
    [
      "an AVR at 115200 baud, full duplex",
      { board: "frser-duino", options: { commands: FULL } },
      115_200,
    ],
    [
      "one with a serial buffer of 16 bytes",
      { board: "frser-duino", options: { commands: FULL, serialBuffer: 16, baudRate: 1_000_000 } },
      1_000_000,
    ],
    ["caps of 64 bytes", { options: { maxWrite: 64, maxRead: 64, bufferBytes: 64 } }, undefined],
    ["caps that differ", { options: { maxWrite: 700, maxRead: 100 } }, undefined],
    ["bytes that come by threes", { packetBytes: 3 }, undefined],
    ["a slow way", { roundTripUs: 30_000 }, undefined],
    [
      "a filler of 00, which full duplex never shows",
      { options: { filler: 0 }, card: { requireStartUpClocks: true } },
      undefined,
    ],
  ])("%s", async (_, options, baudRate) => {
    await roundTrip(options, 24, baudRate);
  });

  test("stock firmware on a UART", async () => {
    await roundTrip({ board: "frser-duino", card: { requireStartUpClocks: false } }, 3, 115_200);
  });

  test("64 KiB at 115200 baud: the deadlines know the line", async () => {
    await roundTrip({ board: "frser-duino", options: { commands: FULL } }, 128, 115_200);
  });
});

describe("what the programmer says", () => {
  test("its name, and what it can do", async () => {
    const b = bench();
    const bridge = await openBridge(b);
    expect(bridge.chip.name).toBe("serprog full");
    expect(bridge.port.path).toBe("/dev/ttyACM0");
    expect(bridge.programmer).toMatchObject({
      maxWriteBytes: 4096,
      maxReadBytes: 4096,
      full: true,
    });
    expect(bridge.capabilities).toMatchObject({
      fullDuplex: true,
      csHold: true,
      clocksWithCsHigh: true,
      minFrequencyHz: 100_000,
    });
    expect(b.model.board).toMatchObject({ cs: "high", frequencyHz: 375_000, pinsDriven: true });
    expect(await bridge.configure({ frequencyHz: 25e6 })).toEqual({ frequencyHz: 24e6 });
    await expect(bridge.configure({ frequencyHz: 5 })).rejects.toMatchObject({ code: "USAGE" });
    await bridge.close();
    expect(b.model.board).toMatchObject({ cs: "high", fullDuplex: false, pinsDriven: false });
  });

  test("only what its map has is ever sent", async () => {
    const commands = [0, 1, 2, 0x10, 0x13, 0x17, 0x18];
    const b = bench({ options: { commands, pinsDriven: true, unknownOpcode: "silence" } });
    const card = await openOn(b);
    await card.read(0, new Uint8Array(1024));
    await card.close();
    expect(b.model.violations).toEqual([]);
    expect(Object.keys(b.model.counters.commands).map(Number)).toEqual(
      expect.arrayContaining(commands),
    );
  });

  test("no name, no clock to set: said, and assumed", async () => {
    const said: string[] = [];
    const commands = [0, 1, 2, 0x10, 0x13, 0x17, 0x18];
    const b = bench({ options: { commands, pinsDriven: true } });
    const nothing = (): void => undefined;
    const bridge = await openPlainSerprog({
      transport: b.model.transport(),
      clock: b.clock,
      log: {
        trace: nothing,
        debug: nothing,
        info: nothing,
        warn: (_, message) => said.push(message),
        error: nothing,
        isLevelEnabled: () => true,
      },
    });
    expect(bridge.chip.name).toBe("serprog");
    expect(said).toEqual(["the programmer's clock is fixed and not known"]);
    expect(await bridge.configure({ frequencyHz: 20e6 })).toEqual({ frequencyHz: 8e6 });
    await bridge.close();
  });

  test.each([
    ["a slowest clock above 400 kHz", { frequenciesHz: [9e6, 18e6] }, 9e6],
    ["S_SPI_FREQ that is refused", { frequenciesHz: [0] }, 8e6],
  ])("%s", async (_, options, hz) => {
    const b = bench({ options, card: { maxIdentificationHz: 0 } });
    const bridge = await openBridge(b);
    expect(bridge.capabilities.minFrequencyHz).toBe(hz);
    expect(await bridge.configure({ frequencyHz: hz })).toEqual({ frequencyHz: hz });
    await bridge.close();
  });
});
