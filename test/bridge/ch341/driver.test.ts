import { describe, expect, it } from "@jest/globals";
import { CH341_VOLTAGE_WARNING, openCh341 } from "../../../src/bridge/ch341/driver.js";
import type { Ch341ModelOptions } from "../../../src/sim/ch341/model.js";
import type { Segment } from "../../../src/spi/bridge.js";
import type { UsbTransport } from "../../../src/transport/types.js";
import { isMmcpstoreError } from "../../../src/util/errors.js";
import { DESELECT, reading, SELECT, WatchedBulk, watched } from "../bulk-bench.js";
import { codeOf, expectBytes, expected, ReadyParser, transaction } from "../ftdi/support.js";
import { Bench } from "./support.js";

const sent = (usb: WatchedBulk): string[] => usb.outs.map(({ hex }) => hex);

const OPTIONS: readonly (readonly [string, Partial<Ch341ModelOptions>])[] = [
  ["as documented", {}],
  ["at 2 MHz without gaps", { streamHz: 2e6, packetGapUs: 0 }],
  ["that holds two answers", { answersHeld: 2 }],
  ["a round trip in no time", { roundTripUs: 0, packetUs: 0 }],
];

describe("the start-up", () => {
  it("sends flashrom's packets, and asks for a byte and for the pins", async () => {
    const bench = new Bench();
    const { bridge, usb } = await watched(bench);
    expect(usb.outs).toEqual([
      { hex: `aa6100${"00".repeat(29)}abb77f20`, reading: 0 },
      { hex: "a8ff", reading: 1 },
      { hex: "ab0020", reading: 1 },
    ]);
    expect(bench.model.engine).toEqual({ cs: "high", wedged: false, spiBytes: 1 });
    expect([bridge.chip, bridge.readsPins]).toEqual([{ name: "CH341A" }, true]);
    expect(bridge.device).toMatchObject({ vendorId: 0x1a86, productId: 0x5512 });
    expect(bridge.capabilities).toMatchObject({
      fullDuplex: true,
      csHold: true,
      clocksWithCsHigh: true,
      hardwareWait: false,
      minFrequencyHz: 190_476,
      maxFrequencyHz: 1_500_000,
      bytesPerSecond: 133_000,
      offers: "spi",
    });
    await bridge.close();
    expect(sent(usb).at(-1)).toBe("abb74020");
    expect(usb.closed).toBe(1);
    expect(bench.rules()).toEqual([]);
  });

  it("fetches answers that another program has left behind", async () => {
    const bench = new Bench();
    const rude = bench.model.transport();
    for (let packet = 0; packet < 3; packet++)
      await rude.bulkOut(0x02, Uint8Array.of(0xa8, 1, 2, packet), bench.in()).done;
    await rude.close();
    const before = bench.rules();
    const bridge = await bench.opened();
    const { into, segment } = reading(100);
    await bridge.submit(transaction(SELECT, segment), bench.in());
    expectBytes(into, expected(0, 100));
    expect(bench.rules()).toEqual(before);
  });

  it("takes a clone that does not tell its pins only at the full clock, and says so", async () => {
    const clone = { pinReads: "ignored" } as const;
    const bench = new Bench(clone);
    const error: unknown = await bench.open().catch((reason: unknown) => reason);
    expect(isMmcpstoreError(error) && [error.code, error.hint]).toEqual([
      "BRIDGE_UNSUPPORTED",
      expect.stringContaining("fastIdentification"),
    ]);
    await bench.model.transport().close();
    const fast = new Bench(clone, { fastIdentification: true });
    const bridge = await fast.open();
    expect(bridge.readsPins).toBe(false);
    expect(bridge.capabilities.minFrequencyHz).toBe(1_500_000);
    const { into, segment } = reading(100);
    await bridge.submit(transaction(SELECT, segment), fast.in());
    expectBytes(into, expected(0, 100));
  });

  it.each([
    ["uart", "UART mode"],
    ["printer", "printer mode"],
  ] as const)(
    "refuses one in %s mode without a transfer, and gives it back",
    async (mode, text) => {
      const bench = new Bench({ mode });
      const error: unknown = await bench.open().catch((reason: unknown) => reason);
      expect(isMmcpstoreError(error) && error.code).toBe("BRIDGE_UNSUPPORTED");
      expect((error as Error).message).toContain(text);
      expect(isMmcpstoreError(error) && error.hint).toContain("1-2");
      expect(bench.model.submitted).toBe(0);
      await bench.model.transport().close();
    },
  );

  it("gives a chip up that says nothing, within its deadline", async () => {
    const bench = new Bench();
    for (let transfer = 0; transfer < 20; transfer++)
      bench.model.inject({ endpoint: "out", transfer, kind: "drop" });
    const opened = openCh341({
      transport: bench.model.transport(),
      clock: bench.clock,
      deadline: bench.in(700),
    });
    expect(await codeOf(opened)).toBe("BRIDGE_SYNC");
    expect(bench.clock.nowUs()).toBeLessThanOrEqual(720_000);
    await bench.model.transport().close();
  });

  it("gives a device up that never stops sending", async () => {
    const bench = new Bench();
    const inner = bench.model.transport();
    const babbler: UsbTransport = new WatchedBulk({
      ...{ device: inner.device, packetSize: () => 32, close: () => inner.close() },
      controlOut: () => inner.close(),
      controlIn: async () => new Uint8Array(0),
      bulkOut: () => ({ done: Promise.resolve(), cancel: () => undefined }),
      bulkIn: () => ({ done: Promise.resolve(new Uint8Array(31)), cancel: () => undefined }),
    });
    const opened = openCh341({ transport: babbler, clock: bench.clock });
    expect(await codeOf(opened)).toBe("BRIDGE_SYNC");
  });

  it("warns of 5 V in words that say what to measure", () => {
    expect(CH341_VOLTAGE_WARNING).toMatch(/5 V.*CS, SCK and MOSI/);
  });
});

describe.each(OPTIONS)("transactions: a chip %s", (_, options) => {
  it("bring every byte back, at every length around a packet's and a transfer's", async () => {
    const bench = new Bench(options);
    const bridge = await bench.opened();
    for (const length of [1, 2, 27, 28, 29, 31, 32, 62, 63, 988, 989, 990, 2000]) {
      const { into, segment } = reading(length);
      const write: Segment = { kind: "write", data: Uint8Array.of(0x51, 2, 3) };
      await bridge.submit(transaction(SELECT, write, segment, DESELECT), bench.in(3000));
      expectBytes(into, expected(3, length));
    }
    await bridge.close();
    expect(bench.rules()).toEqual([]);
  });

  it("send and receive at once", async () => {
    const bench = new Bench(options);
    const bridge = await bench.opened();
    bench.device.clear();
    const data = Uint8Array.from({ length: 300 }, (_byte, at) => at & 0xff);
    const into = new Uint8Array(data.length);
    await bridge.submit(transaction(SELECT, { kind: "exchange", data, into }), bench.in(3000));
    expectBytes(into, expected(0, data.length));
    expect(bench.device.mosi).toEqual([-1, ...data]);
    await bridge.close();
    expect(bench.device.mosi.at(-1)).toBe(-2);
    expect(bench.rules()).toEqual([]);
  });

  it("bit by bit too", async () => {
    const bench = new Bench(options);
    const bridge = await bench.open();
    bench.device.clear();
    const data = Uint8Array.from({ length: 40 }, (_byte, at) => (at * 73) & 0xff);
    const into = new Uint8Array(data.length);
    const { into: behind, segment } = reading(9);
    const exchange: Segment = { kind: "exchange", data, into };
    await bridge.submit(transaction(SELECT, exchange, segment, DESELECT), bench.in(3000));
    expectBytes(into, expected(0, data.length));
    expectBytes(behind, expected(data.length, 9));
    expect(bench.device.mosi).toEqual([-1, ...data, ...new Array<number>(9).fill(0xff), -2]);
    expect(bench.rules()).toEqual([]);
  });
});

describe("chip select", () => {
  it("stays low from one transaction to the next, and clocks run while it is high", async () => {
    const bench = new Bench();
    const bridge = await bench.opened();
    bench.device.clear();
    await bridge.submit(transaction({ kind: "idle", bytes: 10 }), bench.in());
    expect(bench.device.mosi).toEqual(new Array(10).fill(0xff));
    bench.device.clear();
    await bridge.submit(transaction(SELECT, { kind: "write", data: Uint8Array.of(7) }), bench.in());
    const { into, segment } = reading(2);
    await bridge.submit(transaction(segment), bench.in());
    expectBytes(into, expected(1, 2));
    await bridge.submit(transaction(DESELECT, { kind: "idle", bytes: 1 }), bench.in());
    expect(bench.device.mosi).toEqual([-1, 7, 0xff, 0xff, -2, 0xff]);
    expect(bench.rules()).toEqual([]);
  });
});

describe("long reads", () => {
  it("have an IN transfer posted for every packet before it is sent, and never so few that the chip waits", async () => {
    const bench = new Bench();
    const { bridge, usb } = await watched(bench);
    await bridge.configure({ frequencyHz: 1.5e6 });
    usb.outs.length = 0;
    usb.ins.length = 0;
    const { into, segment } = reading(31 * 32 * 5);
    await bridge.submit(transaction(SELECT, segment), bench.in());
    expectBytes(into, expected(0, into.length));
    const packets = usb.outs.map(({ hex }) => hex.length / 64);
    expect(Math.max(...packets)).toBe(32);
    for (const { hex, reading: posted } of usb.outs)
      expect(posted).toBeGreaterThanOrEqual(Math.floor(hex.length / 64) - 1);
    expect(usb.ins).toEqual(new Array(32 * 5).fill(32));
    expect(Math.max(...usb.outs.map(({ reading: posted }) => posted))).toBe(96);
    expect(bench.rules()).toEqual([]);
  });

  it("run at the 133 kB/s that others measured", async () => {
    const bench = new Bench();
    const bridge = await bench.opened();
    const startUs = bench.clock.nowUs();
    await bridge.submit(transaction(SELECT, reading(60_000).segment), bench.in());
    const rate = (60_000 * 1e6) / (bench.clock.nowUs() - startUs);
    expect([rate > 128_000, rate < 134_000]).toEqual([true, true]);
  });

  it("wait for a card that is busy", async () => {
    const bench = new Bench();
    const bridge = await bench.opened();
    bench.device.busyUntil(bench.clock.nowUs() + 40_000);
    const parser = new ReadyParser();
    const receive: Segment = { kind: "receive", parser, hint: 4 };
    await bridge.submit(transaction(SELECT, receive), bench.in());
    expect([parser.status, parser.busyBytes > 0]).toEqual(["done", true]);
  });
});

describe("the clock", () => {
  it.each([
    [190_476, 190_476],
    [400_000, 190_476],
    [1_499_999, 190_476],
    [1_500_000, 1_500_000],
    [25e6, 1_500_000],
  ])("asked for %d Hz, is %d Hz", async (askedHz, frequencyHz) => {
    const bench = new Bench();
    const bridge = await bench.open();
    expect(await bridge.configure({ frequencyHz: askedHz })).toEqual({ frequencyHz });
  });

  it.each([
    [{}, 100_000, 190_476],
    [{ fastIdentification: true }, 400_000, 1_500_000],
  ])(
    "with %j too slow for the chip is refused, and nothing is lost by that",
    async (options, askedHz, leastHz) => {
      const bench = new Bench({}, options);
      const bridge = await bench.open();
      expect(await codeOf(bridge.configure({ frequencyHz: askedHz }))).toBe("USAGE");
      expect(await codeOf(bridge.configure({ frequencyHz: leastHz }))).toBe("done");
    },
  );

  it("of bits moved one by one is what the device sees", async () => {
    const seen: number[] = [];
    const bench = new Bench();
    const { exchange } = bench.device;
    bench.device.exchange = (mosi, miso, length, timing) => {
      seen.push(8e6 / timing.usPerByte);
      exchange.call(bench.device, mosi, miso, length, timing);
    };
    const bridge = await bench.open();
    seen.length = 0;
    await bridge.submit(transaction(SELECT, reading(5).segment), bench.in());
    expect(seen).toHaveLength(5);
    for (const hz of seen) expect(hz).toBeLessThanOrEqual(400_000);
  });
});
