import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import {
  type Ch347Model,
  type Ch347ModelOptions,
  createCh347Model,
} from "../../../src/sim/ch347/model.js";
import { SimClock } from "../../../src/sim/clock.js";
import type { UsbTransport } from "../../../src/transport/types.js";
import { fromHex, toHex } from "../../../src/util/bytes.js";
import { type Deadline, deadlineIn } from "../../../src/util/deadline.js";
import {
  CS_HIGH,
  CS_LOW,
  READ_CONFIG,
  SETTINGS_15_MHZ,
  SETTINGS_60_MHZ,
} from "../../bridge/ch347/vectors.js";
import { CountingDevice, codeOf, expected } from "../../bridge/ftdi/support.js";

/** The model with a host that knows USB and nothing else. */
class Rig {
  readonly clock = new SimClock();
  readonly device = new CountingDevice();
  readonly model: Ch347Model;
  readonly usb: UsbTransport;

  constructor(options: Partial<Ch347ModelOptions> = {}) {
    this.model = createCh347Model({ ...options, clock: this.clock, spi: this.device });
    this.usb = this.model.transport();
  }

  in(ms = 1000): Deadline {
    return deadlineIn(this.clock, ms);
  }

  async send(hex: string): Promise<void> {
    await this.usb.bulkOut(0x06, fromHex(hex), this.in()).done;
  }

  async fetch(): Promise<string> {
    return toHex(await this.usb.bulkIn(0x86, 512, this.in()).done);
  }

  /** A command and its answer. */
  async ask(hex: string): Promise<string> {
    await this.send(hex);
    return this.fetch();
  }

  rules(): string[] {
    return this.model.violations.map(({ rule }) => rule);
  }
}

/** Set up at 15 MHz, CS low. */
async function selected(options: Partial<Ch347ModelOptions> = {}): Promise<Rig> {
  const rig = new Rig(options);
  await rig.ask(SETTINGS_15_MHZ);
  await rig.send(CS_LOW);
  rig.device.clear();
  return rig;
}

const bare = (hex: string): string => hex.replaceAll(" ", "");

describe("answers", () => {
  it("to settings are the status, and the settings themselves to who asks for them", async () => {
    const rig = new Rig();
    expect(await rig.ask(SETTINGS_15_MHZ)).toBe("c0010000");
    expect(await rig.ask(READ_CONFIG)).toBe(`ca${bare(SETTINGS_15_MHZ).slice(2)}`);
    expect(rig.model.engine).toEqual({ cs: "high", frequencyHz: 15e6, spiBytes: 0 });
    expect(rig.rules()).toEqual([]);
  });

  it("to data are as long as they were, to a write one byte, to chip select none", async () => {
    const rig = await selected();
    expect(await rig.ask("c2 0300 010203")).toBe(`c20300${toHex(expected(0, 3))}`);
    expect(await rig.ask("c4 0200 0405")).toBe("c4010000");
    expect(await rig.ask("c3 0400 04000000")).toBe(`c30400${toHex(expected(5, 4))}`);
    await rig.send(CS_HIGH);
    expect(await codeOf(rig.usb.bulkIn(0x86, 512, rig.in(50)).done)).toBe("TRANSPORT_TIMEOUT");
    expect(rig.device.mosi).toEqual([1, 2, 3, 4, 5, 255, 255, 255, 255, -2]);
    expect(rig.rules()).toEqual([]);
  });

  it("to a long read are frames of 507 bytes, clocked as they are fetched", async () => {
    const rig = await selected();
    await rig.send("c3 0400 dc050000");
    await rig.clock.sleep(10_000);
    expect(rig.model.engine.spiBytes).toBe(2 * 507);
    const frames = [await rig.fetch(), await rig.fetch(), await rig.fetch()];
    expect(frames.map((frame) => frame.slice(0, 6))).toEqual(["c3fb01", "c3fb01", "c3e601"]);
    expect(frames.map((frame) => frame.slice(6)).join("")).toBe(toHex(expected(0, 1500)));
    expect(rig.rules()).toEqual([]);
  });

  it("hold back commands that come before the read is over", async () => {
    const rig = await selected();
    await rig.send("c3 0400 dc050000");
    const next = rig.usb.bulkOut(0x06, fromHex("c2 0100 00"), rig.in(50)).done;
    expect(await codeOf(next)).toBe("TRANSPORT_TIMEOUT");
    expect(rig.rules()).toEqual([]);
  });

  it("take their time: the clocks, the turnaround, the way there and back", async () => {
    const rig = await selected();
    const startUs = rig.clock.nowUs();
    const [answer] = await Promise.all([rig.fetch(), rig.send(`c2 fb01 ${"00".repeat(507)}`)]);
    expect(answer.length).toBe(2 * 510);
    // Two packets of 10 µs, 507 bytes at 15 MHz, 52 µs, 125 µs.
    expect(rig.clock.nowUs() - startUs).toBeCloseTo(20 + (507 * 8) / 15 + 52 + 125, 6);
  });

  it("can come split, and full packets have an empty one behind them or not", async () => {
    const rig = await selected({ splitBytes: 4 });
    expect(await rig.ask("c2 0200 0000")).toBe(`c20200${toHex(expected(0, 1))}`);
    expect(await rig.fetch()).toBe(toHex(expected(1, 1)));
    for (const zeroLengthPackets of [true, false]) {
      const small = await selected({ packetSize: 64, zeroLengthPackets });
      await small.send(`c2 3d00 ${"00".repeat(61)}`);
      const whole = await small.usb.bulkIn(0x86, 64, small.in()).done;
      expect(whole.length).toBe(64);
      const behind = small.usb.bulkIn(0x86, 64, small.in(50)).done.then(
        ({ length }) => length,
        (error: { readonly code?: string }) => error.code,
      );
      expect(await behind).toBe(zeroLengthPackets ? 0 : "TRANSPORT_TIMEOUT");
    }
  });
});

const MODE_3 = "c0 1a00 0000 0401 0000 0200 0100 0002 1000 0000 0700 0000 ff 00 00000000";
const LSB_FIRST = "c0 1a00 0000 0401 0000 0000 0000 0002 1000 8000 0700 0000 ff 00 00000000";
const ZEROS = "c0 1a00 0000 0401 0000 0000 0000 0002 1000 0000 0700 0000 00 00 00000000";

describe("rules", () => {
  it.each<[string, readonly string[], readonly string[]]>([
    ["no command", ["a8ff"], ["unknown-command"]],
    ["a command without its data", ["c4 0500 01"], ["malformed"]],
    ["a command of another length", ["c1 0100 80"], ["malformed"]],
    ["more than a frame", [`c4 fc01 ${"00".repeat(508)}`], ["too-long"]],
    ["two commands at once", [`${CS_LOW} ${CS_HIGH}`], ["several-commands"]],
    ["a second command before the answer", ["c4 0100 00", "c4 0100 00"], ["overlapped"]],
    ["another mode", [MODE_3], ["spi-mode"]],
    ["lowest bit first", [LSB_FIRST], ["spi-mode"]],
    ["zeros while reading", [ZEROS, "", "c3 0400 01000000"], ["idle-byte"]],
    ["another clock with CS low", [CS_LOW, SETTINGS_60_MHZ], ["clock-change-selected"]],
    ["an automatic release", ["c1 0a00 a0 0000 0000 00 0000 0000"], ["auto-release"]],
    ["another family of clocks", ["e1 0100 03"], ["unproved"]],
  ])("know %s", async (_, transfers, rules) => {
    const rig = new Rig();
    await rig.ask(SETTINGS_15_MHZ);
    // An empty one stands for fetching an answer.
    for (const hex of transfers) await (hex === "" ? rig.fetch() : rig.send(hex));
    await rig.clock.sleep(1000);
    expect(rig.rules()).toEqual(rules);
  });

  it("know clocks before any settings", async () => {
    const rig = new Rig();
    await rig.ask("c2 0100 ff");
    expect(rig.rules()).toEqual(["not-configured"]);
  });

  it("know an IN transfer of half a packet, and requests that are none", async () => {
    const rig = new Rig();
    expect(await codeOf(rig.usb.bulkIn(0x86, 100, rig.in(10)).done)).toBe("TRANSPORT_TIMEOUT");
    const setup = { requestType: 0xc0, request: 0x5f, value: 0, index: 0 };
    expect(await codeOf(rig.usb.controlIn(setup, 2, rig.in()))).toBe("TRANSPORT_STALL");
    expect(rig.rules()).toEqual(["in-length", "control-request"]);
  });

  it("are not broken by settings that change nothing while CS is low", async () => {
    const rig = await selected();
    await rig.ask(SETTINGS_15_MHZ);
    expect([rig.rules(), rig.model.engine.cs]).toEqual([[], "low"]);
  });
});

describe("the device", () => {
  it.each([
    ["ch347t", 0x55db, 2],
    ["ch347f", 0x55de, 4],
  ] as const)("%s has SPI on one interface", (part, productId, number) => {
    const model = createCh347Model({ part, clock: new SimClock(), spi: new CountingDevice() });
    expect(model.device).toMatchObject({ vendorId: 0x1a86, productId, bcdDevice: 0x0441 });
    expect(model.interfaces).toEqual([{ number, endpoints: [0x06, 0x86] }]);
    expect(() => model.transport(0)).toThrow(
      expect.objectContaining({ code: "TRANSPORT_NOT_FOUND" }),
    );
  });

  it("is one host's at a time, and stays as it is between two", async () => {
    const rig = await selected();
    expect(() => rig.model.transport()).toThrow(
      expect.objectContaining({ code: "TRANSPORT_BUSY" }),
    );
    await rig.usb.close();
    await rig.usb.close();
    expect(await codeOf(rig.send(CS_LOW))).toBe("TRANSPORT_DISCONNECTED");
    rig.model.transport();
    expect(rig.model.engine).toMatchObject({ cs: "low", frequencyHz: 15e6 });
  });

  it("comes back as after power-on", async () => {
    const rig = await selected();
    const waiting = codeOf(rig.fetch());
    rig.model.unplug();
    expect(await waiting).toBe("TRANSPORT_DISCONNECTED");
    expect(() => rig.model.transport()).toThrow(
      expect.objectContaining({ code: "TRANSPORT_DISCONNECTED" }),
    );
    rig.model.replug();
    expect(rig.model.engine).toMatchObject({ cs: "high", spiBytes: 0 });
    expect(await codeOf(rig.send(CS_LOW))).toBe("TRANSPORT_DISCONNECTED");
    const again = rig.model.transport();
    await again.bulkOut(0x06, fromHex(READ_CONFIG), rig.in()).done;
    expect((await again.bulkIn(0x86, 512, rig.in()).done).length).toBe(29);
  });
});

describe("any transfers", () => {
  it("are taken, or held back, and never answered with more than they asked for", async () => {
    const transfer = fc.oneof(
      fc.uint8Array({ maxLength: 80 }),
      fc
        .tuple(
          fc.constantFrom(0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xca, 0xe1),
          fc.uint8Array({ maxLength: 40 }),
        )
        .map(([command, data]) => Uint8Array.of(command, data.length, 0, ...data)),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(transfer, { maxLength: 6 }),
        fc.constantFrom<512 | 64>(512, 64),
        async (transfers, packetSize) => {
          const rig = new Rig({ packetSize });
          const sent = transfers.map((data) =>
            codeOf(rig.usb.bulkOut(0x06, data, rig.in(20)).done),
          );
          const seen = [0, 1, 2].map(() => codeOf(rig.usb.bulkIn(0x86, 512, rig.in(30)).done));
          const allowed = ["done", "TRANSPORT_TIMEOUT"];
          for (const outcome of await Promise.all([...sent, ...seen]))
            expect(allowed).toContain(outcome);
        },
      ),
      { numRuns: 100 },
    );
  });
});
