import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import {
  type Ch341Model,
  type Ch341ModelOptions,
  createCh341Model,
} from "../../../src/sim/ch341/model.js";
import { SimClock } from "../../../src/sim/clock.js";
import type { UsbTransport } from "../../../src/transport/types.js";
import { fromHex, toHex } from "../../../src/util/bytes.js";
import { type Deadline, deadlineIn } from "../../../src/util/deadline.js";
import { CountingDevice, codeOf } from "../../bridge/ftdi/support.js";

/** The model with a host that knows USB and nothing else. */
class Rig {
  readonly clock = new SimClock();
  readonly device = new CountingDevice();
  readonly model: Ch341Model;
  readonly usb: UsbTransport;

  constructor(options: Partial<Ch341ModelOptions> = {}) {
    this.model = createCh341Model({ ...options, clock: this.clock, spi: this.device });
    this.usb = this.model.transport();
  }

  in(ms = 1000): Deadline {
    return deadlineIn(this.clock, ms);
  }

  async send(hex: string): Promise<void> {
    await this.usb.bulkOut(0x02, fromHex(hex), this.in()).done;
  }

  async fetch(): Promise<string> {
    return toHex(await this.usb.bulkIn(0x82, 32, this.in()).done);
  }

  rules(): string[] {
    return this.model.violations.map(({ rule }) => rule);
  }
}

/** Set up as flashrom does, CS0 low. */
async function selected(options: Partial<Ch341ModelOptions> = {}): Promise<Rig> {
  const rig = new Rig(options);
  await rig.send("aa6100");
  await rig.send("abb77f20");
  await rig.send("abb620");
  rig.device.clear();
  return rig;
}

describe("packets", () => {
  it("of data are answered by as many bytes, each turned round", async () => {
    const rig = await selected();
    await rig.send("a8 0180");
    // The device says 01, then 20 (0x01 + 31): 80 and 04 lowest bit first.
    expect(await rig.fetch()).toBe("8004");
    expect(rig.device.mosi).toEqual([0x80, 0x01]);
    expect(rig.model.engine).toEqual({ cs: "low", wedged: false, spiBytes: 2 });
    expect(rig.rules()).toEqual([]);
  });

  it("of one transfer are answered one by one", async () => {
    const rig = await selected();
    await rig.send(`a8${"ff".repeat(31)}a8ffff`);
    const answers = [await rig.fetch(), await rig.fetch()];
    expect(answers.map((hex) => hex.length / 2)).toEqual([31, 2]);
    expect(rig.model.counters).toMatchObject({ inTransfers: 2, outTransfers: 4, outPackets: 5 });
  });

  it("of pins give their levels; a byte by hand goes over like any other", async () => {
    const rig = await selected();
    const bits = [1, 0, 1, 0, 0, 1, 0, 1].map((bit) => (bit ? "b6 be 00" : "96 9e 00"));
    await rig.send(`ab ${bits.join(" ")} b6 20`);
    const samples = fromHex(await rig.fetch());
    // MISO is bit 7; the device says 01.
    expect([...samples].map((pins) => pins >> 7)).toEqual([0, 0, 0, 0, 0, 0, 0, 1]);
    expect(rig.device.mosi).toEqual([0xa5]);
    // MOSI moves in the step before the clock rises.
    expect(rig.rules()).toEqual([]);
  });

  it("take their time: clocks, gap, bus, the way there and back", async () => {
    const rig = await selected();
    const startUs = rig.clock.nowUs();
    await Promise.all([rig.fetch(), rig.send(`a8${"ff".repeat(31)}`)]);
    expect(rig.clock.nowUs() - startUs).toBeCloseTo(30 + (31 * 8) / 1.5 + 67 + 30 + 1000, 6);
  });

  it("of pins are not answered by clones", async () => {
    const rig = await selected({ pinReads: "ignored" });
    await rig.send("ab0020");
    expect(await codeOf(rig.usb.bulkIn(0x82, 32, rig.in(50)).done)).toBe("TRANSPORT_TIMEOUT");
  });
});

describe("rules", () => {
  it.each<[string, readonly string[], readonly string[]]>([
    ["no command", ["4200"], ["unknown-command"]],
    ["a step that is none", ["ab2120"], ["unknown-command"]],
    ["another kind of bus", ["aa 74 81 a0 75 00"], ["not-spi", "not-spi", "not-spi"]],
    ["serial bits", ["a901"], ["not-spi"]],
    ["steps without an end", ["abb6"], ["unterminated"]],
    ["two data lines", ["aa6500"], ["dual-spi"]],
    ["clocks on inputs", ["ab4020", "a8ff"], ["pins"]],
    ["data while MOSI is low", ["ab9620", "a8ff"], ["not-idle"]],
    ["CS while SCK is high", ["abbe20", "abbf20"], ["not-idle", "partial-byte"]],
    ["MOSI that moves with the clock", ["ab96beb620"], ["setup-time"]],
    ["CS in the middle of a byte", ["ab b6 be b6 be b6 20", "abb720"], ["partial-byte"]],
    ["data in the middle of a byte", ["ab b6 be b6 20", "a8ff"], ["partial-byte"]],
  ])("know %s", async (_, transfers, rules) => {
    const rig = await selected();
    for (const hex of transfers) await rig.send(hex);
    await rig.clock.sleep(5000);
    expect(rig.rules()).toEqual(rules);
  });

  it("know an IN transfer of half a packet, and requests that are none", async () => {
    const rig = new Rig();
    expect(await codeOf(rig.usb.bulkIn(0x82, 31, rig.in(10)).done)).toBe("TRANSPORT_TIMEOUT");
    const setup = { requestType: 0x40, request: 0x77, value: 0, index: 0 };
    expect(await codeOf(rig.usb.controlOut(setup, new Uint8Array(0), rig.in()))).toBe(
      "TRANSPORT_STALL",
    );
    expect(rig.rules()).toEqual(["in-length", "control-request"]);
  });

  it("answer the requests that are known", async () => {
    const rig = new Rig();
    const version = { requestType: 0xc0, request: 0x5f, value: 0, index: 0 };
    expect(toHex(await rig.usb.controlIn(version, 2, rig.in()))).toBe("3100");
    const registers = { requestType: 0xc0, request: 0x95, value: 0x2518, index: 0 };
    expect(await rig.usb.controlIn(registers, 2, rig.in())).toHaveLength(2);
    expect(rig.rules()).toEqual([]);
  });
});

describe("answers that nobody fetches", () => {
  it("hang the chip when there are too many, until it is unplugged", async () => {
    const rig = await selected({ answersHeld: 2 });
    for (let packet = 0; packet < 2; packet++) {
      await rig.send("a8ff");
      await rig.clock.sleep(1000);
    }
    expect(rig.model.engine.wedged).toBe(false);
    await rig.send("a8ff");
    expect([rig.model.engine.wedged, rig.rules()]).toEqual([true, ["wedge"]]);
    expect(await codeOf(rig.usb.bulkOut(0x02, fromHex("a8ff"), rig.in(50)).done)).toBe(
      "TRANSPORT_TIMEOUT",
    );
    expect(await codeOf(rig.usb.bulkIn(0x82, 32, rig.in(50)).done)).toBe("TRANSPORT_TIMEOUT");
    rig.model.unplug();
    rig.model.replug();
    expect(rig.model.engine).toEqual({ cs: "high", wedged: false, spiBytes: 0 });
  });

  it("do no harm with an IN transfer posted for each", async () => {
    const rig = await selected({ answersHeld: 1 });
    const answers = Array.from({ length: 40 }, () => rig.fetch());
    const full = `a8${"ff".repeat(31)}`;
    await rig.send(full.repeat(40));
    expect((await Promise.all(answers)).every((hex) => hex.length === 62)).toBe(true);
    expect(rig.rules()).toEqual([]);
  });
});

describe("the device", () => {
  it.each([
    ["spi", 0x5512],
    ["uart", 0x5523],
    ["printer", 0x5584],
  ] as const)("in %s mode has its own product id, and no serial number", (mode, productId) => {
    const { device, interfaces } = new Rig({ mode }).model;
    expect(device).toMatchObject({ vendorId: 0x1a86, productId, bcdDevice: 0x0304 });
    expect(device.serialNumber).toBeUndefined();
    expect(interfaces).toEqual([{ number: 0, endpoints: [0x02, 0x82] }]);
  });

  it("is one host's at a time, and stays as it is between two", async () => {
    const rig = await selected();
    expect(() => rig.model.transport()).toThrow(
      expect.objectContaining({ code: "TRANSPORT_BUSY" }),
    );
    expect(() => rig.model.transport(1)).toThrow(
      expect.objectContaining({ code: "TRANSPORT_NOT_FOUND" }),
    );
    await rig.usb.close();
    await rig.usb.close();
    expect(await codeOf(rig.send("abb720"))).toBe("TRANSPORT_DISCONNECTED");
    rig.model.transport();
    expect(rig.model.engine.cs).toBe("low");
  });

  it("comes back as after power-on, and old transports stay dead", async () => {
    const rig = await selected();
    const waiting = codeOf(rig.fetch());
    rig.model.unplug();
    expect(await waiting).toBe("TRANSPORT_DISCONNECTED");
    expect(() => rig.model.transport()).toThrow(
      expect.objectContaining({ code: "TRANSPORT_DISCONNECTED" }),
    );
    rig.model.replug();
    rig.model.replug();
    expect(rig.model.engine.cs).toBe("high");
    expect(await codeOf(rig.send("abb720"))).toBe("TRANSPORT_DISCONNECTED");
    await rig.usb.close();
    const again = rig.model.transport();
    await again.bulkOut(0x02, fromHex("ab0020"), rig.in()).done;
    expect(await again.bulkIn(0x82, 32, rig.in()).done).toHaveLength(1);
  });

  it("does to a transfer what a fault says", async () => {
    const rig = await selected();
    const { outSubmitted, inSubmitted } = rig.model.counters;
    rig.model.inject({ endpoint: "out", transfer: outSubmitted, kind: "short", bytes: 2 });
    rig.model.inject({ endpoint: "in", transfer: inSubmitted + 1, kind: "flip", bit: 7 });
    rig.model.inject({ endpoint: "in", transfer: inSubmitted + 2, kind: "delay", us: 9000 });
    await rig.send("a8ffff");
    expect((await rig.fetch()).length / 2).toBe(1);
    await rig.send("ab0020");
    // Idle pins, CS low, MISO of the device's second byte: 20.
    expect(await rig.fetch()).toBe("77");
    await rig.send("ab0020");
    const startUs = rig.clock.nowUs();
    expect(await rig.fetch()).toBe("76");
    expect(rig.clock.nowUs() - startUs).toBeGreaterThan(9000);
  });
});

describe("any transfers", () => {
  it("are taken, or held back, and answered in packets that fit", async () => {
    const transfer = fc
      .tuple(fc.constantFrom(0xa8, 0xa9, 0xaa, 0xab, 0xa1, 0x00), fc.uint8Array({ maxLength: 70 }))
      .map(([command, data]) => Uint8Array.of(command, ...data));
    await fc.assert(
      fc.asyncProperty(fc.array(transfer, { maxLength: 6 }), async (transfers) => {
        const rig = new Rig();
        const sent = transfers.map((data) => codeOf(rig.usb.bulkOut(0x02, data, rig.in(40)).done));
        const seen = [0, 1, 2].map(() => codeOf(rig.usb.bulkIn(0x82, 32, rig.in(50)).done));
        for (const outcome of await Promise.all([...sent, ...seen]))
          expect(["done", "TRANSPORT_TIMEOUT"]).toContain(outcome);
      }),
      { numRuns: 100 },
    );
  });
});
