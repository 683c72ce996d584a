import { describe, expect, it } from "@jest/globals";
import { openMcp2210 } from "../../../src/bridge/mcp2210/driver.js";
import type { Mcp2210ModelOptions } from "../../../src/sim/mcp2210/model.js";
import type { Segment } from "../../../src/spi/bridge.js";
import type { HidTransport } from "../../../src/transport/types.js";
import { codeOf, expectBytes, expected, ReadyParser, transaction } from "../ftdi/support.js";
import { Bench, WatchedHid } from "./support.js";

const SELECT: Segment = { kind: "select" };
const DESELECT: Segment = { kind: "deselect" };

function read(length: number): { readonly into: Uint8Array; readonly segment: Segment } {
  const into = new Uint8Array(length);
  return { into, segment: { kind: "read", into } };
}

/** Opens with the reports watched. */
async function watched(bench: Bench): Promise<{
  readonly bridge: Awaited<ReturnType<Bench["open"]>>;
  readonly hid: WatchedHid;
}> {
  let hid: WatchedHid | undefined;
  const bridge = await bench.open((transport) => {
    hid = new WatchedHid(transport);
    return hid;
  });
  return { bridge, hid: hid as WatchedHid };
}

const OPTIONS: readonly (readonly [string, Partial<Mcp2210ModelOptions>])[] = [
  ["as documented", {}],
  ["finished told behind the data", { finished: "after-data" }],
  ["F8 while a chunk is on the wires", { pollInChunk: "busy", busyUs: 3000 }],
  ["no data while a chunk is on the wires", { pollInChunk: "empty", busyUs: 3000 }],
  ["19 ms between chunks", { busyUs: 19_000, finished: "after-data" }],
  ["a round trip in no time", { roundTripUs: 0 }],
];

describe("the start-up", () => {
  it("sends these reports, and nothing that outlasts the power", async () => {
    const bench = new Bench();
    const { bridge, hid } = await watched(bench);
    expect(hid.written).toEqual([
      "11",
      "10",
      "20",
      "31",
      "33",
      // GP0 is a GPIO output, high; the rest as it was.
      "21000000000000000000000000" + "0100" + "fe01",
      "30000000" + "ff01",
      "32000000" + "fe01",
      "33",
      // 400 kHz, all chip selects high, 65 535 bytes.
      "40000000" + "801a0600" + "ff01ff01" + "000000000000" + "ffff",
      "41",
    ]);
    expect(bench.model.chip).toMatchObject({ cs: "high", frequencyHz: 400_000 });
    expect(bridge.chip).toEqual({ name: "MCP2210" });
    expect(bridge.device).toMatchObject({ vendorId: 0x04d8, path: "/dev/hidraw0" });
    expect(bridge.capabilities).toMatchObject({
      maxTransactionBytes: 65_535,
      fullDuplex: true,
      csHold: true,
      clocksWithCsHigh: true,
      hardwareWait: false,
      minFrequencyHz: 1500,
      maxFrequencyHz: 12_000_000,
      roundTripUs: 2000,
      bytesPerSecond: 5300,
    });
    await bridge.close();
    expect(hid.closed).toBe(1);
    expect(bench.rules()).toEqual([]);
  });

  it("leaves the other pins to whom they belong", async () => {
    const powerOnPins = {
      pinModes: [1, 0, 0, 0, 2, 0, 0, 0, 1],
      outputs: 0x006,
      directions: 0x1f9,
      other: 0x11,
    };
    const bench = new Bench({ powerOnPins });
    const bridge = await bench.open();
    const { segment } = read(100);
    await bridge.submit(transaction(SELECT, segment, DESELECT), bench.in());
    expect(bench.model.chip.chipSettings).toEqual({
      pinModes: [0, 0, 0, 0, 2, 0, 0, 0, 1],
      outputs: 0x007,
      directions: 0x1f8,
      other: 0x11,
    });
    await bridge.close();
    expect(bench.rules()).toEqual([]);
  });

  it("leaves them as somebody has put them since", async () => {
    const bench = new Bench();
    const before = bench.model.transport();
    for (const [command, low] of [
      [0x32, 0xfd],
      [0x30, 0xfd],
    ] as const) {
      const bytes = new Uint8Array(64);
      bytes.set([command, 0, 0, 0, low, 0x01]);
      await before.writeReport(bytes, bench.in());
      await before.readReport(bench.in());
    }
    await before.close();
    // GP1 is an output, and low.
    await bench.open();
    const { outputs, directions } = bench.model.chip.chipSettings;
    expect([outputs & 0x002, directions & 0x003]).toEqual([0, 0]);
    expect(bench.model.chip.levels & 0x003).toBe(0x001);
    expect(bench.rules()).toEqual([]);
  });

  it("refuses a chip that keeps GP0 an input", async () => {
    const bench = new Bench();
    const inner = bench.model.transport();
    const deaf: HidTransport = {
      device: inner.device,
      writeReport: (bytes, deadline) => {
        const sent = bytes.slice();
        if (sent[0] === 0x21) sent[15] = 0xff;
        if (sent[0] === 0x32) sent[4] = 0xff;
        return inner.writeReport(sent, deadline);
      },
      readReport: (deadline) => inner.readReport(deadline),
      close: () => inner.close(),
    };
    await expect(openMcp2210({ transport: deaf, clock: bench.clock })).rejects.toMatchObject({
      code: "BRIDGE_PROTOCOL",
      details: { directions: 0x1ff },
    });
  });

  it("ends a transfer that another program left behind, with its answers", async () => {
    const bench = new Bench();
    const rude = bench.model.transport();
    await rude.writeReport(Uint8Array.of(0x42, 2, ...new Uint8Array(62)), bench.in());
    await rude.close();
    expect(bench.model.chip.transferring).toBe(true);
    const stale = bench.model.transport();
    for (let n = 0; n < 3; n++)
      await stale.writeReport(Uint8Array.of(0x10, ...new Uint8Array(63)), bench.in());
    const bridge = await openMcp2210({ transport: stale, clock: bench.clock });
    const { into, segment } = read(5);
    await bridge.submit(transaction(SELECT, segment), bench.in());
    expectBytes(into, expected(0, 5));
    expect(bench.rules()).toEqual([]);
  });

  it("closes the transport of what it cannot drive", async () => {
    const bench = new Bench();
    const inner = bench.model.transport();
    const device = { ...inner.device, vendorId: 0x1a86, productId: 0x55dc };
    let closed = 0;
    const other: HidTransport = {
      device,
      writeReport: (bytes, deadline) => inner.writeReport(bytes, deadline),
      readReport: (deadline) => inner.readReport(deadline),
      close: async () => {
        closed++;
      },
    };
    const opened = openMcp2210({ transport: other, clock: bench.clock });
    expect(await codeOf(opened)).toBe("BRIDGE_UNSUPPORTED");
    expect([closed, bench.model.submitted]).toEqual([1, 0]);
  });

  it("gives a chip up that says nothing, within its deadline", async () => {
    const bench = new Bench();
    for (let n = 0; n < 20; n++) bench.model.inject({ kind: "drop", way: "in", report: n });
    const opened = openMcp2210({
      transport: bench.model.transport(),
      clock: bench.clock,
      deadline: bench.in(700),
    });
    expect(await codeOf(opened)).toBe("BRIDGE_SYNC");
    expect(bench.clock.nowUs()).toBeLessThanOrEqual(720_000);
    bench.model.transport();
  });

  it("gives a device up that never stops sending", async () => {
    const bench = new Bench();
    const inner = bench.model.transport();
    const babbler: HidTransport = {
      device: inner.device,
      writeReport: async () => undefined,
      readReport: async () => new Uint8Array(64),
      close: () => inner.close(),
    };
    const opened = openMcp2210({ transport: babbler, clock: bench.clock });
    expect(await codeOf(opened)).toBe("BRIDGE_SYNC");
  });
});

describe.each(OPTIONS)("transactions: %s", (_, options) => {
  it("bring every byte back, at every length around a report's", async () => {
    const bench = new Bench(options);
    const bridge = await bench.open();
    await bridge.configure({ frequencyHz: 3e6 });
    for (const length of [1, 2, 59, 60, 61, 119, 120, 121, 600, 1234]) {
      const { into, segment } = read(length);
      const write: Segment = { kind: "write", data: Uint8Array.of(0x51, 2, 3) };
      await bridge.submit(transaction(SELECT, write, segment, DESELECT), bench.in(3000));
      expectBytes(into, expected(3, length));
    }
    await bridge.close();
    expect(bench.rules()).toEqual([]);
  });

  it("send and receive at once", async () => {
    const bench = new Bench(options);
    const bridge = await bench.open();
    const data = Uint8Array.from({ length: 130 }, (_byte, at) => at);
    const into = new Uint8Array(130);
    await bridge.submit(transaction(SELECT, { kind: "exchange", data, into }), bench.in(3000));
    expectBytes(into, expected(0, 130));
    expect(bench.device.mosi).toEqual([-1, ...data]);
    await bridge.close();
    expect(bench.device.mosi.at(-1)).toBe(-2);
  });
});

describe("chip select", () => {
  it("stays low from one transaction to the next, and clocks run while it is high", async () => {
    const bench = new Bench();
    const bridge = await bench.open();
    bench.device.clear();
    await bridge.submit(transaction({ kind: "idle", bytes: 10 }), bench.in());
    expect(bench.device.mosi).toEqual(new Array(10).fill(0xff));
    bench.device.clear();
    await bridge.submit(transaction(SELECT, { kind: "write", data: Uint8Array.of(7) }), bench.in());
    const { into, segment } = read(2);
    await bridge.submit(transaction(segment), bench.in());
    expectBytes(into, expected(1, 2));
    await bridge.submit(transaction(DESELECT, { kind: "idle", bytes: 1 }), bench.in());
    expect(bench.device.mosi).toEqual([-1, 7, 0xff, 0xff, -2, 0xff]);
    expect(bench.rules()).toEqual([]);
  });

  it("and settings are sent only when they change", async () => {
    const bench = new Bench();
    const { bridge, hid } = await watched(bench);
    hid.written.length = 0;
    await bridge.submit(transaction(DESELECT, { kind: "idle", bytes: 20 }), bench.in());
    await bridge.submit(transaction(DESELECT, { kind: "idle", bytes: 20 }), bench.in());
    await bridge.configure({ frequencyHz: 400_000 });
    await bridge.submit(transaction({ kind: "idle", bytes: 20 }), bench.in());
    expect(hid.written.map((bytes) => bytes.slice(0, 2))).toEqual([
      ...["40", "42", "42"],
      ...["42", "42"],
      ...["42", "42"],
    ]);
  });
});

describe("long transactions", () => {
  it("are cut where the chip's counter ends", async () => {
    const bench = new Bench();
    const bridge = await bench.open();
    await bridge.configure({ frequencyHz: 12e6 });
    const before = bench.model.counters;
    const { into, segment } = read(65_535 + 100);
    await bridge.submit(transaction(SELECT, segment), bench.in(10_000));
    expectBytes(into, expected(0, 65_535 + 100));
    const { transactions, settingsWrites } = bench.model.counters;
    expect(transactions - before.transactions).toBe(2);
    // 65 535 was set with the clock.
    expect(settingsWrites - before.settingsWrites).toBe(1);
    expect(bench.rules()).toEqual([]);
  });

  it("take a report for each 60 bytes and one more, and no time but that", async () => {
    const bench = new Bench();
    const bridge = await bench.open();
    await bridge.configure({ frequencyHz: 12e6 });
    await bridge.submit(transaction(SELECT, read(6000).segment), bench.in());
    const before = bench.model.counters.outReports;
    const startUs = bench.clock.nowUs();
    await bridge.submit(transaction(read(6000).segment), bench.in());
    expect(bench.model.counters.outReports - before).toBe(101);
    expect(bench.clock.nowUs() - startUs).toBe(101 * 2000);
  });

  it("wait for a card that is busy", async () => {
    const bench = new Bench();
    const bridge = await bench.open();
    bench.device.busyUntil(bench.clock.nowUs() + 40_000);
    const parser = new ReadyParser();
    const receive: Segment = { kind: "receive", parser, hint: 4 };
    await bridge.submit(transaction(SELECT, receive), bench.in());
    expect([parser.status, parser.busyBytes > 0]).toEqual(["done", true]);
  });
});

describe("the clock", () => {
  it.each<[Partial<Mcp2210ModelOptions>, number, number]>([
    [{}, 400_000, 400_000],
    [{}, 25e6, 12e6],
    [{}, 5e6, 4e6],
    [{}, 1_800_000, 1_714_285],
    [{ rounding: "nearest" }, 1_800_000, 1_714_285],
    [{ rounding: "up" }, 1_800_000, 1_714_285],
    [{ divisors: "even" }, 1_800_000, 1_500_000],
    [{ divisors: "even", rounding: "up" }, 1_800_000, 1_500_000],
    [{ divisors: "even", rounding: "up" }, 6e6, 3e6],
    [{ divisors: "even", rounding: "nearest" }, 8e6, 3e6],
    [{}, 1500, 1500],
  ])("with %j, asked for %d Hz, is %d Hz", async (options, askedHz, frequencyHz) => {
    const bench = new Bench(options);
    const bridge = await bench.open();
    expect(await bridge.configure({ frequencyHz: askedHz })).toEqual({ frequencyHz });
    expect(bench.model.chip.frequencyHz).toBe(frequencyHz);
    // Another length is another 40: the clock has to come out of that one the same.
    await bridge.submit(transaction({ kind: "idle", bytes: 2 }), bench.in());
    expect(bench.model.chip.frequencyHz).toBe(frequencyHz);
    expect(bench.rules()).toEqual([]);
  });

  it("too slow for the chip is refused, and nothing is lost by that", async () => {
    const bench = new Bench();
    const bridge = await bench.open();
    expect(await codeOf(bridge.configure({ frequencyHz: 1000 }))).toBe("USAGE");
    expect(await codeOf(bridge.configure({ frequencyHz: 1500 }))).toBe("done");
  });

  it("at its slowest waits for each chunk instead of asking without end", async () => {
    const bench = new Bench();
    const bridge = await bench.open();
    await bridge.configure({ frequencyHz: 1500 });
    const { into, segment } = read(130);
    await bridge.submit(transaction(SELECT, segment), bench.in(3000));
    expectBytes(into, expected(0, 130));
    const { busyAnswers, polls, spiBytes } = bench.model.counters;
    expect(spiBytes).toBe(130);
    // 130 bytes are 693 ms; a try every 10 ms and a round trip.
    expect(busyAnswers + polls).toBeLessThan(693 / 12 + 5);
    expect(bench.rules()).toEqual([]);
  });
});
