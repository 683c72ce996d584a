import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import {
  clockSetting,
  encodeDivisor,
  encodeLoopback,
  encodePinsAndRead,
  encodeSetUp,
  encodeStep,
  encodeSyncProbe,
  MIN_FREQUENCY_HZ,
} from "../../../src/bridge/ftdi/codec.js";
import { MpsseDecoder, type MpsseEvent, replyBytes } from "../../../src/bridge/ftdi/decoder.js";
import type { BusOp } from "../../../src/spi/plan.js";
import { fromHex, toHex } from "../../../src/util/bytes.js";

const hexOf = (ops: BusOp[], cs: "high" | "low" = "low"): string =>
  toHex(encodeStep(ops, cs).bytes);
const plain = (hex: string): string => toHex(fromHex(hex));

describe("scripts, typed from AN_108 and bridges.md 1.5 and 1.6", () => {
  test.each<[string, BusOp[], string]>([
    ["CS low: SK low, DO high, CS low", [{ kind: "cs", level: "low" }], "80 02 0b"],
    ["CS high", [{ kind: "cs", level: "high" }], "80 0a 0b"],
    ["80 start-up clocks", [{ kind: "idle", bytes: 10 }], "8f 09 00"],
    [
      "CS high, 8 clocks",
      [
        { kind: "cs", level: "high" },
        { kind: "idle", bytes: 1 },
      ],
      "80 0a 0b 8f 00 00",
    ],
    ["read 66 000 bytes", [{ kind: "read", length: 66_000 }], "20 fe ff 20 d0 01 87"],
    ["read 65 535 bytes", [{ kind: "read", length: 65_535 }], "20 fe ff 87"],
    ["read 65 536 bytes", [{ kind: "read", length: 65_536 }], "20 fe ff 20 00 00 87"],
    ["read one byte", [{ kind: "read", length: 1 }], "20 00 00 87"],
    ["wait for 17 ms at 30 MHz", [{ kind: "waitReady", maxBytes: 65_536 }], "9c ff ff"],
    ["wait for one byte", [{ kind: "waitReady", maxBytes: 1 }], "9c 00 00"],
    [
      "CMD0 and 9 bytes for its answer",
      [
        { kind: "cs", level: "low" },
        { kind: "exchange", data: fromHex("40 00 00 00 00 95 ff ff ff ff ff ff ff ff ff") },
      ],
      "80 02 0b 31 0e 00 40 00 00 00 00 95 ff ff ff ff ff ff ff ff ff 80 02 0b 87",
    ],
    [
      "DO is put back high before anything is clocked without data",
      [
        { kind: "write", data: fromHex("fe 01 02") },
        { kind: "read", length: 2 },
      ],
      "11 02 00 fe 01 02 80 02 0b 20 01 00 87",
    ],
    [
      "not between two writes, nor where CS sets the pins anyway",
      [
        { kind: "write", data: fromHex("fe") },
        { kind: "write", data: fromHex("aa bb") },
        { kind: "cs", level: "high" },
        { kind: "idle", bytes: 1 },
      ],
      "11 00 00 fe 11 01 00 aa bb 80 0a 0b 8f 00 00",
    ],
    [
      "nothing asked for",
      [
        { kind: "write", data: new Uint8Array(0) },
        { kind: "read", length: 0 },
        { kind: "idle", bytes: 0 },
      ],
      "",
    ],
    ["no op", [], ""],
  ])("%s", (_, ops, hex) => {
    expect(hexOf(ops)).toBe(plain(hex));
  });

  test("DO goes back with CS where it was before the step", () => {
    expect(hexOf([{ kind: "write", data: Uint8Array.of(0) }], "high")).toBe(
      plain("11 00 00 00 80 0a 0b"),
    );
  });

  test("shifts of more than 65 535 bytes are cut where an answer comes, else those of more than 65 536", () => {
    const data = new Uint8Array(65_537).fill(0x5a);
    const { bytes, replyBytes } = encodeStep([{ kind: "exchange", data }], "low");
    expect(replyBytes).toBe(65_537);
    expect(toHex(bytes.subarray(0, 4))).toBe("31feff5a");
    expect(toHex(bytes.subarray(3 + 65_535))).toBe(plain("31 01 00 5a 5a 80 02 0b 87"));
    const written = encodeStep([{ kind: "write", data }], "low").bytes;
    expect(toHex(written.subarray(0, 4))).toBe("11ffff5a");
    expect(toHex(written.subarray(3 + 65_536))).toBe(plain("11 00 00 5a 80 02 0b"));
  });

  test("what is said about CS", () => {
    const step = encodeStep(
      [
        { kind: "cs", level: "low" },
        { kind: "read", length: 1 },
        { kind: "cs", level: "high" },
      ],
      "high",
    );
    expect(step.csLevels).toEqual(["low", "high"]);
    expect(encodeStep([{ kind: "idle", bytes: 1 }], "low").csLevels).toEqual([]);
  });

  test("sync, set-up, loopback, last word", () => {
    expect(encodeSyncProbe(0xaa)).toEqual({
      bytes: fromHex("aa 87"),
      replyBytes: 2,
      answer: fromHex("fa aa"),
    });
    expect(toHex(encodeSetUp(74, "high"))).toBe(plain("8a 97 8d 85 86 4a 00 82 00 00 80 0a 0b"));
    expect(toHex(encodeSetUp(0x012b, "low"))).toBe(plain("8a 97 8d 85 86 2b 01 82 00 00 80 02 0b"));
    const loopback = encodeLoopback(fromHex("01 02 03"));
    expect(toHex(loopback.bytes)).toBe(plain("84 31 02 00 01 02 03 85 80 0a 0b 87"));
    expect(loopback.replyBytes).toBe(3);
    expect(toHex(encodePinsAndRead("high").bytes)).toBe(plain("80 0a 0b 81 87"));
  });
});

describe("clock", () => {
  // bridges.md 1.5
  test.each([
    [30e6, 0, 30e6],
    [15e6, 1, 15e6],
    [10e6, 2, 10e6],
    [7.5e6, 3, 7.5e6],
    [6e6, 4, 6e6],
    [5e6, 5, 5e6],
    [2e6, 14, 2e6],
    [1e6, 29, 1e6],
    [400e3, 74, 400e3],
    [100e3, 299, 100e3],
    [25e6, 1, 15e6],
    [29_999_999, 1, 15e6],
    [100e6, 0, 30e6],
    [12e6, 2, 10e6],
    [MIN_FREQUENCY_HZ, 65_535, MIN_FREQUENCY_HZ],
  ])("%d Hz: divisor %i", (asked, divisor, frequencyHz) => {
    expect(clockSetting(asked)).toEqual({ divisor, frequencyHz });
  });

  test.each([457, 1, 0, -1, Number.NaN])("%d Hz is refused", (asked) => {
    expect(() => clockSetting(asked)).toThrow(expect.objectContaining({ code: "USAGE" }));
  });

  test("never faster than asked, and no slower than need be", () => {
    fc.assert(
      fc.property(fc.integer({ min: 458, max: 40_000_000 }), (asked) => {
        const { divisor, frequencyHz } = clockSetting(asked);
        const next = 60e6 / (2 * divisor);
        return frequencyHz <= asked && (divisor === 0 || next > asked);
      }),
    );
  });

  test("asked for again, every clock that the chip has is itself", () => {
    for (let divisor = 0; divisor <= 65_535; divisor++) {
      const { frequencyHz } = clockSetting(60e6 / (2 * (1 + divisor)));
      if (clockSetting(frequencyHz).divisor !== divisor) throw new Error(`divisor ${divisor}`);
    }
  });

  test("86 lo hi", () => {
    expect(toHex(encodeDivisor(0x1234))).toBe("863412");
  });
});

const op: fc.Arbitrary<BusOp> = fc.oneof(
  fc.constantFrom<BusOp>({ kind: "cs", level: "low" }, { kind: "cs", level: "high" }),
  fc.uint8Array({ maxLength: 40 }).map((data) => ({ kind: "write" as const, data })),
  fc.uint8Array({ maxLength: 40 }).map((data) => ({ kind: "exchange" as const, data })),
  fc.integer({ min: 0, max: 140_000 }).map((length) => ({ kind: "read" as const, length })),
  fc.integer({ min: 0, max: 140_000 }).map((bytes) => ({ kind: "idle" as const, bytes })),
  fc.integer({ min: 1, max: 65_536 }).map((maxBytes) => ({ kind: "waitReady" as const, maxBytes })),
);

/** What happens on the bus: equal however it is cut into commands. */
class Journal {
  readonly #entries: [string, number][] = [];
  readonly mosi: number[] = [];
  #cs: string;

  constructor(cs: string) {
    this.#cs = cs;
  }

  get entries(): string[] {
    return this.#entries.map(([kind, count]) => `${kind} ${count}`);
  }

  add(kind: string, count: number): void {
    if (count === 0) return;
    const last = this.#entries.at(-1);
    if (last?.[0] === kind && kind !== "wait") last[1] += count;
    else this.#entries.push([kind, count]);
  }

  cs(level: string): void {
    if (level !== this.#cs) this.#entries.push([level, 0]);
    this.#cs = level;
  }
}

function meant(ops: readonly BusOp[], cs: string): Journal {
  const journal = new Journal(cs);
  for (const each of ops) {
    if (each.kind === "cs") journal.cs(each.level);
    else if (each.kind === "read") journal.add("read", each.length);
    else if (each.kind === "idle") journal.add("idle", each.bytes);
    else if (each.kind === "waitReady") journal.add("wait", each.maxBytes);
    else {
      journal.add(each.kind, each.data.length);
      journal.mosi.push(...each.data);
    }
  }
  return journal;
}

/** Carries a script out, by the decoder that was written apart from the encoder. */
class Pins {
  readonly journal: Journal;
  replies = 0;
  flushedAtEnd = false;
  /** DO was high, and the pins as they must be, whenever that mattered. */
  sound = true;
  #dataOutMoved = false;

  constructor(cs: string) {
    this.journal = new Journal(cs);
  }

  run(bytes: Uint8Array): this {
    const decoder = new MpsseDecoder("ft232h");
    decoder.push(bytes, (event) => this.#see(event));
    this.sound &&= decoder.betweenCommands && !this.#dataOutMoved;
    return this;
  }

  #see(event: MpsseEvent): void {
    this.replies += replyBytes(event);
    this.flushedAtEnd = event.kind === "flush";
    switch (event.kind) {
      case "setPins":
        this.#dataOutMoved = false;
        this.sound &&= (event.value & 3) === 2 && event.direction === 0x0b;
        this.journal.cs(event.value & 8 ? "high" : "low");
        return;
      case "payload":
        this.#dataOutMoved = true;
        this.journal.mosi.push(...event.bytes);
        return;
      case "shift":
        this.sound &&= event.write || !this.#dataOutMoved;
        this.journal.add(shiftName(event.write, event.read), event.length);
        return;
      case "clocks":
      case "wait":
        this.sound &&= !this.#dataOutMoved;
        if (event.kind === "wait") this.journal.add("wait", Number(event.clocks) / 8);
        else this.journal.add("idle", event.bits / 8);
        return;
      default:
        this.sound &&= event.kind === "flush";
    }
  }
}

function shiftName(write: boolean, read: boolean): string {
  if (!write) return "read";
  return read ? "exchange" : "write";
}

describe("against the decoder", () => {
  test("any ops: what was meant, as many replies as said, DO high where no data is given", () => {
    const cs = fc.constantFrom<"high" | "low">("high", "low");
    fc.assert(
      fc.property(fc.array(op, { maxLength: 12 }), cs, (ops, before) => {
        const step = encodeStep(ops, before);
        const pins = new Pins(before).run(step.bytes);
        const wanted = meant(ops, before);
        expect(pins.journal.entries).toEqual(wanted.entries);
        expect(pins.journal.mosi).toEqual(wanted.mosi);
        expect(pins.replies).toBe(step.replyBytes);
        expect(pins.flushedAtEnd).toBe(step.replyBytes > 0);
        expect(pins.sound).toBe(true);
      }),
    );
  });
});
