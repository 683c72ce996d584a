import { describe, expect, it } from "@jest/globals";
import { openCh347 } from "../../../src/bridge/ch347/driver.js";
import type { Ch347ModelOptions } from "../../../src/sim/ch347/model.js";
import type { Segment } from "../../../src/spi/bridge.js";
import type { UsbTransport } from "../../../src/transport/types.js";
import { fromHex } from "../../../src/util/bytes.js";
import { DESELECT, reading, SELECT, WatchedBulk, watched } from "../bulk-bench.js";
import { codeOf, expectBytes, expected, ReadyParser, transaction } from "../ftdi/support.js";
import { Bench } from "./support.js";
import { CS_HIGH, CS_LOW, READ_CONFIG, SETTINGS_15_MHZ, SETTINGS_SLOWEST } from "./vectors.js";

const bare = (hex: string): string => hex.replaceAll(" ", "");
const sent = (usb: WatchedBulk): string[] => usb.outs.map(({ hex }) => hex);

const OPTIONS: readonly (readonly [string, Partial<Ch347ModelOptions>])[] = [
  ["as documented", {}],
  ["behind a full-speed hub", { packetSize: 64 }],
  ["there, without empty packets", { packetSize: 64, zeroLengthPackets: false }],
  ["with answers split", { splitBytes: 200 }],
  ["with answers split in its head", { splitBytes: 2 }],
  ["one frame held", { framesHeld: 1 }],
  ["a round trip in no time", { roundTripUs: 0, turnaroundUs: 0 }],
];

describe("the start-up", () => {
  it("sends these transfers, each with an IN transfer posted for its answer", async () => {
    const bench = new Bench();
    const { bridge, usb } = await watched(bench);
    expect(usb.outs).toEqual(
      [
        { hex: READ_CONFIG, reading: 1 },
        { hex: SETTINGS_SLOWEST, reading: 1 },
        { hex: CS_HIGH, reading: 0 },
        { hex: READ_CONFIG, reading: 1 },
      ].map(({ hex, reading: posted }) => ({ hex: bare(hex), reading: posted })),
    );
    expect(bench.model.engine).toMatchObject({ cs: "high", frequencyHz: 468_750, spiBytes: 0 });
    expect(bridge.chip).toEqual({ name: "CH347T" });
    expect(bridge.device).toMatchObject({ vendorId: 0x1a86, productId: 0x55db });
    expect(bridge.capabilities).toMatchObject({
      fullDuplex: true,
      csHold: true,
      clocksWithCsHigh: true,
      hardwareWait: false,
      minFrequencyHz: 468_750,
      maxFrequencyHz: 60e6,
      offers: "spi",
    });
    await bridge.close();
    expect(sent(usb).slice(4)).toEqual([CS_HIGH, READ_CONFIG].map(bare));
    expect(usb.closed).toBe(1);
    expect(bench.rules()).toEqual([]);
  });

  it("takes what another program has left behind for what it is", async () => {
    const bench = new Bench();
    const rude = bench.model.transport();
    // flashrom, killed in a read of 64 KiB.
    for (const hex of [SETTINGS_15_MHZ, "c3 0400 00000100"]) {
      await rude.bulkOut(0x06, fromHex(hex), bench.in()).done;
      await rude.bulkIn(0x86, 512, bench.in()).done;
    }
    await rude.close();
    const bridge = await bench.open();
    const { into, segment } = reading(700);
    await bridge.submit(transaction(SELECT, segment), bench.in());
    expectBytes(into, expected(0, 700));
    expect(bench.rules()).toEqual([]);
  });

  it("does not heed what the chip says of its settings, as flashrom does not", async () => {
    const bench = new Bench({ settingsStatus: 1 });
    expect(await codeOf(bench.open())).toBe("done");
  });

  it("gives a chip up that says nothing, within its deadline", async () => {
    const bench = new Bench();
    for (let transfer = 0; transfer < 20; transfer++)
      bench.model.inject({ endpoint: "out", transfer, kind: "drop" });
    const opened = openCh347({
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
      ...{ device: inner.device, packetSize: () => 512, close: () => inner.close() },
      controlOut: () => inner.close(),
      controlIn: async () => new Uint8Array(0),
      bulkOut: () => ({ done: Promise.resolve(), cancel: () => undefined }),
      bulkIn: () => ({ done: Promise.resolve(new Uint8Array(510)), cancel: () => undefined }),
    });
    const opened = openCh347({ transport: babbler, clock: bench.clock });
    expect(await codeOf(opened)).toBe("BRIDGE_SYNC");
  });
});

describe.each(OPTIONS)("transactions: %s", (_, options) => {
  it("bring every byte back, at every length around a frame's", async () => {
    const bench = new Bench(options);
    const bridge = await bench.opened();
    for (const length of [1, 2, 58, 61, 64, 125, 503, 504, 505, 507, 508, 1014, 1018, 5000]) {
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
    const data = Uint8Array.from({ length: 1100 }, (_byte, at) => at & 0xff);
    const into = new Uint8Array(data.length);
    await bridge.submit(transaction(SELECT, { kind: "exchange", data, into }), bench.in(3000));
    expectBytes(into, expected(0, data.length));
    expect(bench.device.mosi).toEqual([-1, ...data]);
    await bridge.close();
    expect(bench.device.mosi.at(-1)).toBe(-2);
    expect(bench.rules()).toEqual([]);
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
    const { into, segment } = reading(2);
    await bridge.submit(transaction(segment), bench.in());
    expectBytes(into, expected(1, 2));
    await bridge.submit(transaction(DESELECT, { kind: "idle", bytes: 1 }), bench.in());
    expect(bench.device.mosi).toEqual([-1, 7, 0xff, 0xff, -2, 0xff]);
    expect(bench.rules()).toEqual([]);
  });

  it("and a card's command are these transfers", async () => {
    const bench = new Bench();
    const { bridge, usb } = await watched(bench);
    usb.outs.length = 0;
    const write: Segment = { kind: "write", data: Uint8Array.of(0x40, 0, 0, 0, 0, 0x95) };
    const { segment } = reading(8);
    await bridge.submit(transaction(SELECT, write, segment, DESELECT), bench.in());
    const exchange = "c20e00400000000095ffffffffffffffff";
    expect(sent(usb)).toEqual([bare(CS_LOW), exchange, bare(CS_HIGH)]);
  });
});

describe("long reads", () => {
  it("are one command, with IN transfers of a packet each posted ahead, and no more than their frames", async () => {
    const bench = new Bench();
    const { bridge, usb } = await watched(bench);
    await bridge.configure({ frequencyHz: 15e6 });
    usb.outs.length = 0;
    usb.ins.length = 0;
    const { into, segment } = reading(66_048);
    await bridge.submit(transaction(SELECT, segment), bench.in());
    expectBytes(into, expected(0, 66_048));
    // A planner's slice, and the rest.
    const frames = Math.ceil(66_048 / 507);
    expect(sent(usb)[1]?.slice(0, 6)).toBe("c30400");
    expect(usb.outs[1]?.reading).toBe(64);
    expect(usb.ins).toEqual(new Array(frames).fill(512));
    expect(bench.rules()).toEqual([]);
  });

  it("behind a full-speed hub end with an IN transfer that is no longer than the rest", async () => {
    const bench = new Bench({ packetSize: 64 });
    const { bridge, usb } = await watched(bench);
    await bridge.configure({ frequencyHz: 15e6 });
    usb.ins.length = 0;
    await bridge.submit(transaction(SELECT, reading(507 + 61).segment), bench.in());
    expect(usb.ins.slice(0, 2)).toEqual([512, 64]);
  });

  it("at the slowest clock are cut into some that take 50 ms at most", async () => {
    const bench = new Bench();
    const { bridge, usb } = await watched(bench);
    usb.outs.length = 0;
    const { into, segment } = reading(6000);
    await bridge.submit(transaction(SELECT, segment), bench.in());
    expectBytes(into, expected(0, 6000));
    expect(sent(usb)).toEqual(
      [CS_LOW, "c3 0400 e7090000", "c3 0400 e7090000", "c3 0400 a2030000"].map(bare),
    );
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

  it("overtake nothing: four submits at once end in order", async () => {
    const bench = new Bench();
    const bridge = await bench.opened();
    const ended: number[] = [];
    await bridge.submit(transaction(SELECT), bench.in());
    const reads = [0, 1, 2, 3].map(async (index) => {
      const { into, segment } = reading(3000);
      await bridge.submit(transaction(segment), bench.in());
      expectBytes(into, expected(index * 3000, 3000));
      ended.push(index);
    });
    await Promise.all(reads);
    expect(ended).toEqual([0, 1, 2, 3]);
    expect(bench.rules()).toEqual([]);
  });
});

describe("the clock", () => {
  it.each([
    [468_750, 468_750],
    [900_000, 468_750],
    [10e6, 7.5e6],
    [25e6, 15e6],
    [30e6, 30e6],
    [100e6, 60e6],
  ])("asked for %d Hz, is %d Hz", async (askedHz, frequencyHz) => {
    const bench = new Bench();
    const bridge = await bench.open();
    expect(await bridge.configure({ frequencyHz: askedHz })).toEqual({ frequencyHz });
    expect(bench.model.engine.frequencyHz).toBe(frequencyHz);
    expect(bench.rules()).toEqual([]);
  });

  it("is set by the settings, and only when it changes", async () => {
    const bench = new Bench();
    const { bridge, usb } = await watched(bench);
    usb.outs.length = 0;
    await bridge.configure({ frequencyHz: 15e6 });
    await bridge.configure({ frequencyHz: 20e6 });
    expect(sent(usb)).toEqual([bare(SETTINGS_15_MHZ)]);
  });

  it("too slow for the chip is refused, and nothing is lost by that", async () => {
    const bench = new Bench();
    const bridge = await bench.open();
    expect(await codeOf(bridge.configure({ frequencyHz: 400_000 }))).toBe("USAGE");
    expect(await codeOf(bridge.configure({ frequencyHz: 468_750 }))).toBe("done");
  });

  it("is what it was after an abort", async () => {
    const bench = new Bench();
    const bridge = await bench.opened();
    await bridge.abort(bench.in());
    expect(bench.model.engine.frequencyHz).toBe(60e6);
    expect(bench.rules()).toEqual([]);
  });
});
