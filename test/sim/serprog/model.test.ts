import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { SimClock } from "../../../src/sim/clock.js";
import {
  createSerprogModel,
  type SerprogBoardOptions,
  type SerprogModel,
} from "../../../src/sim/serprog/model.js";
import type { SerialTransport } from "../../../src/transport/types.js";
import { fromHex, toHex } from "../../../src/util/bytes.js";
import { type Deadline, deadlineIn } from "../../../src/util/deadline.js";
import { VECTORS } from "../../bridge/serprog/vectors.js";
import { EchoDevice } from "../ftdi/support.js";
import { codeOf } from "./support.js";

class Rig {
  readonly clock = new SimClock();
  readonly spi = new EchoDevice();
  readonly model: SerprogModel;
  readonly port: SerialTransport;

  constructor(options: Partial<SerprogBoardOptions> = {}, roundTripUs = 1000) {
    this.model = createSerprogModel({ clock: this.clock, spi: this.spi, options, roundTripUs });
    this.port = this.model.transport();
  }

  in(ms: number): Deadline {
    return deadlineIn(this.clock, ms);
  }

  /** All that comes back, as hex. */
  async say(hex: string): Promise<string> {
    await this.port.write(fromHex(hex), this.in(1000));
    let answer = "";
    for (;;) {
      const some = await this.port.readSome(4096, this.in(50)).catch(() => undefined);
      if (some === undefined) return answer;
      answer += toHex(some);
    }
  }

  rules(): string[] {
    return this.model.violations.map(({ rule }) => rule);
  }
}

describe("the board answers as the protocol document says", () => {
  test("its vectors", async () => {
    const board = {
      name: "stm32-vserprog",
      maxWrite: 4096,
      maxRead: 0,
      pinsDriven: true,
      commands: [0, 1, 2, 3, 4, 5, 0x10, 0x12, 0x13, 0x14, 0x15],
    };
    const full = { ...board, commands: [...board.commands, 8, 0x11, 0x16, 0x17, 0x18] };
    for (const { what, host, answer } of VECTORS) {
      const rig = new Rig(what.startsWith("Q_CMDMAP") ? board : full);
      const said = await rig.say(host);
      // EchoDevice is no flash chip.
      if (what.startsWith("O_SPIOP")) expect([what, said]).toEqual([what, "069fffff"]);
      else expect([what, said]).toEqual([what, answer.replaceAll(" ", "")]);
      expect(rig.rules()).toEqual([]);
    }
  });

  test("half duplex: CS by itself, MISO of the writing phase lost, the filler while it reads", async () => {
    const rig = new Rig({ filler: 0x5a });
    await rig.say("15 01");
    expect(await rig.say("13 02 00 00 03 00 00 aa bb")).toBe("06bb5a5a");
    expect(rig.spi.log).toEqual(["cs high", "cs low", "aabb", "5a5a5a", "cs high"]);
  });

  test("full duplex: both at once, CS as it is told", async () => {
    const rig = new Rig();
    expect(await rig.say("15 01 17 01 18 01 13 03 00 00 03 00 00 01 02 03")).toBe("06060606a50102");
    expect(await rig.say("13 01 00 00 01 00 00 04 18 02")).toBe("060306");
    expect(rig.spi.log).toEqual(["cs high", "cs low", "010203", "04", "cs high"]);
    expect(await rig.say("13 02 00 00 02 00 00 ff ff")).toBe("06ffff");
    expect(rig.rules()).toEqual([]);
    await rig.say("13 01 00 00 03 00 00 ff");
    expect(rig.rules()).toEqual(["unequal-lengths"]);
  });

  test("unknown opcodes and modes", async () => {
    const rig = new Rig();
    expect(await rig.say("20")).toBe("15");
    expect(await rig.say("17 02 18 03 12 01 16 01 14 00 00 00 00")).toBe("1515151515");
    const silent = new Rig({ unknownOpcode: "silence" });
    expect(await silent.say("20 a0 00")).toBe("06");
    expect(rig.rules()).toEqual(["unknown-opcode", "zero-frequency"]);
  });

  test("lengths that are too long", async () => {
    const rig = new Rig({ maxWrite: 4, maxRead: 4 });
    await rig.say("15 01");
    expect(await rig.say("13 05 00 00 00 00 00 01 02 03 04 05 00")).toBe("1506");
    expect(await rig.say("13 00 00 00 05 00 00")).toBe("15");
    const dumb = new Rig({ bufferBytes: 4, onOverflow: "hang", maxWrite: 0, pinsDriven: true });
    expect(await dumb.say("13 05 00 00 00 00 00 01 02 03 04 05 00 10")).toBe("");
    expect(dumb.model.board.hung).toBe(true);
    expect([rig.rules(), dumb.rules()]).toEqual([
      ["write-length", "read-length"],
      ["write-length"],
    ]);
  });

  test("pins that are not driven, and changes while CS is low", async () => {
    const rig = new Rig();
    expect(await rig.say("13 01 00 00 01 00 00 00")).toBe("06ff");
    await rig.say("15 01 18 01 14 00 00 10 00 17 01");
    expect(rig.model.board).toMatchObject({ cs: "low", frequencyHz: 750_000 });
    await rig.say("15 00");
    expect(rig.model.board.cs).toBe("high");
    expect(rig.rules()).toEqual(["pins-off", "change-selected", "change-selected"]);
  });

  test("a serial buffer without flow control", async () => {
    const rig = new Rig({ serialBuffer: 8, pinsDriven: true, firstFrequencyHz: 10_000 });
    expect(await rig.say(`13 0a 00 00 00 00 00 ${"ff".repeat(10)} ${"00".repeat(8)}`)).toBe(
      "06".repeat(9),
    );
    expect(rig.rules()).toEqual([]);
    expect(await rig.say(`13 0a 00 00 00 00 00 ${"ff".repeat(10)} ${"00".repeat(9)}`)).toBe(
      "06".repeat(9),
    );
    expect(rig.rules()).toEqual(["serial-overflow"]);
  });

  test("any bytes: it lives", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 8 }),
        async (list) => {
          const rig = new Rig({ pinsDriven: true }, 0);
          for (const bytes of list) await rig.port.write(bytes, rig.in(1000));
          await rig.clock.sleep(1e6);
          expect(rig.model.counters.bytesToBoard).toBe(
            list.reduce((sum, { length }) => sum + length, 0),
          );
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe("the port", () => {
  test("keeps what nobody waits for, and what a read that was late would have got", async () => {
    const rig = new Rig();
    await rig.port.write(fromHex("01 03"), rig.in(10));
    await rig.clock.sleep(10_000);
    expect(toHex(await rig.port.read(3, rig.in(1)))).toBe("060100");
    await expect(rig.port.read(100, rig.in(1))).rejects.toMatchObject({
      code: "TRANSPORT_TIMEOUT",
    });
    expect(toHex(await rig.port.readSome(2, rig.in(1)))).toBe("0673");
    expect(await rig.port.read(15, rig.in(1))).toHaveLength(15);
  });

  test("one read at a time, one user at a time", async () => {
    const rig = new Rig();
    const first = rig.port.read(1, rig.in(5)).catch(codeOf);
    await expect(rig.port.read(1, rig.in(5))).rejects.toMatchObject({ code: "TRANSPORT_FAULT" });
    expect(() => rig.model.transport()).toThrow(
      expect.objectContaining({ code: "TRANSPORT_BUSY" }),
    );
    await rig.port.close();
    await rig.port.close();
    expect(await first).toBe("TRANSPORT_CANCELLED");
    expect(await rig.port.closed).toBeUndefined();
    await expect(rig.port.drain(rig.in(1))).rejects.toMatchObject({ code: "TRANSPORT_CANCELLED" });
    await rig.model.transport().close();
    expect(rig.rules()).toEqual(["two-reads"]);
  });

  test("takes its time, and says when it has not enough", async () => {
    const rig = new Rig({ baudRate: 9600 });
    await rig.port.setBaudRate(9600, rig.in(1));
    const data = new Uint8Array(96);
    await expect(rig.port.write(data, rig.in(50))).rejects.toMatchObject({
      code: "TRANSPORT_TIMEOUT",
    });
    await rig.port.drain(rig.in(100));
    expect(rig.clock.nowUs()).toBe(100_000);
    expect(toHex(await rig.port.read(96, rig.in(300)))).toBe("06".repeat(96));
    expect(rig.clock.nowUs()).toBe(100_000 + 500 + 100_000 + 500);
  });

  test("an unplug is told to everyone", async () => {
    const rig = new Rig();
    const reading = rig.port.read(1, rig.in(500)).catch(codeOf);
    const writing = rig.port.write(new Uint8Array(60_000), rig.in(500)).catch(codeOf);
    rig.model.unplug();
    expect([await reading, await writing]).toEqual([
      "TRANSPORT_DISCONNECTED",
      "TRANSPORT_DISCONNECTED",
    ]);
    expect(await rig.port.closed).toMatchObject({ code: "TRANSPORT_DISCONNECTED" });
    expect(() => rig.model.transport()).toThrow(
      expect.objectContaining({ code: "TRANSPORT_DISCONNECTED" }),
    );
    rig.model.replug();
    const again = rig.model.transport();
    await again.write(fromHex("10"), rig.in(10));
    expect(toHex(await again.read(2, rig.in(10)))).toBe("1506");
  });

  test("faults strike the byte that they name", async () => {
    const rig = new Rig();
    rig.model.inject({ direction: "toBoard", byte: 1, kind: "lose" });
    rig.model.inject({ direction: "toHost", byte: 1, kind: "duplicate" });
    rig.model.inject({ direction: "toHost", byte: 3, kind: "change", value: 0x80 });
    rig.model.inject({ direction: "toHost", byte: 4, kind: "insert", value: 0x77 });
    expect(await rig.say("01 99 01")).toBe("0601010086770100");
  });
});
