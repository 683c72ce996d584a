import { describe, expect, it } from "@jest/globals";
import { errorCode } from "../../../src/util/errors.js";
import { readFrame } from "../bulk-bench.js";
import { testFailures } from "../bulk-failures.js";
import { codeOf } from "../ftdi/support.js";
import { Bench } from "./support.js";

const LENGTHS = { longRead: 30_000, shortRead: 130 };

describe("a chip that tells its pins", () =>
  // One whose answer to that is lost looks like a clone.
  testFailures({ ...LENGTHS, make: () => new Bench(), alsoAllowed: ["BRIDGE_UNSUPPORTED"] }));

describe("a clone that does not", () =>
  testFailures({
    ...LENGTHS,
    make: () => new Bench({ pinReads: "ignored" }, { fastIdentification: true }),
  }));

describe("an answer of another length", () => {
  it("means that packets were lost, and is over after an abort", async () => {
    const bench = new Bench();
    const bridge = await bench.opened();
    const transfer = bench.model.counters.inSubmitted + 1;
    bench.model.inject({ endpoint: "in", transfer, kind: "short", bytes: 30 });
    const error: unknown = await readFrame(bench, bridge, 130).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "BRIDGE_PROTOCOL", details: { wanted: 31, bytes: 30 } });
    expect(await codeOf(readFrame(bench, bridge, 10))).toBe("BRIDGE_SYNC");
    await bridge.abort(bench.in());
    await readFrame(bench, bridge, 1000);
    expect(bench.rules()).toEqual([]);
  });
});

describe("an abort while bits are moved one by one", () => {
  it("at any moment leaves at worst half a byte, which the next move of CS ends", async () => {
    let halves = 0;
    for (let us = 400; us < 6000; us += 170) {
      const bench = new Bench();
      const bridge = await bench.open();
      const running = codeOf(readFrame(bench, bridge, 40));
      await bench.clock.sleep(us);
      const level = await bridge.abort(bench.in());
      if (level !== "unknown") expect([us, level]).toEqual([us, bench.model.engine.cs]);
      expect(["BRIDGE_CANCELLED", "done"]).toContain(await running);
      await readFrame(bench, bridge, 20);
      const rules = bench.rules();
      expect([us, rules.filter((rule) => !rule.startsWith("partial-byte"))]).toEqual([us, []]);
      halves += rules.length;
    }
    expect(halves).toBeGreaterThan(0);
  });
});

describe("a chip that hangs", () => {
  it("is given up within the deadline, and works after an unplug", async () => {
    const bench = new Bench();
    const rude = bench.model.transport();
    const packet = Uint8Array.of(0xa8, 0xff);
    for (let count = 0; count < 5; count++) await rude.bulkOut(0x02, packet, bench.in()).done;
    await bench.clock.sleep(5000);
    await codeOf(rude.bulkOut(0x02, packet, bench.in(50)).done);
    await rude.close();
    expect(bench.model.engine.wedged).toBe(true);
    const startUs = bench.clock.nowUs();
    const error: unknown = await bench.open().catch((reason: unknown) => reason);
    expect(errorCode(error)).toBe("BRIDGE_SYNC");
    expect(bench.clock.nowUs() - startUs).toBeLessThan(1e6);
    bench.model.unplug();
    bench.model.replug();
    await readFrame(bench, await bench.opened(), 130);
  });
});
