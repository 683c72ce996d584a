import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { SimClock } from "../../../src/sim/clock.js";
import {
  createMcp2210Model,
  type Mcp2210Model,
  type Mcp2210ModelOptions,
} from "../../../src/sim/mcp2210/model.js";
import { roundRate } from "../../../src/sim/mcp2210/options.js";
import type { HidTransport } from "../../../src/transport/types.js";
import { toHex } from "../../../src/util/bytes.js";
import { type Deadline, deadlineIn } from "../../../src/util/deadline.js";
import { codeOf } from "../../bridge/ftdi/support.js";
import { report } from "../../bridge/mcp2210/support.js";
import { EchoDevice } from "../ftdi/support.js";

/** A chip, a device that answers each byte with the one before it, and reports as hex. */
class Bench {
  readonly clock = new SimClock();
  readonly spi = new EchoDevice();
  readonly model: Mcp2210Model;
  readonly hid: HidTransport;

  constructor(options: Partial<Mcp2210ModelOptions> = {}) {
    this.model = createMcp2210Model({ spi: this.spi, ...options, clock: this.clock });
    this.hid = this.model.transport();
  }

  in(ms = 1000): Deadline {
    return deadlineIn(this.clock, ms);
  }

  /** The answer, zeros at its end cut off, but no shorter than 4 bytes. */
  async ask(hex: string): Promise<string> {
    await this.hid.writeReport(report(hex), this.in());
    const answer = toHex(await this.hid.readReport(this.in()));
    return answer.slice(0, 8) + answer.slice(8).replace(/(00)+$/, "");
  }

  rules(): string[] {
    return this.model.violations.map(({ rule }) => rule);
  }

  /** GP0 an output; `bytes` a transaction; 12 MHz unless told. */
  async setUp(bytes: number, rate = "001bb700"): Promise<void> {
    await this.ask(`21 000000 000000000000000000 0100 fe01`);
    const length = toHex(Uint8Array.of(bytes & 0xff, bytes >> 8));
    await this.ask(`40 000000 ${rate} ff01 ff01 0000 0000 0000 ${length} 00`);
  }
}

describe("the chip's answers", () => {
  it("after power-on", async () => {
    const bench = new Bench();
    expect(await bench.ask("10")).toBe("10000100");
    expect(await bench.ask("11")).toBe("11000100");
    expect(await bench.ask("12 00")).toBe("12000000");
    expect(await bench.ask("20")).toBe(`20000000${"00".repeat(11)}ff01`);
    expect(await bench.ask("31")).toBe("31000000ff01");
    expect(await bench.ask("33")).toBe("33000000ff01");
    // 1 MHz, 4 bytes a transaction.
    expect(await bench.ask("41")).toBe("4100000040420f00ff01ff0100000000000004");
    expect(await bench.ask("50 07")).toBe("500007ff");
    expect(await bench.ask("61 20")).toBe("61000000");
    expect(await bench.ask("80 01")).toBe("80000000");
    expect(bench.rules()).toEqual([]);
    expect(bench.model.counters).toMatchObject({ outReports: 10, inReports: 10 });
  });

  it("to a command that does not exist", async () => {
    const bench = new Bench();
    expect(await bench.ask("43")).toBe("43f90000");
    expect(bench.rules()).toEqual(["unknown-command"]);
  });

  it.each([
    ["60 20", "persistent-write"],
    ["60 10", "persistent-write"],
    ["60 20 0000000000000000000000000000000000 80", "persistent-write"],
    ["60 20 00000000000000000000000000000000 80", "permanent-lock"],
    ["60 20 00000000000000000000000000000000 40", "persistent-write"],
    ["51 00 ff", "persistent-write"],
    ["70 00 00 00 31", "persistent-write"],
    ["21 0000000000000000000000000000000000 80", "permanent-lock"],
    ["21 000000000000000000000000000000000040", "persistent-write"],
  ])("to %s say nothing, and that it must not be sent is told", async (hex, rule) => {
    const bench = new Bench();
    await bench.ask(hex);
    expect(bench.rules()).toEqual([rule]);
  });

  it("come a round trip later", async () => {
    const bench = new Bench({ roundTripUs: 1000 });
    await bench.ask("10");
    expect(bench.clock.nowUs()).toBe(1000);
  });
});

describe("a transaction", () => {
  it("gives the bytes of a chunk with the answer to the next", async () => {
    const bench = new Bench();
    await bench.setUp(5);
    await bench.ask("30 000000 fe01");
    expect(await bench.ask("42 03 0000 112233")).toBe("42000020");
    expect(await bench.ask("42 02 0000 4455")).toBe("42000330a51122");
    expect(await bench.ask("42")).toBe("420002103344");
    expect(bench.spi.log).toEqual(["cs high", "cs low", "112233", "4455"]);
    expect(await bench.ask("42")).toBe("42000010");
    expect(bench.model.counters).toMatchObject({ transactions: 1, transfers: 3, polls: 1 });
    expect(bench.model.counters.spiBytes).toBe(5);
    expect(bench.rules()).toEqual([]);
  });

  it("tells its end in an answer of its own", async () => {
    const bench = new Bench({ finished: "after-data" });
    await bench.setUp(1);
    await bench.ask("30 000000 fe01");
    expect(await bench.ask("42 01 0000 77")).toBe("42000020");
    expect(await bench.ask("42")).toBe("42000130a5");
    expect(await bench.ask("42")).toBe("42000010");
    expect(bench.model.chip.transferring).toBe(false);
  });

  it("takes no data while a chunk is on the wires", async () => {
    // 60 bytes at 60 kHz: 8 ms.
    const bench = new Bench();
    await bench.setUp(120, "60ea0000");
    expect(await bench.ask(`42 3c 0000 ${"a1".repeat(60)}`)).toBe("42000020");
    expect(await bench.ask(`42 3c 0000 ${"a2".repeat(60)}`)).toBe("42f80000");
    expect(await bench.ask("42")).toBe("42000020");
    expect(await bench.ask("10")).toBe("10000101");
    await bench.clock.sleep(4000);
    expect((await bench.ask(`42 3c 0000 ${"a2".repeat(60)}`)).slice(0, 8)).toBe("42003c30");
    expect(bench.model.counters).toMatchObject({ busyAnswers: 1, transactions: 1 });
  });

  it("answers F8 to a report without data too, if that is how the chip is", async () => {
    const bench = new Bench({ pollInChunk: "busy", busyUs: 5000 });
    await bench.setUp(1);
    await bench.ask("42 01 0000 00");
    expect(await bench.ask("42")).toBe("42f80000");
    await bench.clock.sleep(5000);
    expect(await bench.ask("42")).toBe("42000110ff");
  });

  it("is clocked with its own timing", async () => {
    const bench = new Bench({ roundTripUs: 0 });
    await bench.setUp(3);
    // 1 MHz, 100 µs in front, 200 µs between bytes.
    await bench.ask("40 000000 40420f00 ff01 ff01 0100 0000 0200 0300 00");
    const startUs = bench.clock.nowUs();
    await bench.ask("42 03 0000 010203");
    await bench.clock.sleep(10_000);
    expect(bench.model.counters.spiBytes).toBe(3);
    expect(bench.spi.timings).toEqual([{ startUs: startUs + 100, usPerByte: 208 }]);
  });

  it("can be cancelled in the middle of a chunk", async () => {
    // 60 bytes at 60 kHz: 133 µs each; the cancel comes one round trip, 2 ms, behind.
    const bench = new Bench();
    await bench.setUp(600, "60ea0000");
    await bench.ask(`42 3c 0000 ${"00".repeat(60)}`);
    expect(await bench.ask("11")).toBe("11000100");
    expect(bench.model.counters.spiBytes).toBe(15);
    expect(bench.model.chip.transferring).toBe(false);
    await bench.clock.sleep(10_000);
    expect(bench.model.counters.spiBytes).toBe(15);
    expect(await bench.ask("42")).toBe("42000010");
  });

  it("is not for us while another master has the bus", async () => {
    const bench = new Bench();
    await bench.setUp(2);
    bench.model.externalMaster(true);
    expect(await bench.ask("42 02 0000 0102")).toBe("42f70000");
    expect(await bench.ask("10")).toBe("10000102");
    bench.model.externalMaster(false);
    expect(await bench.ask("42 02 0000 0102")).toBe("42000020");
  });

  it("moves a chip select of its own, if GP0 is one", async () => {
    const powerOnPins = {
      pinModes: [1, 0, 0, 0, 0, 0, 0, 0, 0],
      outputs: 0,
      directions: 0,
      other: 0,
    };
    const bench = new Bench({ powerOnPins });
    await bench.ask("40 000000 001bb700 ff01 fe01 0000 0000 0000 0100 00");
    await bench.ask("42 01 0000 5a");
    expect(bench.model.chip.cs).toBe("low");
    await bench.ask("42");
    expect(bench.spi.log).toEqual(["cs high", "cs low", "5a", "cs high"]);
  });
});

describe("rules", () => {
  it.each<[string, (bench: Bench) => Promise<unknown>, string]>([
    [
      "a report of another length",
      async (bench) => {
        await bench.hid.writeReport(new Uint8Array(65), bench.in());
        expect(await codeOf(bench.hid.readReport(bench.in(50)))).toBe("TRANSPORT_TIMEOUT");
      },
      "report",
    ],
    [
      "a chunk of more than 60 bytes",
      (bench) => bench.hid.writeReport(report("42 3d"), bench.in()),
      "report",
    ],
    [
      "a command before the answer to the one before",
      async (bench) => {
        const first = bench.hid.writeReport(report("20"), bench.in());
        await bench.hid.writeReport(report("20"), bench.in());
        await first;
      },
      "one-at-a-time",
    ],
    [
      "more data than the transaction has",
      (bench) => bench.ask("42 05 0000 0102030405"),
      "transfer-length",
    ],
    [
      "a transaction of nothing",
      async (bench) => {
        await bench.setUp(0);
        await bench.ask("42 01 0000 01");
      },
      "transfer-length",
    ],
    [
      "another mode",
      async (bench) => {
        await bench.ask("40 000000 001bb700 ff01 ff01 0000 0000 0000 0100 03");
        await bench.ask("42 01 0000 01");
      },
      "spi-mode",
    ],
    [
      "settings in a transfer",
      async (bench) => {
        await bench.ask("42 01 0000 01");
        expect(await bench.ask("30 000000 ff01")).toBe("30f80000");
      },
      "changed-in-transfer",
    ],
    [
      "another clock while chip select is low",
      async (bench) => {
        await bench.setUp(1);
        await bench.ask("30 000000 fe01");
        await bench.ask("40 000000 40420f00 ff01 ff01 0000 0000 0000 0100 00");
      },
      "clock-change-selected",
    ],
    ["a clock that it does not have", (bench) => bench.setUp(1, "00000000"), "bit-rate"],
  ])("know %s", async (_, act, rule) => {
    const bench = new Bench();
    await act(bench);
    await bench.clock.sleep(10_000);
    expect(bench.rules().filter((one) => one === rule)).toHaveLength(1);
  });

  it("let a host find back into step", async () => {
    const bench = new Bench();
    await Promise.all(
      ["20", "11", "10"].map((hex) => bench.hid.writeReport(report(hex), bench.in())),
    );
    expect(bench.rules()).toEqual([]);
  });
});

describe("the clocks that the chip has", () => {
  it.each<[number, "down" | "nearest" | "up", "all" | "even", number]>([
    [12e6, "down", "all", 12e6],
    [50e6, "down", "all", 12e6],
    [1, "up", "all", 1500],
    [5e6, "down", "all", 4e6],
    [5e6, "up", "all", 6e6],
    [5e6, "nearest", "all", 4e6],
    [5_100_000, "nearest", "all", 6e6],
    [5e6, "down", "even", 3e6],
    [5e6, "up", "even", 12e6],
    [400_000, "up", "even", 400_000],
    [1_714_285, "down", "all", 1_714_285],
  ])("%d Hz, %s, of %s: %d Hz", (askedHz, rounding, divisors, hz) => {
    expect(roundRate(askedHz, { rounding, divisors })).toBe(hz);
  });

  it("are their own", () => {
    const options = fc.record({
      rounding: fc.constantFrom("down", "nearest", "up"),
      divisors: fc.constantFrom("all", "even"),
    });
    fc.assert(
      fc.property(fc.integer({ min: 1500, max: 12e6 }), options, (askedHz, chip) => {
        const hz = roundRate(askedHz, chip);
        expect(roundRate(hz, chip)).toBe(hz);
        if (chip.rounding === "down") expect(hz).toBeLessThanOrEqual(askedHz);
        if (chip.rounding === "up") expect(hz).toBeGreaterThanOrEqual(askedHz);
      }),
    );
  });
});

describe("the device", () => {
  it("is one host's at a time, and stays as it is between two", async () => {
    const bench = new Bench();
    expect(() => bench.model.transport()).toThrow(
      expect.objectContaining({ code: "TRANSPORT_BUSY" }),
    );
    await bench.setUp(7);
    await bench.hid.close();
    await bench.hid.close();
    expect(await codeOf(bench.hid.writeReport(report("10"), bench.in()))).toBe(
      "TRANSPORT_DISCONNECTED",
    );
    bench.model.transport();
    expect(bench.model.chip.spiSettings.bytesPerTransaction).toBe(7);
  });

  it("keeps reports that nobody waits for, and gives them in order", async () => {
    const bench = new Bench();
    const late = bench.hid.readReport(bench.in(1));
    expect(await codeOf(late)).toBe("TRANSPORT_TIMEOUT");
    await bench.hid.writeReport(report("10"), bench.in());
    await bench.clock.sleep(5000);
    const first = bench.hid.readReport(bench.in());
    const second = bench.hid.readReport(bench.in());
    await bench.hid.writeReport(report("11"), bench.in());
    expect([(await first)[0], (await second)[0]]).toEqual([0x10, 0x11]);
  });

  it("rejects what waits when it is closed, and when it goes", async () => {
    for (const [end, code] of [
      [(bench: Bench) => void bench.hid.close(), "TRANSPORT_CANCELLED"],
      [(bench: Bench) => bench.model.unplug(), "TRANSPORT_DISCONNECTED"],
    ] as const) {
      const bench = new Bench();
      const read = codeOf(bench.hid.readReport(bench.in()));
      const write = codeOf(bench.hid.writeReport(report("10"), bench.in()));
      end(bench);
      expect([await read, await write]).toEqual([code, code]);
    }
  });

  it("comes back as after power-on", async () => {
    const bench = new Bench();
    await bench.setUp(3);
    await bench.ask("30 000000 fe01");
    bench.model.unplug();
    expect(() => bench.model.transport()).toThrow(
      expect.objectContaining({ code: "TRANSPORT_DISCONNECTED" }),
    );
    bench.model.replug();
    bench.model.replug();
    expect(bench.model.chip).toMatchObject({ cs: "high", frequencyHz: 1_000_000 });
    expect(await codeOf(bench.hid.readReport(bench.in()))).toBe("TRANSPORT_DISCONNECTED");
    const again = bench.model.transport();
    await bench.hid.close();
    await again.writeReport(report("10"), bench.in());
    expect((await again.readReport(bench.in()))[0]).toBe(0x10);
  });

  it("does to a report what a fault says", async () => {
    const bench = new Bench();
    bench.model.inject({ kind: "flip", way: "out", bit: 7, report: 0 });
    bench.model.inject({ kind: "flip", way: "in", bit: 15, report: 1 });
    bench.model.inject({ kind: "status", status: 0xf8, report: 2 });
    bench.model.inject({ kind: "delay", us: 9000, report: 3 });
    bench.model.inject({ kind: "fail", code: "TRANSPORT_FAULT", report: 4 });
    bench.model.inject({ kind: "drop", way: "out", report: 5 });
    bench.model.inject({ kind: "drop", way: "in", report: 6 });
    expect(await bench.ask("10")).toBe("11000100");
    expect(await bench.ask("10")).toBe("10010100");
    expect(await bench.ask("10")).toBe("10f80000");
    const startUs = bench.clock.nowUs();
    expect(await bench.ask("10")).toBe("10000100");
    expect(bench.clock.nowUs() - startUs).toBe(11_000);
    expect(await codeOf(bench.hid.writeReport(report("10"), bench.in()))).toBe("TRANSPORT_FAULT");
    for (const hex of ["30 000000 fe01", "30 000000 fe01"]) {
      await bench.hid.writeReport(report(hex), bench.in());
      expect(await codeOf(bench.hid.readReport(bench.in(50)))).toBe("TRANSPORT_TIMEOUT");
    }
    expect(bench.model.counters).toMatchObject({ outReports: 7, inReports: 4, pinWrites: 1 });
    expect(await bench.ask("10")).toBe("10000100");
  });
});

describe("any reports", () => {
  it("are answered with their own number, or are none", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ minLength: 64, maxLength: 64 }), { maxLength: 6 }),
        async (reports) => {
          const bench = new Bench();
          for (const bytes of reports) {
            await bench.hid.writeReport(bytes, bench.in());
            const answer = await bench.hid.readReport(bench.in(20)).catch(() => undefined);
            const malformed = bytes[0] === 0x42 && (bytes[1] ?? 0) > 60;
            expect(answer?.[0]).toBe(malformed ? undefined : bytes[0]);
          }
        },
      ),
    );
  });
});
