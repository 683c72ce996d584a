import { describe, expect, it } from "@jest/globals";
import { errorCode, isMmcpstoreError } from "../../../src/util/errors.js";
import { readFrame } from "../bulk-bench.js";
import { testFailures } from "../bulk-failures.js";
import { codeOf } from "../ftdi/support.js";
import { Bench } from "./support.js";

describe("high speed", () =>
  testFailures({ make: () => new Bench(), longRead: 90_000, shortRead: 1200 }));
describe("full speed", () =>
  testFailures({ make: () => new Bench({ packetSize: 64 }), longRead: 20_000, shortRead: 600 }));

describe("an answer that is not the one that was asked for", () => {
  /** Bits of the first IN transfer of a read: command, low and high byte of its length. */
  it.each([
    ["another command", 7],
    ["fewer bytes", 8 + 6],
    ["more bytes than a frame can have", 16 + 4],
  ])("is told from it: %s", async (_, bit) => {
    const bench = new Bench();
    const bridge = await bench.opened();
    bench.model.inject({
      endpoint: "in",
      transfer: bench.model.counters.inSubmitted,
      kind: "flip",
      bit,
    });
    const error: unknown = await readFrame(bench, bridge, 100).catch((reason: unknown) => reason);
    expect(errorCode(error)).toBe("BRIDGE_PROTOCOL");
    expect(await codeOf(readFrame(bench, bridge, 10))).toBe("BRIDGE_SYNC");
    await bridge.abort(bench.in());
    await readFrame(bench, bridge, 1000);
    expect(bench.rules()).toEqual([]);
  });

  it("is a write that the chip refuses", async () => {
    const bench = new Bench();
    const bridge = await bench.opened();
    // C4 01 00 and its status.
    bench.model.inject({
      endpoint: "in",
      transfer: bench.model.counters.inSubmitted,
      kind: "flip",
      bit: 24 + 7,
    });
    const write = { label: "test", segments: [{ kind: "idle", bytes: 5 }] } as const;
    const error: unknown = await bridge.submit(write, bench.in()).catch((one: unknown) => one);
    expect(isMmcpstoreError(error) && [error.code, error.details]).toEqual([
      "BRIDGE_PROTOCOL",
      { status: 1 },
    ]);
  });

  it("cut short by the end of a transfer ends at the deadline", async () => {
    const bench = new Bench();
    const bridge = await bench.opened();
    const transfer = bench.model.counters.inSubmitted;
    bench.model.inject({ endpoint: "in", transfer, kind: "short", bytes: 40 });
    expect(await codeOf(readFrame(bench, bridge, 100, 500))).toBe("BRIDGE_TIMEOUT");
    await bridge.abort(bench.in());
    await readFrame(bench, bridge, 100);
  });
});

describe("a command that is cut off between two packets", () => {
  it("is not taken for the beginning of the next one", async () => {
    let cut = 0;
    for (let us = 60; us < 1500; us += 90) {
      const bench = new Bench({ packetSize: 64 });
      const bridge = await bench.opened();
      const write = { label: "test", segments: [{ kind: "idle", bytes: 1500 }] } as const;
      const running = codeOf(bridge.submit(write, bench.in()));
      await bench.clock.sleep(us);
      expect([us, await codeOf(bridge.abort(bench.in()))]).toEqual([us, "done"]);
      await running;
      await readFrame(bench, bridge, 600);
      cut += bench.rules().filter((rule) => rule.startsWith("malformed: 0xc4")).length;
    }
    expect(cut).toBeGreaterThan(0);
  });
});

describe("a long read that is aborted", () => {
  it("is fetched to its end, and what comes after it is not mixed up with it", async () => {
    const bench = new Bench();
    const bridge = await bench.open();
    const running = codeOf(readFrame(bench, bridge, 60_000, 60_000));
    // At the slowest clock, in one of the reads of 2535 bytes that it is made of.
    await bench.clock.sleep(400_000);
    const startUs = bench.clock.nowUs();
    await bridge.abort(bench.in());
    expect(bench.clock.nowUs() - startUs).toBeLessThan(90_000);
    expect(await running).toBe("BRIDGE_CANCELLED");
    await readFrame(bench, bridge, 2000);
  });
});
