import { describe, expect, it } from "@jest/globals";
import { concatBytes, fromHex, toHex } from "../../../src/util/bytes.js";
import { Bench, EchoDevice, pattern, shift } from "./support.js";

describe("injected faults", () => {
  it("drop: the transfer never completes, and never reaches the chip", async () => {
    const bench = new Bench();
    await bench.mpsse();
    bench.model.inject({
      kind: "drop",
      endpoint: "out",
      transfer: bench.model.counters.outSubmitted,
    });
    await expect(bench.out("80 02 0b", 50).done).rejects.toMatchObject({
      code: "TRANSPORT_TIMEOUT",
    });
    expect(bench.model.engine.cs).toBe("high");
  });

  it("short: OUT bytes are missing, IN bytes are lost", async () => {
    const bench = new Bench();
    await bench.mpsse();
    const { outSubmitted, inSubmitted } = bench.model.counters;
    bench.model.inject({ kind: "short", endpoint: "out", transfer: outSubmitted, bytes: 3 });
    await bench.write("80 0a 0b aa");
    bench.model.inject({ kind: "short", endpoint: "in", transfer: inSubmitted, bytes: 3 });
    expect(toHex(await bench.run("ab 87", 1))).toBe("fa");
  });

  it("delay: the completion is late, and those behind it keep their order", async () => {
    const bench = new Bench();
    await bench.mpsse();
    const transfer = bench.model.counters.inSubmitted;
    bench.model.inject({ kind: "delay", endpoint: "in", transfer, us: 7000 });
    const startUs = bench.clock.nowUs();
    const order: number[] = [];
    const both = [0, 1].map((at) => bench.post(512).done.then(() => order.push(at)));
    await bench.write("aa 87 ab 87");
    await Promise.all(both);
    expect(order).toEqual([0, 1]);
    expect(bench.clock.nowUs() - startUs).toBeCloseTo(7125, 3);
  });

  it("delay past the deadline: the transfer times out, and its bytes are lost", async () => {
    const bench = new Bench();
    await bench.mpsse();
    const { inSubmitted, controlSubmitted } = bench.model.counters;
    bench.model.inject({ kind: "delay", endpoint: "in", transfer: inSubmitted, us: 90_000 });
    const posted = bench.post(512, 50);
    const failed = expect(posted.done).rejects.toMatchObject({ code: "TRANSPORT_TIMEOUT" });
    await bench.write("aa 87");
    await failed;
    expect(toHex(await bench.run("ab 87", 2))).toBe("faab");
    const place = { endpoint: "control", transfer: controlSubmitted } as const;
    bench.model.inject({ ...place, kind: "drop" });
    await expect(bench.control(0x09, 2)).rejects.toMatchObject({ code: "TRANSPORT_TIMEOUT" });
    const next = { endpoint: "control", transfer: controlSubmitted + 1 } as const;
    bench.model.inject({ ...next, kind: "fail", code: "TRANSPORT_FAULT" });
    await expect(bench.control(0x09, 2)).rejects.toMatchObject({ code: "TRANSPORT_FAULT" });
  });

  it("flip: one bit of the payload, in the first IN that has it", async () => {
    const bench = new Bench();
    await bench.mpsse();
    const transfer = bench.model.counters.inSubmitted;
    bench.model.inject({ kind: "flip", endpoint: "in", transfer, bit: 8 * 511 + 7 });
    expect(toHex(await bench.run("aa 87", 2))).toBe("faaa");
    const data = pattern(600);
    const back = await bench.run(concatBytes([fromHex("84"), shift(data), fromHex("87")]), 600);
    const differing = [...back.keys()].filter((at) => back[at] !== data[at]);
    expect(differing).toEqual([511]);
    expect((back[511] as number) ^ (data[511] as number)).toBe(1);
  });

  it("flip on the way out; fail: the error asked for", async () => {
    const bench = new Bench();
    await bench.mpsse();
    const transfer = bench.model.counters.outSubmitted;
    bench.model.inject({ kind: "flip", endpoint: "out", transfer, bit: 12 });
    await bench.write("80 0a 0b");
    expect(bench.model.engine.cs).toBe("low");
    const code = "TRANSPORT_STALL";
    bench.model.inject({ kind: "fail", endpoint: "out", transfer: transfer + 1, code });
    await expect(bench.out("87").done).rejects.toMatchObject({ code });
  });
});

describe("counters", () => {
  it("count what completed, and which INs carried payload", async () => {
    const bench = new Bench();
    await bench.mpsse();
    const before = bench.model.counters;
    await bench.control(0x09, 2);
    await bench.post().done;
    await bench.run("20 fd 01 87", 510);
    const after = bench.model.counters;
    expect(after.controlTransfers - before.controlTransfers).toBe(1);
    expect(after.outTransfers - before.outTransfers).toBe(1);
    expect(after.outBytes - before.outBytes).toBe(4);
    expect(after.inTransfersWithPayload - before.inTransfersWithPayload).toBe(1);
    expect(after.inTransfers).toBeGreaterThan(after.inTransfersWithPayload);
    expect(after.inPayloadBytes - before.inPayloadBytes).toBe(510);
  });
});

describe("snapshots", () => {
  it("continue a command under way in another model, at another time", async () => {
    const first = new Bench();
    await first.mpsse();
    await first.write("84 31 03 00 11 22");
    await first.clock.sleep(1000);
    const state = structuredClone(first.model.snapshot());
    const second = new Bench();
    await second.clock.sleep(77_000);
    second.model.restore(state);
    expect(second.model.engine.midCommand).toBe(true);
    for (const bench of [first, second]) {
      expect(toHex(await bench.run("33 44 87", 4))).toBe("11223344");
    }
  });

  it("hold the FIFOs, and what the engine has still to do", async () => {
    const first = new Bench();
    await first.mpsse(74);
    await first.write(`aa 83 80 02 0b 11 13 00 ${"5a".repeat(20)} 81 80 0a 0b 87`);
    const state = first.model.snapshot();
    const second = new Bench({ spi: new EchoDevice() });
    second.model.restore(state);
    expect(second.model.engine.cs).toBe("low");
    const startUs = second.clock.nowUs();
    expect(toHex(second.strip(await second.post().done))).toBe("faaafff4");
    expect(second.clock.nowUs() - startUs).toBeGreaterThan(300);
    expect(second.spi.log.at(-1)).toBe("cs high");
  });

  it("are refused while a transfer is in flight", async () => {
    const bench = new Bench();
    const sent = bench.control(0x00, 0);
    expect(() => bench.model.snapshot()).toThrow(/in flight/);
    await sent;
    expect(() => bench.model.snapshot()).not.toThrow();
  });
});
