import { describe, expect, test } from "@jest/globals";
import { PANIC_OUTCOMES } from "../../src/block/panic.js";
import { errorCode } from "../../src/util/errors.js";
import { PanicBench, START_LBA } from "./panic-bench.js";

const OLD = "dmesg-pstore_blk-0 verified";
const NEW = "dmesg-pstore_blk-1 verified";

describe("a panic record", () => {
  test("on a healthy card: committed, no recovery", async () => {
    const bench = await PanicBench.open();
    const report = await bench.fire();
    expect(report.verdict).toMatchObject({ outcome: "committed", stepsDone: 2, dataAtRisk: false });
    expect(report.verdict.recovery).toBeUndefined();
    expect(report).toMatchObject({ name: "dmesg-pstore_blk-1", counter: 2, lost: [] });
    expect(await bench.names()).toEqual([OLD, NEW]);
    expect(bench.model.violations).toEqual([]);
  });

  test.each([
    ["a long read", (b: PanicBench) => b.card.read(0, new Uint8Array(512 * 1024))],
    ["a long write", (b: PanicBench) => b.card.write(2048, new Uint8Array(512 * 1024).fill(7))],
    ["an erase", (b: PanicBench) => b.card.erase?.(2048, 1024) ?? Promise.resolve()],
  ])("preempts %s, whose caller is told so", async (_, work) => {
    const bench = await PanicBench.open({ card: { eraseBusy: { us: 300_000 } } });
    for (const turns of [1, 5, 20, 60]) {
      const job = work(bench).then(
        () => "done",
        (error: unknown) => errorCode(error),
      );
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      const report = await bench.fire();
      expect(report.verdict.outcome).toBe("committed");
      expect(["done", "BLOCK_PREEMPTED"]).toContain(await job);
      await bench.store.rearm();
      await bench.card.read(0, new Uint8Array(512));
    }
  });

  test("another card in the slot is never written", async () => {
    const bench = await PanicBench.open();
    const other = await PanicBench.open({ card: { kind: "sdsc" } });
    const before = other.partition();
    other.model.powerCycle();
    bench.slot.card = other.model;
    const report = await bench.fire();
    expect(report.verdict.outcome).toBe("wrong-card");
    expect(Buffer.compare(other.partition(), before)).toBe(0);
  });

  test("the armed choice makes way for a record of the regular path", async () => {
    const bench = await PanicBench.open();
    expect(bench.armed.zones).toEqual([1, 2]);
    await bench.store.append({ text: Buffer.from("regular\n"), reason: 2 });
    expect(bench.armed.zones).toEqual([2, 3]);
    await bench.store.erase("all");
    expect((await bench.fire()).verdict.outcome).toBe("committed");
    expect(await bench.names()).toHaveLength(1);
  });

  test("a zone that the card refuses: the second one, and what was lost is named", async () => {
    const bench = await PanicBench.open({ records: 4 });
    const [first = 0] = bench.armed.zones;
    const lba = START_LBA + first * 8;
    for (let tries = 0; tries < 2; tries++)
      bench.model.inject({ kind: "write-error", sector: lba + 3, times: 100 });
    const report = await bench.fire(Buffer.alloc(3000, "x\n"));
    expect(report.verdict.outcome).toBe("committed");
    expect(report.zones).toHaveLength(2);
    expect(report.lost).toHaveLength(2);
  });

  test("an unplugged card, a locked one, one that is busy for ever: an honest verdict", async () => {
    const gone = await PanicBench.open();
    gone.bridge.faults.failStep = undefined;
    gone.model.cutPowerAt(0, "old");
    const report = await gone.fire();
    expect(report.verdict).toMatchObject({ outcome: "card-gone", stepsDone: 0 });
    expect(report.verdict.error?.hint).toEqual(expect.any(String));
    for (const outcome of [report.verdict.outcome]) expect(PANIC_OUTCOMES).toContain(outcome);
  });
});
