import { describe, expect, it } from "@jest/globals";
import { openMcp2210 } from "../../../src/bridge/mcp2210/driver.js";
import type { Mcp2210Fault } from "../../../src/sim/mcp2210/model.js";
import type { Segment, SpiBridge } from "../../../src/spi/bridge.js";
import { errorCode, isMmcpstoreError } from "../../../src/util/errors.js";
import { codeOf, expectBytes, expected, transaction } from "../ftdi/support.js";
import { Bench } from "./support.js";

const SELECT: Segment = { kind: "select" };
const DESELECT: Segment = { kind: "deselect" };

/** Reads `length` bytes in a CS frame of its own. */
async function readFrame(
  bench: Bench,
  bridge: SpiBridge,
  length: number,
  ms = 3000,
): Promise<void> {
  const into = new Uint8Array(length);
  const segments: Segment[] = [DESELECT, SELECT, { kind: "read", into }];
  await bridge.submit(transaction(...segments), bench.in(ms));
  expectBytes(into, expected(0, length));
}

/** The error of what has to fail. */
async function failureOf(work: Promise<unknown>): Promise<Error> {
  const error = await work.then(
    () => new Error("it did not fail"),
    (reason: unknown) => reason,
  );
  return error as Error;
}

/** Up to the session below, at 12 MHz. */
async function opened(options = {}): Promise<{ bench: Bench; bridge: SpiBridge }> {
  const bench = new Bench(options);
  const bridge = await bench.open();
  await bridge.configure({ frequencyHz: 12e6 });
  return { bench, bridge };
}

describe("a chip that is busy (F8)", () => {
  it("is asked again with the same chunk, and no byte is lost", async () => {
    const { bench, bridge } = await opened({ busyUs: 19_000 });
    await readFrame(bench, bridge, 600);
    expect(bench.model.counters.busyAnswers).toBeGreaterThan(10);
    expect(bench.rules()).toEqual([]);
  });

  it("for longer than the deadline ends at the deadline, however often it was asked", async () => {
    const { bench, bridge } = await opened({ busyUs: 10e6 });
    const startUs = bench.clock.nowUs();
    const error = await failureOf(readFrame(bench, bridge, 600, 400));
    expect(error).toMatchObject({
      code: "BRIDGE_TIMEOUT",
      details: { command: 0x42, status: 0xf8 },
    });
    expect(bench.clock.nowUs() - startUs).toBeLessThanOrEqual(402_000);
    expect(bench.model.counters.busyAnswers).toBeGreaterThan(50);
    expect(await bridge.abort(bench.in())).toBe("low");
    expect(bench.model.chip.transferring).toBe(false);
  });

  it("with something else than data is asked again too", async () => {
    const { bench, bridge } = await opened();
    const next = bench.model.counters.outReports;
    for (const report of [next, next + 1, next + 3])
      bench.model.inject({ kind: "status", status: 0xf8, report });
    await readFrame(bench, bridge, 200);
    expect(bench.rules()).toEqual([]);
  });
});

describe("a refusal", () => {
  it.each([
    [0xf7, "BRIDGE_PROTOCOL", "another master holds it"],
    [0xf9, "BRIDGE_PROTOCOL", "it does not know the command"],
    [0xfa, "BRIDGE_PROTOCOL", "writing its EEPROM failed"],
    [0xfb, "BRIDGE_PROTOCOL", "access to its settings is blocked"],
    [0xfc, "BRIDGE_PROTOCOL", "access to its settings is rejected"],
    [0xfd, "BRIDGE_PROTOCOL", "its settings want a password"],
    [0x42, "BRIDGE_PROTOCOL", "status 0x42"],
  ])("%i is named, at the start and later", async (status, code, text) => {
    const fresh = new Bench();
    // The chip settings.
    fresh.model.inject({ kind: "status", status, report: 5 });
    const atStart = await failureOf(fresh.open());
    expect([errorCode(atStart), atStart.message.includes(text)]).toEqual([code, true]);
    fresh.model.transport();

    const { bench, bridge } = await opened();
    bench.model.inject({ kind: "status", status, report: bench.model.counters.outReports + 2 });
    const later = await failureOf(readFrame(bench, bridge, 10));
    expect([errorCode(later), later.message.includes(text)]).toEqual([code, true]);
    expect(await codeOf(readFrame(bench, bridge, 10))).toBe("BRIDGE_SYNC");
    await bridge.abort(bench.in());
    await readFrame(bench, bridge, 10);
    await bridge.close();
  });

  it("because of another master tells what to do, at the start too", async () => {
    const { bench, bridge } = await opened();
    bench.model.externalMaster(true);
    const error = await failureOf(readFrame(bench, bridge, 10));
    if (!isMmcpstoreError(error)) throw error;
    expect([error.code, error.hint?.includes("GP7 and GP8")]).toEqual(["BRIDGE_PROTOCOL", true]);
    expect(await codeOf(bridge.abort(bench.in()))).toBe("BRIDGE_PROTOCOL");
    await bridge.close();
    expect((await failureOf(bench.open())).message).toContain("another master holds it");
    bench.model.externalMaster(false);
    const again = await bench.open();
    await readFrame(bench, again, 10);
  });
});

describe("an abort", () => {
  it("in the middle of a transfer ends it, CS stays where it was", async () => {
    const { bench, bridge } = await opened();
    const running = codeOf(readFrame(bench, bridge, 60_000));
    const queued = codeOf(bridge.submit(transaction(DESELECT), bench.in()));
    await bench.clock.sleep(77_000);
    const startUs = bench.clock.nowUs();
    expect(await bridge.abort(bench.in())).toBe("low");
    expect(bench.clock.nowUs() - startUs).toBeLessThan(50_000);
    expect([await running, await queued]).toEqual(["BRIDGE_CANCELLED", "BRIDGE_CANCELLED"]);
    expect(bench.model.chip).toMatchObject({ transferring: false, cs: "low" });
    await readFrame(bench, bridge, 500);
    await bridge.close();
    expect(bench.model.chip.cs).toBe("high");
    expect(bench.rules()).toEqual([]);
  });

  it("at any moment of a transaction leaves a chip that works, and tells where CS is", async () => {
    for (let us = 0; us < 30_000; us += 700) {
      const { bench, bridge } = await opened();
      const running = codeOf(readFrame(bench, bridge, 300));
      await bench.clock.sleep(us);
      const level = await bridge.abort(bench.in());
      expect([us, level]).toEqual([us, bench.model.chip.cs]);
      expect(["BRIDGE_CANCELLED", "done"]).toContain(await running);
      await readFrame(bench, bridge, 300);
      expect(bench.rules()).toEqual([]);
    }
  });

  it("in an F8 storm does not wait for its end", async () => {
    const { bench, bridge } = await opened({ busyUs: 5e6 });
    const running = codeOf(readFrame(bench, bridge, 600, 60_000));
    await bench.clock.sleep(100_000);
    const startUs = bench.clock.nowUs();
    await bridge.abort(bench.in());
    expect(bench.clock.nowUs() - startUs).toBeLessThan(60_000);
    expect(await running).toBe("BRIDGE_CANCELLED");
  });

  it("by closing leaves CS high", async () => {
    const { bench, bridge } = await opened();
    const running = codeOf(readFrame(bench, bridge, 60_000));
    await bench.clock.sleep(50_000);
    await bridge.close();
    expect(await running).toBe("BRIDGE_CANCELLED");
    expect(bench.model.chip).toMatchObject({ transferring: false, cs: "high" });
    expect(bench.rules()).toEqual([]);
    bench.model.transport();
  });
});

describe("a deadline", () => {
  it("that has passed sends nothing", async () => {
    const { bench, bridge } = await opened();
    const before = bench.model.submitted;
    expect(await codeOf(readFrame(bench, bridge, 10, 0))).toBe("BRIDGE_TIMEOUT");
    expect(bench.model.submitted).toBe(before);
  });

  it("in the middle of a transfer ends it there", async () => {
    const { bench, bridge } = await opened();
    const startUs = bench.clock.nowUs();
    expect(await codeOf(readFrame(bench, bridge, 60_000, 101))).toBe("BRIDGE_TIMEOUT");
    expect(bench.clock.nowUs() - startUs).toBeLessThanOrEqual(101_000);
    expect(await codeOf(readFrame(bench, bridge, 10))).toBe("BRIDGE_SYNC");
    expect(await bridge.abort(bench.in())).toBe("low");
    await readFrame(bench, bridge, 10);
    expect(bench.rules()).toEqual([]);
  });
});

/** All that the driver does once, with the answers of an exchange. */
async function session(bench: Bench): Promise<string> {
  const bridge = await bench.open();
  await bridge.configure({ frequencyHz: 12e6 });
  await readFrame(bench, bridge, 130);
  await bridge.close();
  return "done";
}

async function reportsOfSession(): Promise<number> {
  const bench = new Bench();
  await session(bench);
  return bench.model.counters.outReports;
}

describe("a report that goes wrong", () => {
  const faults: readonly (readonly [string, (report: number) => Mcp2210Fault])[] = [
    ["does not arrive", (report) => ({ kind: "drop", way: "out", report })],
    ["is not answered", (report) => ({ kind: "drop", way: "in", report })],
    ["is answered after 100 ms", (report) => ({ kind: "delay", us: 100_000, report })],
    ["is answered after 3 s", (report) => ({ kind: "delay", us: 3e6, report })],
    ["cannot be written", (report) => ({ kind: "fail", code: "TRANSPORT_FAULT", report })],
    ["is another command on arrival", (report) => ({ kind: "flip", way: "out", bit: 1, report })],
    ["is answered as another one", (report) => ({ kind: "flip", way: "in", bit: 7, report })],
    ["is answered with too many bytes", (report) => ({ kind: "flip", way: "in", bit: 16, report })],
  ];
  const allowed = ["done", "BRIDGE_TIMEOUT", "BRIDGE_SYNC", "BRIDGE_PROTOCOL", "TRANSPORT_FAULT"];

  it.each(faults)("and %s ends in time, in words, and the next try works", async (_, fault) => {
    const reports = await reportsOfSession();
    for (let report = 0; report < reports; report++) {
      const bench = new Bench();
      bench.model.inject(fault(report));
      const outcome = await session(bench).catch((error: unknown) => errorCode(error) ?? error);
      expect([report, allowed.includes(outcome as string) ? "allowed" : outcome]).toEqual([
        report,
        "allowed",
      ]);
      expect(bench.clock.nowUs()).toBeLessThan(5e6);
      await bench.clock.sleep(4e6);
      // What was open is given up by a session that failed; the chip is free for the next.
      const again = await openMcp2210({ transport: free(bench), clock: bench.clock });
      await readFrame(bench, again, 130);
    }
  });

  it.each(faults)("and %s in a transaction is over after an abort", async (_, fault) => {
    // CS high, CS low, the length, three chunks and the rest.
    for (let ahead = 0; ahead < 7; ahead++) {
      const { bench, bridge } = await opened();
      await readFrame(bench, bridge, 10);
      const struck = fault(bench.model.counters.outReports + ahead);
      bench.model.inject(struck);
      const outcome = await codeOf(readFrame(bench, bridge, 130));
      expect([ahead, allowed.includes(outcome ?? "") ? "allowed" : outcome]).toEqual([
        ahead,
        "allowed",
      ]);
      await restart(bench, bridge, `report ${ahead}`);
      await readFrame(bench, bridge, 130);
      if (struck.kind !== "flip") expect(bench.rules()).toEqual([]);
    }
  });

  it.each(faults)(
    "and %s while the chip is brought back is over after another abort",
    async (_, fault) => {
      for (let ahead = 0; ahead < 3; ahead++) {
        const { bench, bridge } = await opened();
        bench.model.inject({
          kind: "status",
          status: 0xf9,
          report: bench.model.counters.outReports + 3,
        });
        expect(await codeOf(readFrame(bench, bridge, 130))).toBe("BRIDGE_PROTOCOL");
        bench.model.inject(fault(bench.model.counters.outReports + ahead));
        await restart(bench, bridge, `report ${ahead}`);
        await readFrame(bench, bridge, 130).catch(async () => {
          await restart(bench, bridge, `report ${ahead}, again`);
          await readFrame(bench, bridge, 130);
        });
      }
    },
  );
});

/** Aborts; once more, if answers come yet later than it waits for them. */
async function restart(bench: Bench, bridge: SpiBridge, what: string): Promise<void> {
  if ((await codeOf(bridge.abort(bench.in(3000)))) === "done") return;
  await bench.clock.sleep(4e6);
  expect([what, await codeOf(bridge.abort(bench.in(3000)))]).toEqual([what, "done"]);
}

/** The transport, whoever has it. */
function free(bench: Bench): ReturnType<Bench["model"]["transport"]> {
  bench.model.unplug();
  bench.model.replug();
  return bench.model.transport();
}

describe("an unplug", () => {
  it("at any transfer is told as what it is, and the adapter works again afterwards", async () => {
    for (let index = 0; ; index++) {
      const bench = new Bench();
      bench.model.unplug(index);
      const outcome = await session(bench).catch((error: unknown) => errorCode(error) ?? error);
      if (outcome === "done" && bench.model.submitted === index) return;
      // In the last reports it is the close, which does not fail.
      expect([index, ["TRANSPORT_DISCONNECTED", "done"].includes(String(outcome))]).toEqual([
        index,
        true,
      ]);
      bench.model.replug();
      const again = await bench.open();
      await readFrame(bench, again, 60);
    }
  });

  it("fails what is queued, and what comes after it", async () => {
    const { bench, bridge } = await opened();
    const reads = [0, 1].map(() => codeOf(readFrame(bench, bridge, 60_000)));
    await bench.clock.sleep(55_500);
    bench.model.unplug();
    expect(await Promise.all(reads)).toEqual(new Array(2).fill("TRANSPORT_DISCONNECTED"));
    expect(await codeOf(bridge.abort(bench.in()))).toBe("TRANSPORT_DISCONNECTED");
    expect(await codeOf(readFrame(bench, bridge, 1))).toBe("TRANSPORT_DISCONNECTED");
    await bridge.close();
    expect(await codeOf(bridge.abort(bench.in()))).toBe("BRIDGE_CANCELLED");
  });
});
