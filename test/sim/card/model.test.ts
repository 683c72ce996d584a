import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { MemoryFlash } from "../../../src/sim/card/flash.js";
import { createCardModel, type SdCardModel } from "../../../src/sim/card/model.js";
import type { CardModelOptions } from "../../../src/sim/card/options.js";
import { fromHex, toHex } from "../../../src/util/bytes.js";
import { crc16 } from "../../../src/util/crc.js";

const SECTORS = 2048;
const FF = "ff";
const TIMING = { startUs: 0, usPerByte: 20 };

/** Speaks bytes to a card, as they stand in the specification. */
class Wire {
  readonly flash = new MemoryFlash(SECTORS);
  readonly card: SdCardModel;
  #nowUs = 0;

  constructor(options: Partial<CardModelOptions> = {}) {
    this.card = createCardModel(this.flash, {
      initialisationUs: 0,
      ncr: 1,
      nac: { bytes: 0 },
      busy: { bytes: 2 },
      stopBusy: { bytes: 1 },
      dataResponseUpperBits: 0,
      ...options,
    });
  }

  /** Sends hex, returns MISO as hex. */
  send(hex: string): string {
    const mosi = fromHex(hex);
    const miso = new Uint8Array(mosi.length);
    this.card.exchange(mosi, miso, mosi.length, { ...TIMING, startUs: this.#nowUs });
    this.#nowUs += mosi.length * TIMING.usPerByte;
    return toHex(miso);
  }

  ones(count: number): string {
    return this.send(FF.repeat(count));
  }

  /** Start-up clocks, CMD0, CMD8, ACMD41: transfer state. */
  ready(crc = true): this {
    this.card.setCs("high");
    this.ones(10);
    this.card.setCs("low");
    for (const frame of [
      "400000000095",
      "48000001aa87",
      ...(crc ? ["7b0000000183"] : []),
      "770000000065",
      "694000000077",
    ])
      this.send(`ff${frame}${FF.repeat(8)}`);
    return this;
  }

  /** A block with a right or wrong CRC16, and the bytes that come back behind it. */
  block(token: string, data: Uint8Array, crc = crc16(data)): string {
    this.send(`ff${token}${toHex(data)}${crc.toString(16).padStart(4, "0")}`);
    return this.ones(6);
  }
}

const fill = (value: number): Uint8Array => new Uint8Array(512).fill(value);
const sector = (wire: Wire, lba: number): Uint8Array => {
  const into = new Uint8Array(512);
  wire.flash.read(lba, into);
  return into;
};

function blankSectors(wire: Wire): number {
  let count = 0;
  for (let lba = 0; lba < SECTORS; lba++)
    if (sector(wire, lba).every((byte) => byte === 0)) count++;
  return count;
}

describe("start-up, byte by byte", () => {
  test("is deaf without 74 clocks with CS high, then answers CMD0 with 01 after NCR", () => {
    const wire = new Wire();
    wire.card.setCs("low");
    expect(wire.send(`400000000095${FF.repeat(4)}`)).toBe(FF.repeat(10));
    wire.card.setCs("high");
    wire.ones(10);
    wire.card.setCs("low");
    expect(wire.send(`400000000095${FF.repeat(4)}`)).toBe(`${FF.repeat(7)}01ffff`);
  });

  test.each([0, 1, 8])("NCR %d", (ncr) => {
    const wire = new Wire({ ncr });
    wire.card.setCs("high");
    wire.ones(10);
    wire.card.setCs("low");
    expect(wire.send(`400000000095${FF.repeat(10)}`).slice(12)).toBe(
      `${FF.repeat(ncr)}01${FF.repeat(9 - ncr)}`,
    );
  });

  test.each([
    ["the right voltage is echoed", "sdhc", "48000001aa87", "ff01000001aaff"],
    ["another voltage: VCA 0, the pattern echoed", "sdhc", "48000002aabd", "ff01000000aaff"],
    ["a wrong CRC7: R1 09 and nothing behind", "sdhc", "48000001aa89", "ff09ffffffffff"],
    ["a version 1 card: illegal command", "sdsc", "48000001aa87", "ff05ffffffffff"],
  ] as const)("CMD8: %s", (_what, kind, frame, answer) => {
    const wire = new Wire({ kind });
    wire.card.setCs("high");
    wire.ones(10);
    wire.card.setCs("low");
    wire.send(`400000000095${FF.repeat(4)}`);
    expect(wire.send(`${frame}${FF.repeat(7)}`).slice(12)).toBe(answer);
  });
});

describe("commands in transfer state", () => {
  test("R1 and what follows, of every kind of answer", () => {
    const wire = new Wire().ready();
    const answer = (frame: string): string => wire.send(`ff${frame}${FF.repeat(7)}`).slice(14);
    expect(answer("4d000000000d")).toBe("ff0000ffffffff");
    expect(answer("7a00000000fd")).toBe("ff00c0ff8000ff");
    expect(answer("4d000000000f")).toBe("ff08ffffffffff");
    expect(answer("430000000021")).toBe("ff04ffffffffff");
    expect(answer("4c0000000061")).toBe("ff04ffffffffff");
    expect(answer("5100100000ef").slice(0, 4)).toBe("ff40");
  });

  test("a block is programmed only with a right CRC16 while checking is on, and anyhow while it is off", () => {
    for (const [crcOn, response, kept] of [
      [true, "0b", 0],
      [false, "05", 7],
    ] as const) {
      const wire = new Wire().ready(crcOn);
      wire.send(`ff58000000006f${FF.repeat(4)}`);
      expect(wire.block("fe", fill(7), 0x1234)).toBe(
        response === "05" ? "050000ffffff" : "0bffffffffff",
      );
      expect(sector(wire, 0)[0]).toBe(kept);
    }
  });

  test("CMD25: blocks, stop token, one undefined byte, busy", () => {
    const wire = new Wire().ready();
    wire.send(`ff590000000003${FF.repeat(4)}`);
    for (const value of [1, 2, 3]) expect(wire.block("fc", fill(value))).toBe("050000ffffff");
    expect(wire.send(`fffd${FF.repeat(4)}`)).toBe("ffffff00ffff");
    expect([0, 1, 2, 3].map((lba) => sector(wire, lba)[0])).toEqual([1, 2, 3, 0]);
    expect(wire.card.inTransferState).toBe(true);
  });

  test("CMD18 streams until CMD12, whose first answer byte is stuff", () => {
    const wire = new Wire({ gap: 2 }).ready();
    wire.flash.write(1, fill(9));
    const stream = wire.send(`ff5200000000e1${FF.repeat(2 + 2 * (515 + 2))}`);
    expect(stream.slice(14, 20)).toBe("ff00fe");
    expect(stream.slice(20 + 2 * 514, 20 + 2 * 517)).toBe("fffffe");
    expect(wire.send(`4c0000000061${FF.repeat(6)}`).slice(12)).toBe("2aff0000ffff");
  });
});

describe("what the specification leaves open", () => {
  test.each(["reset", "freeze"] as const)("CS rising inside a block: %s", (csRise) => {
    const wire = new Wire({ csRise }).ready();
    wire.send(`ff58000000006f${FF.repeat(4)}fffe${"07".repeat(100)}`);
    wire.card.setCs("high");
    wire.ones(2);
    wire.card.setCs("low");
    const rest = fill(7).subarray(100);
    wire.send(`${toHex(rest)}${crc16(fill(7)).toString(16).padStart(4, "0")}`);
    wire.ones(6);
    expect(sector(wire, 0)[0]).toBe(csRise === "freeze" ? 7 : 0);
    expect(wire.card.inTransferState).toBe(csRise === "freeze");
  });

  test.each(["ignore", "stop"] as const)(
    "CMD12 while a token is awaited: %s",
    (commandsInReceive) => {
      const wire = new Wire({ commandsInReceive }).ready();
      wire.send(`ff590000000003${FF.repeat(4)}`);
      wire.send(`ff4c0000000061${FF.repeat(8)}`);
      expect(wire.card.inTransferState).toBe(commandsInReceive === "stop");
    },
  );
});

test.each(["old", "new", "first-half", "second-half"] as const)(
  "power cut while a sector is programmed: %s",
  (state) => {
    const wire = new Wire({ busy: { bytes: 100 } }).ready();
    wire.flash.write(0, fill(1));
    wire.send(`ff58000000006f${FF.repeat(4)}`);
    wire.card.cutPowerAtWrite(1, state);
    wire.block("fe", fill(2));
    expect(wire.card.powered).toBe(false);
    expect(wire.ones(4)).toBe(FF.repeat(4));
    const left = sector(wire, 0);
    expect([left[0], left[511]]).toEqual(
      { old: [1, 1], new: [2, 2], "first-half": [2, 1], "second-half": [1, 2] }[state],
    );
    wire.card.powerCycle();
    expect(wire.ready().card.inTransferState).toBe(true);
  },
);

test("a restored snapshot goes on as the original did, from any byte of a write", () => {
  const script = `ff58000000006f${FF.repeat(4)}fffe${"5a".repeat(512)}${crc16(fill(0x5a)).toString(16).padStart(4, "0")}${FF.repeat(8)}`;
  for (let at = 0; at < script.length / 2; at += 37) {
    const wire = new Wire().ready();
    wire.send(script.slice(0, 2 * at));
    const [snapshot, cells] = [wire.card.snapshot(), wire.flash.snapshot()];
    const first = wire.send(script.slice(2 * at));
    wire.card.restore(snapshot);
    wire.flash.restore(cells);
    expect({ at, miso: wire.send(script.slice(2 * at)) }).toEqual({ at, miso: first });
    expect(sector(wire, 0)[0]).toBe(0x5a);
  }
});

test("any bytes and CS edges: no exception, and with CRC on nothing is programmed that was not sent whole and right", () => {
  const step = fc.oneof(
    fc.uint8Array({ maxLength: 600 }),
    fc.constantFrom("high" as const, "low" as const),
    fc.constant(fromHex("ff58000000006fffffffff")),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      const wire = new Wire().ready();
      for (const one of steps) {
        if (typeof one === "string") wire.card.setCs(one);
        else wire.send(toHex(one));
      }
      const accepted = wire.card.cells.accepted;
      if (accepted === 0) expect(blankSectors(wire)).toBe(SECTORS);
    }),
    { numRuns: 100 },
  );
});

test("MISO never depends on the MOSI bits of the same byte: peek says it before", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), (bytes) => {
      const wire = new Wire().ready();
      for (const byte of bytes) {
        const expected = wire.card.peek(1e6);
        const miso = new Uint8Array(1);
        wire.card.exchange(Uint8Array.of(byte), miso, 1, { startUs: 1e6, usPerByte: 20 });
        expect(miso[0]).toBe(expected);
      }
    }),
  );
});
