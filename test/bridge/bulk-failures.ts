import { describe, expect, it } from "@jest/globals";
import type { UsbFault } from "../../src/sim/usb/faults.js";
import type { AdapterBridge, SpiBridge } from "../../src/spi/bridge.js";
import { errorCode } from "../../src/util/errors.js";
import { type BulkBench, DESELECT, readFrame } from "./bulk-bench.js";
import { codeOf, transaction } from "./ftdi/support.js";

/** How a bench is made anew for each case, and what is long for its chip. */
export interface FailingChip {
  readonly make: () => BulkBench;
  /** Bytes of a read that takes a while. */
  readonly longRead: number;
  /** Bytes of a read with several answers. */
  readonly shortRead: number;
  /** Codes that a start-up with a fault may end with besides those of all chips. */
  readonly alsoAllowed?: readonly string[];
}

const ALLOWED = new Set([
  "done",
  "BRIDGE_TIMEOUT",
  "BRIDGE_SYNC",
  "BRIDGE_PROTOCOL",
  "TRANSPORT_FAULT",
]);

type Strike = Pick<UsbFault, "endpoint" | "transfer">;

/** What can go wrong with a transfer of a device that keeps to USB: no bit is flipped there, and none is lost from an OUT that is complete. */
const FAULTS: readonly (readonly [string, (strike: Strike) => UsbFault])[] = [
  ["never arrives", (strike) => ({ ...strike, kind: "drop" })],
  ["is over 100 ms late", (strike) => ({ ...strike, kind: "delay", us: 100_000 })],
  ["is over 4 s late", (strike) => ({ ...strike, kind: "delay", us: 4e6 })],
  ["fails", (strike) => ({ ...strike, kind: "fail", code: "TRANSPORT_FAULT" })],
];

/** Transfers of everything that the driver does once. */
async function session(bench: BulkBench, shortRead: number): Promise<string> {
  const bridge = await bench.opened();
  await readFrame(bench, bridge, shortRead);
  await bridge.close();
  return "done";
}

/** Aborts; once more, if answers come yet later than it waits for them. */
async function restart(bench: BulkBench, bridge: SpiBridge, what: string): Promise<void> {
  if ((await codeOf(bridge.abort(bench.in(3000)))) === "done") return;
  await bench.clock.sleep(5e6);
  expect([what, await codeOf(bridge.abort(bench.in(3000)))]).toEqual([what, "done"]);
}

function expectAllowed(what: string, outcome: unknown, also: readonly string[] = []): void {
  const isAllowed = ALLOWED.has(String(outcome)) || also.includes(String(outcome));
  const shown = isAllowed ? "allowed" : outcome;
  expect([what, shown]).toEqual([what, "allowed"]);
}

/** The next transfers on both endpoints, `ahead` from now. */
function strikes(bench: BulkBench, ahead: number): Strike[] {
  const { inSubmitted, outSubmitted } = bench.model.counters;
  return [
    { endpoint: "in", transfer: inSubmitted + ahead },
    { endpoint: "out", transfer: outSubmitted + ahead },
  ];
}

/** The transfer that was to go wrong has been submitted. */
function hasStruck({ model }: BulkBench, { endpoint, transfer }: Strike): boolean {
  const { inSubmitted, outSubmitted } = model.counters;
  return transfer < (endpoint === "in" ? inSubmitted : outSubmitted);
}

/** Transfers that go wrong, aborts and deadlines at any moment, unplugging: the same for all chips with two bulk endpoints. */
export function testFailures(chip: FailingChip): void {
  describe("a transfer that goes wrong", () => testFaults(chip));
  describe("an abort", () => testAborts(chip));
  describe("a deadline", () => testDeadlines(chip));
  describe("an unplug", () => testUnplug(chip));
}

function testFaults({ make, shortRead, alsoAllowed }: FailingChip): void {
  it.each(FAULTS)(
    "and %s ends in time, in words, and the next try works",
    async (name, faultOf) => {
      const whole = make();
      await session(whole, shortRead);
      const { inSubmitted, outSubmitted } = whole.model.counters;
      const places: Strike[] = [
        ...Array.from(
          { length: inSubmitted },
          (__, transfer) => ({ endpoint: "in", transfer }) as const,
        ),
        ...Array.from(
          { length: outSubmitted },
          (__, transfer) => ({ endpoint: "out", transfer }) as const,
        ),
      ];
      const failed: string[] = [];
      for (const place of places) {
        const what = `${place.endpoint} ${place.transfer}`;
        const bench = make();
        const fault = faultOf(place);
        bench.model.inject(fault);
        const outcome = await session(bench, shortRead).catch(
          (error: unknown) => errorCode(error) ?? error,
        );
        expectAllowed(what, outcome, alsoAllowed);
        if (outcome !== "done") failed.push(what);
        expect([what, bench.clock.nowUs() < 7e6]).toEqual([what, true]);
        // A session that failed leaves open what it opened.
        bench.model.unplug();
        bench.model.replug();
        await readFrame(bench, await bench.opened(), shortRead);
      }
      // What is only late is waited for; draining and closing fail without a word.
      if (name !== "is over 100 ms late") expect(failed.length).toBeGreaterThan(places.length / 3);
    },
  );

  it.each(FAULTS)("and %s in a transaction is over after an abort", async (_, faultOf) => {
    let struck = 0;
    for (let ahead = 0; ahead < 6; ahead++) {
      for (const which of [0, 1]) {
        const bench = make();
        const bridge = await bench.opened();
        await readFrame(bench, bridge, 10);
        const place = strikes(bench, ahead)[which] as Strike;
        const what = `${place.endpoint} +${ahead}`;
        bench.model.inject(faultOf(place));
        expectAllowed(what, await codeOf(readFrame(bench, bridge, shortRead)));
        if (!hasStruck(bench, place)) continue;
        struck++;
        await restart(bench, bridge, what);
        await readFrame(bench, bridge, shortRead);
        expect([what, bench.rules()]).toEqual([what, []]);
      }
    }
    expect(struck).toBeGreaterThan(2);
  });

  it.each(FAULTS)(
    "and %s while the chip is brought back is over after another abort",
    async (_, faultOf) => {
      for (let ahead = 0; ahead < 4; ahead++) {
        for (const which of [0, 1]) {
          const bench = make();
          const bridge = await bench.opened();
          const lost = strikes(bench, 0)[1] as Strike;
          bench.model.inject({ ...lost, kind: "fail", code: "TRANSPORT_FAULT" });
          expect(await codeOf(readFrame(bench, bridge, shortRead))).toBe("TRANSPORT_FAULT");
          const place = strikes(bench, ahead)[which] as Strike;
          const what = `${place.endpoint} +${ahead}`;
          bench.model.inject(faultOf(place));
          await restart(bench, bridge, what);
          await readFrame(bench, bridge, shortRead).catch(async () => {
            await restart(bench, bridge, `${what}, again`);
            await readFrame(bench, bridge, shortRead);
          });
        }
      }
    },
  );
}

function testAborts({ make, longRead, shortRead }: FailingChip): void {
  it("in the middle of a transaction ends it and what is queued, CS stays where it was", async () => {
    const bench = make();
    const bridge = await bench.opened();
    const running = codeOf(readFrame(bench, bridge, longRead));
    const queued = codeOf(bridge.submit(transaction(DESELECT), bench.in()));
    await bench.clock.sleep(5000);
    const startUs = bench.clock.nowUs();
    expect(["low", "unknown"]).toContain(await bridge.abort(bench.in()));
    expect(bench.clock.nowUs() - startUs).toBeLessThan(150_000);
    expect([await running, await queued]).toEqual(["BRIDGE_CANCELLED", "BRIDGE_CANCELLED"]);
    expect(bench.model.engine.cs).toBe("low");
    await readFrame(bench, bridge, shortRead);
    await bridge.close();
    expect(bench.model.engine.cs).toBe("high");
    expect(bench.rules()).toEqual([]);
  });

  it("at any moment of a transaction leaves a chip that works, and tells where CS is", async () => {
    let told = 0;
    for (let us = 0; us < 6000; us += 130) {
      const bench = make();
      const bridge = await bench.opened();
      const running = codeOf(readFrame(bench, bridge, shortRead));
      await bench.clock.sleep(us);
      const level = await bridge.abort(bench.in());
      if (level !== "unknown") {
        told++;
        expect([us, level]).toEqual([us, bench.model.engine.cs]);
      }
      expect(["BRIDGE_CANCELLED", "done"]).toContain(await running);
      await readFrame(bench, bridge, shortRead);
      expect([us, bench.rules()]).toEqual([us, []]);
    }
    expect(told).toBeGreaterThan(0);
  });

  it("by closing leaves CS high, and the interface free", async () => {
    const bench = make();
    const bridge = await bench.opened();
    const running = codeOf(readFrame(bench, bridge, longRead));
    await bench.clock.sleep(5000);
    await bridge.close();
    await bridge.close();
    expect(await running).toBe("BRIDGE_CANCELLED");
    expect(bench.model.engine.cs).toBe("high");
    expect(await codeOf(readFrame(bench, bridge, 1))).toBe("BRIDGE_CANCELLED");
    await bench.model.transport().close();
  });
}

function testDeadlines({ make, longRead }: FailingChip): void {
  it("that has passed sends nothing", async () => {
    const bench = make();
    const bridge = await bench.opened();
    const before = bench.model.submitted;
    expect(await codeOf(readFrame(bench, bridge, 10, 0))).toBe("BRIDGE_TIMEOUT");
    expect(bench.model.submitted).toBe(before);
  });

  it("in the middle of a transaction ends it there; what is tried before an abort is refused", async () => {
    const bench = make();
    const bridge = await bench.opened();
    const startUs = bench.clock.nowUs();
    expect(await codeOf(readFrame(bench, bridge, longRead, 7))).toBe("BRIDGE_TIMEOUT");
    expect(bench.clock.nowUs() - startUs).toBeLessThanOrEqual(8000);
    expect(await codeOf(readFrame(bench, bridge, 10))).toBe("BRIDGE_SYNC");
    expect(await codeOf(bridge.configure({ frequencyHz: 2e6 }))).toBe("BRIDGE_SYNC");
    expect(await bridge.abort(bench.in())).not.toBe("high");
    await readFrame(bench, bridge, 10);
    expect(bench.rules()).toEqual([]);
  });
}

function testUnplug({ make, longRead, shortRead }: FailingChip): void {
  it("at any transfer is told as what it is, and the adapter works again afterwards", async () => {
    for (let index = 0; ; index++) {
      const bench = make();
      bench.model.unplug(index);
      const outcome = await session(bench, shortRead).catch(
        (error: unknown) => errorCode(error) ?? error,
      );
      if (outcome === "done" && bench.model.submitted === index) return;
      // In the last transfers it is the close, which does not fail.
      const isTold = ["TRANSPORT_DISCONNECTED", "done"].includes(String(outcome));
      expect([index, isTold ? "told" : outcome]).toEqual([index, "told"]);
      bench.model.replug();
      await readFrame(bench, await bench.open(), 20);
    }
  });

  it("fails what is queued, and what comes after it", async () => {
    const bench = make();
    const bridge: AdapterBridge = await bench.opened();
    const reads = [0, 1].map(() => codeOf(readFrame(bench, bridge, longRead)));
    await bench.clock.sleep(5500);
    bench.model.unplug();
    expect(await Promise.all(reads)).toEqual(new Array(2).fill("TRANSPORT_DISCONNECTED"));
    expect(await codeOf(bridge.abort(bench.in()))).toBe("TRANSPORT_DISCONNECTED");
    expect(await codeOf(readFrame(bench, bridge, 1))).toBe("TRANSPORT_DISCONNECTED");
    await bridge.close();
    expect(await codeOf(bridge.abort(bench.in()))).toBe("BRIDGE_CANCELLED");
  });
}
