import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import type { FtdiBridge } from "../../../src/bridge/ftdi/driver.js";
import type { Segment } from "../../../src/spi/bridge.js";
import {
  Bench,
  type BenchOptions,
  CountingDevice,
  codeOf,
  expectBytes,
  expected,
  ReadyParser,
  transaction,
  WatchedUsb,
} from "./support.js";

async function opened(
  options: BenchOptions = {},
  frequencyHz = 30e6,
): Promise<{ bench: Bench; bridge: FtdiBridge; usb: WatchedUsb }> {
  const bench = new Bench(options);
  let usb: WatchedUsb | undefined;
  const bridge = await bench.open((transport) => {
    usb = new WatchedUsb(transport);
    return usb;
  });
  await bridge.configure({ frequencyHz });
  bench.device.clear();
  return { bench, bridge, usb: usb as WatchedUsb };
}

const SELECT: Segment = { kind: "select" };
const DESELECT: Segment = { kind: "deselect" };

const CHIPS = [
  ["ft232h", 512],
  ["ft232h", 64],
  ["ft2232h", 512],
  ["ft4232h", 64],
] as const;

describe("transactions", () => {
  test.each(CHIPS)(
    "a 64 KiB read is one OUT and one IN with payload: %s, packets of %i",
    async (chip, packetSize) => {
      const { bench, bridge } = await opened({ chip, packetSize });
      const into = new Uint8Array(65536);
      const before = bench.model.counters;
      await bridge.submit(transaction(SELECT, { kind: "read", into }, DESELECT), bench.in());
      const after = bench.model.counters;
      expectBytes(into, expected(0, into.length));
      expect(after.outTransfers - before.outTransfers).toBe(1);
      expect(after.inTransfersWithPayload - before.inTransfersWithPayload).toBe(1);
      await bridge.close();
      expect(bench.rules()).toEqual([]);
    },
  );

  test.each(CHIPS)(
    "66 000 bytes full duplex through a small FIFO: %s, packets of %i",
    async (chip, packetSize) => {
      const { bench, bridge } = await opened({ chip, packetSize });
      const data = Uint8Array.from({ length: 66_000 }, (_, at) => (at * 5) & 0xff);
      const into = new Uint8Array(data.length);
      const segment: Segment = { kind: "exchange", data, into };
      await bridge.submit(transaction(SELECT, segment, DESELECT), bench.in());
      expectBytes(into, expected(0, data.length));
      expect(bench.device.mosi.slice(1, 4000)).toEqual([...data.subarray(0, 3999)]);
      await bridge.close();
      expect(bench.rules()).toEqual([]);
    },
  );

  test("1 MiB streams: the next step is on its way while the last one arrives", async () => {
    const { bench, bridge, usb } = await opened();
    const into = new Uint8Array(1 << 20);
    const startUs = bench.clock.nowUs();
    await bridge.submit(transaction(SELECT, { kind: "read", into }, DESELECT), bench.in(5000));
    const us = bench.clock.nowUs() - startUs;
    expectBytes(into, expected(0, into.length));
    expect(usb.mostReading).toBeGreaterThanOrEqual(2);
    expect(us).toBeLessThan(((into.length * 8) / 30) * 1.005);
    await bridge.close();
    expect(bench.rules()).toEqual([]);
  });

  test("every OUT that brings something back has its IN posted before it", async () => {
    const { bench, bridge, usb } = await opened();
    const into = new Uint8Array(3000);
    for (let round = 0; round < 3; round++) {
      await bridge.submit(transaction(SELECT, { kind: "read", into }, DESELECT), bench.in());
    }
    const answered = usb.outs.filter(({ data }) => data.at(-1) === 0x87);
    expect(answered.length).toBeGreaterThan(10);
    expect(answered.every(({ reading }) => reading > 0)).toBe(true);
    await bridge.close();
    expect(usb.reading).toBe(0);
  });

  test.each([
    [512, "status"],
    [512, "nothing"],
    [64, "status"],
    [64, "nothing"],
  ] as const)(
    "lengths around packets of %i; a flush with nothing to send gives %s",
    async (packetSize, flushWhenEmpty) => {
      const { bench, bridge } = await opened({ packetSize, flushWhenEmpty });
      for (const length of [1, 2, 61, 62, 63, 124, 509, 510, 511, 1019, 1020, 1021, 1024, 5100]) {
        const first = new Uint8Array(length);
        const second = new Uint8Array(length);
        await bridge.submit(
          transaction(
            SELECT,
            { kind: "read", into: first },
            DESELECT,
            SELECT,
            { kind: "read", into: second },
            DESELECT,
          ),
          bench.in(),
        );
        expectBytes(first, expected(0, length));
        expectBytes(second, expected(0, length));
      }
      await bridge.close();
      expect(bench.rules()).toEqual([]);
    },
  );

  test("at 400 kHz, where the latency timer cuts each reply into pieces", async () => {
    const { bench, bridge } = await opened({}, 400_000);
    const into = new Uint8Array(3000);
    await bridge.submit(transaction(SELECT, { kind: "read", into }, DESELECT), bench.in());
    expectBytes(into, expected(0, 3000));
    expect(bench.model.counters.inTransfersWithPayload).toBeGreaterThan(50);
    await bridge.close();
  });

  test("start-up clocks with CS high, MOSI high; CS stays where a transaction leaves it", async () => {
    const { bench, bridge } = await opened();
    await bridge.submit(transaction({ kind: "idle", bytes: 10 }), bench.in());
    await bridge.submit(
      transaction(SELECT, { kind: "write", data: Uint8Array.of(0x40, 0) }),
      bench.in(),
    );
    const into = new Uint8Array(2);
    await bridge.submit(transaction({ kind: "read", into }), bench.in());
    expect(bench.device.cs).toBe("low");
    expectBytes(into, expected(2, 2));
    expect(bench.device.mosi).toEqual([...new Array(10).fill(0xff), -1, 0x40, 0, 0xff, 0xff]);
    await bridge.close();
    expect(bench.device.cs).toBe("high");
    expect(bench.rules()).toEqual([]);
  });

  test("any segments: the device sees what was meant and the caller gets what it said", async () => {
    const small = fc.integer({ min: 1, max: 700 });
    const plan = fc.array(
      fc.oneof(
        fc.constantFrom("select" as const, "deselect" as const).map((kind) => ({ kind })),
        fc.record({ kind: fc.constantFrom("read" as const, "idle" as const), length: small }),
        fc.record({
          kind: fc.constantFrom("write" as const, "exchange" as const),
          data: fc.uint8Array({ minLength: 1, maxLength: 700 }),
        }),
      ),
      { minLength: 1, maxLength: 10 },
    );
    const sizes = fc.constantFrom<512 | 64>(512, 64);
    await fc.assert(
      fc.asyncProperty(plan, sizes, async (steps, packetSize) => {
        const { bench, bridge } = await opened({ packetSize, driver: { selfTest: false } });
        const reference = new CountingDevice();
        const segments: Segment[] = [];
        const wanted: Uint8Array[] = [];
        for (const step of steps) {
          const segment = segmentOf(step);
          segments.push(segment);
          wanted.push(runOn(reference, segment));
        }
        await bridge.submit(transaction(...segments), bench.in());
        const got = segments.map((segment) =>
          "into" in segment ? segment.into : new Uint8Array(0),
        );
        expect(got).toEqual(wanted);
        await settle(bench);
        expect(bench.device.mosi).toEqual(reference.mosi);
        await bridge.close();
        expect(bench.rules()).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });
});

type Planned =
  | { readonly kind: "select" | "deselect" }
  | { readonly kind: "read" | "idle"; readonly length: number }
  | { readonly kind: "write" | "exchange"; readonly data: Uint8Array };

function segmentOf(step: Planned): Segment {
  switch (step.kind) {
    case "read":
      return { kind: "read", into: new Uint8Array(step.length) };
    case "idle":
      return { kind: "idle", bytes: step.length };
    case "write":
      return { kind: "write", data: step.data };
    case "exchange":
      return { kind: "exchange", data: step.data, into: new Uint8Array(step.data.length) };
    default:
      return { kind: step.kind };
  }
}

/** What the segment brings on a device without anything in between. */
function runOn(device: CountingDevice, segment: Segment): Uint8Array {
  const timing = { startUs: 0, usPerByte: 0 };
  const into = new Uint8Array("into" in segment ? segment.into.length : 0);
  if (segment.kind === "select") device.setCs("low");
  else if (segment.kind === "deselect") device.setCs("high");
  else if (segment.kind === "idle") device.exchange(undefined, undefined, segment.bytes, timing);
  else if (segment.kind === "read") device.exchange(undefined, into, into.length, timing);
  else if (segment.kind === "write") {
    device.exchange(segment.data, undefined, segment.data.length, timing);
  } else if (segment.kind === "exchange") {
    device.exchange(segment.data, into, into.length, timing);
  }
  return into;
}

/** Until the engine has done what nobody waits for. */
async function settle(bench: Bench): Promise<void> {
  do await bench.clock.sleep(1000);
  while (bench.model.engine.midCommand);
}

describe("clock", () => {
  test("what was asked for, rounded down; what is really set comes back", async () => {
    const { bench, bridge } = await opened();
    for (const [asked, set] of [
      [400_000, 400_000],
      [25e6, 15e6],
      [30e6, 30e6],
      [99e6, 30e6],
      [12e6, 10e6],
    ] as const) {
      expect(await bridge.configure({ frequencyHz: asked })).toEqual({ frequencyHz: set });
      await settle(bench);
      expect(bench.model.engine.frequencyHz).toBe(set);
    }
    await bridge.close();
    expect(bench.rules()).toEqual([]);
  });

  test("refused while CS is low, and below what the divisor gives; the bridge goes on", async () => {
    const { bench, bridge } = await opened();
    expect(await codeOf(bridge.configure({ frequencyHz: 100 }))).toBe("USAGE");
    await bridge.submit(transaction(SELECT), bench.in());
    expect(await codeOf(bridge.configure({ frequencyHz: 1e6 }))).toBe("INTERNAL");
    await bridge.submit(transaction(DESELECT), bench.in());
    expect(await bridge.configure({ frequencyHz: 1e6 })).toEqual({ frequencyHz: 1e6 });
    await bridge.close();
    expect(bench.rules()).toEqual([]);
  });
});

describe("queue", () => {
  test("runs in the order of the submits", async () => {
    const { bench, bridge } = await opened();
    const order: number[] = [];
    const write = (value: number): Promise<unknown> =>
      bridge
        .submit(
          transaction(SELECT, { kind: "write", data: Uint8Array.of(value) }, DESELECT),
          bench.in(),
        )
        .then(() => order.push(value));
    await Promise.all([
      write(1),
      write(2),
      bridge.configure({ frequencyHz: 1e6 }),
      write(3),
      write(4),
    ]);
    await settle(bench);
    expect(order).toEqual([1, 2, 3, 4]);
    expect(bench.device.mosi.filter((byte) => byte >= 0)).toEqual([1, 2, 3, 4]);
    await bridge.close();
  });

  test("a deadline that has passed sends nothing, fails those behind it, and needs no abort", async () => {
    const { bench, bridge } = await opened();
    const late = bridge.submit(transaction(SELECT), { atUs: bench.clock.nowUs() });
    const behind = bridge.submit(transaction(SELECT), bench.in());
    expect(await codeOf(late)).toBe("BRIDGE_TIMEOUT");
    expect(await codeOf(behind)).toBe("BRIDGE_CANCELLED");
    await settle(bench);
    expect(bench.device.mosi).toEqual([]);
    expect(await codeOf(bridge.submit(transaction(SELECT, DESELECT), bench.in()))).toBe("done");
    await bridge.close();
  });

  test("a failed parser stops its transaction only", async () => {
    const { bench, bridge } = await opened();
    const parser = { status: "more" as "more" | "failed", atLeast: 1, push: () => 1 };
    parser.push = () => {
      parser.status = "failed";
      return 1;
    };
    const stopped = bridge.submit(
      transaction(
        SELECT,
        { kind: "receive", parser, hint: 4 },
        { kind: "write", data: Uint8Array.of(0x77) },
      ),
      bench.in(),
    );
    const next = bridge.submit(transaction(DESELECT), bench.in());
    expect(await stopped).toEqual({ status: "stopped", segment: 1 });
    expect(await next).toEqual({ status: "done", segment: 0 });
    await settle(bench);
    expect(bench.device.mosi).not.toContain(0x77);
    await bridge.close();
  });
});

describe("hardware wait", () => {
  test.each(["byte", "clock"] as const)(
    "the chip waits by itself, stopping after any %s",
    async (waitGranularity) => {
      const { bench, bridge } = await opened({
        misoOnGpiol1: true,
        waitGranularity,
        driver: { hardwareWait: true },
      });
      expect(bridge.capabilities.hardwareWait).toBe(true);
      const parser = new ReadyParser();
      bench.device.busyUntil(bench.clock.nowUs() + 5000);
      const before = bench.model.counters;
      await bridge.submit(
        transaction(SELECT, { kind: "receive", parser, hint: 4, wait: "ready" }, DESELECT),
        bench.in(),
      );
      const after = bench.model.counters;
      expect(parser.status).toBe("done");
      expect(parser.busyBytes).toBeLessThanOrEqual(1);
      expect(after.inTransfersWithPayload - before.inTransfersWithPayload).toBe(1);
      await bridge.close();
      expect(bench.rules()).toEqual([]);
    },
  );

  test("a card that stays busy: polled until the deadline, then abort works", async () => {
    const { bench, bridge } = await opened({ misoOnGpiol1: true, driver: { hardwareWait: true } });
    bench.device.busyUntil(1e12);
    const segment: Segment = { kind: "receive", parser: new ReadyParser(), hint: 4, wait: "ready" };
    const startUs = bench.clock.nowUs();
    expect(await codeOf(bridge.submit(transaction(SELECT, segment), bench.in(250)))).toBe(
      "BRIDGE_TIMEOUT",
    );
    expect(bench.clock.nowUs() - startUs).toBeLessThan(260_000);
    expect(await bridge.abort(bench.in())).toBe("low");
    await bridge.close();
  });

  test("without the option it polls", async () => {
    const { bench, bridge } = await opened({ misoOnGpiol1: true });
    bench.device.busyUntil(bench.clock.nowUs() + 5000);
    const parser = new ReadyParser();
    const segment: Segment = { kind: "receive", parser, hint: 4, wait: "ready" };
    await bridge.submit(transaction(SELECT, segment, DESELECT), bench.in());
    expect(parser.busyBytes).toBeGreaterThan(100);
    await bridge.close();
  });
});
