import { describe, expect, test } from "@jest/globals";
import type { FtdiBridge } from "../../../src/bridge/ftdi/driver.js";
import type { Segment, Transaction } from "../../../src/spi/bridge.js";
import { TransportError } from "../../../src/transport/types.js";
import {
  Bench,
  type BenchOptions,
  codeOf,
  expectBytes,
  expected,
  transaction,
  WatchedUsb,
} from "./support.js";

const SELECT: Segment = { kind: "select" };
const DESELECT: Segment = { kind: "deselect" };

function read(length: number, ...before: Segment[]): { into: Uint8Array; all: Transaction } {
  const into = new Uint8Array(length);
  return { into, all: transaction(...before, { kind: "read", into }, DESELECT) };
}

async function fast(options: BenchOptions = {}): Promise<{ bench: Bench; bridge: FtdiBridge }> {
  const bench = new Bench(options);
  const bridge = await bench.open();
  await bridge.configure({ frequencyHz: 30e6 });
  bench.device.clear();
  return { bench, bridge };
}

/** The bridge works: a read brings the right bytes. */
async function expectSound(bench: Bench, bridge: FtdiBridge): Promise<void> {
  const { into, all } = read(2000, DESELECT, SELECT);
  await bridge.submit(all, bench.in());
  expectBytes(into, expected(0, into.length));
}

describe("time-outs", () => {
  test.each(["in", "out"] as const)(
    "a lost %s transfer: at the deadline, then out of step until abort",
    async (endpoint) => {
      const { bench, bridge } = await fast();
      const { outSubmitted, inSubmitted } = bench.model.counters;
      const transfer = endpoint === "in" ? inSubmitted : outSubmitted;
      bench.model.inject({ kind: "drop", endpoint, transfer });
      const startUs = bench.clock.nowUs();
      const lost = codeOf(bridge.submit(read(1000, SELECT).all, bench.in(50)));
      const behind = codeOf(bridge.submit(read(1000).all, bench.in(5000)));
      expect(await lost).toBe("BRIDGE_TIMEOUT");
      expect(await behind).toBe("BRIDGE_CANCELLED");
      expect(bench.clock.nowUs() - startUs).toBeLessThan(51_000);
      expect(await codeOf(bridge.submit(read(1000).all, bench.in()))).toBe("BRIDGE_SYNC");
      expect(await codeOf(bridge.configure({ frequencyHz: 1e6 }))).not.toBe("done");
      const level = await bridge.abort(bench.in());
      expect(["high", "low"]).toContain(level);
      await expectSound(bench, bridge);
      await bridge.close();
    },
  );

  test("the deadline is kept while many steps are in flight", async () => {
    const { bench, bridge } = await fast();
    const startUs = bench.clock.nowUs();
    const code = await codeOf(bridge.submit(read(1 << 20, SELECT).all, bench.in(60)));
    expect(code).toBe("BRIDGE_TIMEOUT");
    expect(bench.clock.nowUs() - startUs).toBeLessThan(61_000);
    await bridge.abort(bench.in());
    await expectSound(bench, bridge);
    await bridge.close();
  });

  test("a reply cut short by the bus", async () => {
    const { bench, bridge } = await fast();
    bench.model.inject({
      kind: "short",
      endpoint: "in",
      transfer: bench.model.counters.inSubmitted,
      bytes: 100,
    });
    expect(await codeOf(bridge.submit(read(1000, SELECT).all, bench.in(50)))).toBe(
      "BRIDGE_TIMEOUT",
    );
    await bridge.abort(bench.in());
    await expectSound(bench, bridge);
    await bridge.close();
  });

  test("an error of the transport passes as it is", async () => {
    const { bench, bridge } = await fast();
    bench.model.inject({
      kind: "fail",
      endpoint: "in",
      transfer: bench.model.counters.inSubmitted,
      code: "TRANSPORT_STALL",
    });
    expect(await codeOf(bridge.submit(read(1000, SELECT).all, bench.in()))).toBe("TRANSPORT_STALL");
    await bridge.abort(bench.in());
    await expectSound(bench, bridge);
    await bridge.close();
  });
});

describe("abort", () => {
  test.each(["float", "hold"] as const)(
    "at any time of a long read, pins that %s: CS says where it is, the clock is as before",
    async (pinsOnModeChange) => {
      for (let us = 10; us < 30_000; us = Math.ceil(us * 1.7)) {
        const { bench, bridge } = await fast({ pinsOnModeChange });
        const running = codeOf(bridge.submit(read(65_536, SELECT).all, bench.in()));
        await bench.clock.sleep(us);
        const level = await bridge.abort(bench.in());
        const code = await running;
        expect([us, code === "done" || code === "BRIDGE_CANCELLED"]).toEqual([us, true]);
        expect([us, level]).toEqual([us, bench.model.engine.cs]);
        if (code !== "done") expect([us, level]).toEqual([us, us < 60 ? "high" : "low"]);
        expect(bench.model.engine).toMatchObject({ frequencyHz: 30e6, midCommand: false });
        await expectSound(bench, bridge);
        await bridge.close();
      }
    },
  );

  test("with nothing in flight, CS low and high", async () => {
    const { bench, bridge } = await fast();
    expect(await bridge.abort(bench.in())).toBe("high");
    await bridge.submit(transaction(SELECT, { kind: "read", into: new Uint8Array(1) }), bench.in());
    expect(await bridge.abort(bench.in())).toBe("low");
    expect(bench.device.cs).toBe("low");
    await expectSound(bench, bridge);
    await bridge.close();
  });

  test("CS never rises on a chip whose pins hold", async () => {
    const { bench, bridge } = await fast({ pinsOnModeChange: "hold" });
    await bridge.submit(transaction(SELECT, { kind: "read", into: new Uint8Array(1) }), bench.in());
    await bridge.abort(bench.in());
    expect(bench.device.mosi).toEqual([-1, 0xff]);
    await bridge.close();
  });

  test("what is queued is failed, what comes after is run", async () => {
    const { bench, bridge } = await fast();
    const running = codeOf(bridge.submit(read(65_536, SELECT).all, bench.in()));
    const queued = codeOf(bridge.submit(read(100).all, bench.in()));
    await bench.clock.sleep(2000);
    const first = bridge.abort(bench.in());
    const second = bridge.abort(bench.in());
    const { into, all } = read(100, DESELECT, SELECT);
    const after = bridge.submit(all, bench.in());
    expect(await running).toBe("BRIDGE_CANCELLED");
    expect(await queued).toBe("BRIDGE_CANCELLED");
    expect(await first).toBe("low");
    expect(await second).toBe("low");
    expect((await after).status).toBe("done");
    expectBytes(into, expected(0, 100));
    await bridge.close();
  });

  test.each([
    ["says where it is", (pins: number) => Promise.resolve(Uint8Array.of(pins)), "low"],
    ["is not told: nothing comes", () => Promise.resolve(new Uint8Array(0)), "unknown"],
    [
      "is not told: the request is refused",
      () => Promise.reject(new TransportError("TRANSPORT_STALL", "refused")),
      "unknown",
    ],
  ] as const)("scripts cut short, and the CS pin %s", async (_, pinsRequest, level) => {
    const bench = new Bench();
    const bridge = await bench.open((transport) => {
      const watched = new WatchedUsb(transport);
      watched.controlIn = () => pinsRequest(0x02);
      return watched;
    });
    const running = codeOf(bridge.submit(read(2000, SELECT).all, bench.in()));
    await bench.clock.sleep(2000);
    expect(await bridge.abort(bench.in())).toBe(level);
    expect(await running).toBe("BRIDGE_CANCELLED");
    expect(bench.device.cs).toBe("low");
    await expectSound(bench, bridge);
    await bridge.close();
  });

  test("one that fails can be tried again", async () => {
    const { bench, bridge } = await fast();
    expect(await codeOf(bridge.abort({ atUs: bench.clock.nowUs() }))).toBe("BRIDGE_TIMEOUT");
    expect(await codeOf(bridge.submit(read(10).all, bench.in()))).toBe("BRIDGE_SYNC");
    expect(await bridge.abort(bench.in())).toBe("high");
    await expectSound(bench, bridge);
    await bridge.close();
  });
});

describe("unplug", () => {
  test("at every transfer of a session: TRANSPORT_DISCONNECTED, nothing hangs", async () => {
    const session = async (bench: Bench): Promise<string | undefined> => {
      const bridge = await bench.open();
      const work = async (): Promise<void> => {
        await bridge.configure({ frequencyHz: 30e6 });
        await bridge.submit(read(3000, SELECT).all, bench.in());
        await bridge.submit(
          transaction(SELECT, { kind: "write", data: new Uint8Array(600) }),
          bench.in(),
        );
        await bridge.abort(bench.in());
        await bridge.submit(transaction(DESELECT, { kind: "idle", bytes: 1 }), bench.in());
      };
      const outcome = await codeOf(work());
      await bridge.close();
      return outcome;
    };
    const whole = new Bench();
    expect(await session(whole)).toBe("done");
    const outcomes = new Map<string, number>();
    for (let at = 0; at < whole.model.submitted; at++) {
      const bench = new Bench();
      bench.model.unplug(at);
      const outcome = (await session(bench).catch((error) => error.code)) ?? "?";
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      expect([at, bench.clock.nowUs() < 200_000]).toEqual([at, true]);
    }
    expect([...outcomes.keys()].sort()).toEqual(["TRANSPORT_DISCONNECTED", "done"]);
    // Those after the last of the work: the close hides them.
    expect(outcomes.get("done")).toBeLessThanOrEqual(3);
  });

  test.each([1, 100, 5000])(
    "%i µs into a long read: running, queued and later ones all say so, at once",
    async (us) => {
      const { bench, bridge } = await fast();
      const running = codeOf(bridge.submit(read(1 << 20, SELECT).all, bench.in()));
      const queued = codeOf(bridge.submit(read(100).all, bench.in()));
      await bench.clock.sleep(us);
      const atUs = bench.clock.nowUs();
      bench.model.unplug();
      expect(await running).toBe("TRANSPORT_DISCONNECTED");
      expect(await queued).toBe("TRANSPORT_DISCONNECTED");
      expect(await codeOf(bridge.submit(read(1).all, bench.in()))).toBe("TRANSPORT_DISCONNECTED");
      expect(await codeOf(bridge.configure({ frequencyHz: 1e6 }))).toBe("TRANSPORT_DISCONNECTED");
      expect(await codeOf(bridge.abort(bench.in()))).toBe("TRANSPORT_DISCONNECTED");
      await bridge.close();
      expect(bench.clock.nowUs() - atUs).toBeLessThan(1000);
    },
  );
});

describe("close", () => {
  test("a chip that cannot be left in order is closed all the same", async () => {
    const bench = new Bench();
    const bridge = await bench.open();
    const { inSubmitted } = bench.model.counters;
    bench.model.inject({ kind: "drop", endpoint: "in", transfer: inSubmitted });
    const startUs = bench.clock.nowUs();
    await bridge.close();
    expect(bench.clock.nowUs() - startUs).toBeLessThan(1.1e6);
    await (await bench.open()).close();
  });

  test("CS high, engine off, everything in flight over; again: nothing", async () => {
    const bench = new Bench();
    let usb: WatchedUsb | undefined;
    const bridge = await bench.open((transport) => {
      usb = new WatchedUsb(transport);
      return usb;
    });
    await bridge.submit(transaction(SELECT), bench.in());
    const running = codeOf(bridge.submit(read(65_536).all, bench.in()));
    const queued = codeOf(bridge.submit(read(10).all, bench.in()));
    await bench.clock.sleep(3000);
    const closing = [bridge.close(), bridge.close()];
    expect(await running).toBe("BRIDGE_CANCELLED");
    expect(await queued).toBe("BRIDGE_CANCELLED");
    await Promise.all(closing);
    await bridge.close();
    expect(usb?.closed).toBe(1);
    expect(usb?.reading).toBe(0);
    expect(bench.device.cs).toBe("high");
    for (const late of [
      bridge.submit(read(10).all, bench.in()),
      bridge.configure({ frequencyHz: 1e6 }),
      bridge.abort(bench.in()),
    ]) {
      expect(await codeOf(late)).toBe("BRIDGE_CANCELLED");
    }
  });

  test("out of step: brought back once more, so that CS is high, even where pins hold", async () => {
    const { bench, bridge } = await fast({ pinsOnModeChange: "hold" });
    await bridge.submit(transaction(SELECT), bench.in());
    bench.model.inject({
      kind: "drop",
      endpoint: "in",
      transfer: bench.model.counters.inSubmitted,
    });
    expect(await codeOf(bridge.submit(read(10).all, bench.in(20)))).toBe("BRIDGE_TIMEOUT");
    await bridge.close();
    expect(bench.device.cs).toBe("high");
    const again = await bench.open();
    await again.close();
  });

  test("what the transport says when it closes is not hidden", async () => {
    const bench = new Bench();
    const bridge = await bench.open((transport) => {
      const close = (): Promise<void> =>
        transport.close().then(() => Promise.reject(new Error("left over")));
      const wrapped = new WatchedUsb(transport);
      wrapped.close = close;
      return wrapped;
    });
    await expect(bridge.close()).rejects.toThrow("left over");
  });
});
