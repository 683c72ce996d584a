import { describe, expect, test } from "@jest/globals";
import { type FtdiOpenOptions, openFtdi } from "../../../src/bridge/ftdi/driver.js";
import { SELF_TEST_LENGTHS, selfTestPattern } from "../../../src/bridge/ftdi/self-test.js";
import { SimClock } from "../../../src/sim/clock.js";
import type { UsbDeviceInfo } from "../../../src/transport/types.js";
import { fromHex } from "../../../src/util/bytes.js";
import { crc7 } from "../../../src/util/crc.js";
import { deadlineIn } from "../../../src/util/deadline.js";
import { type Answer, ScriptedUsb, soundAnswer } from "./scripted-usb.js";
import { Bench } from "./support.js";

interface Outcome {
  readonly usb: ScriptedUsb;
  readonly clock: SimClock;
  readonly error: { readonly code?: string; readonly message?: string } | undefined;
}

async function start(
  answer: Answer,
  options: Partial<FtdiOpenOptions> = {},
  change: (usb: ScriptedUsb) => void = () => undefined,
  device: Partial<UsbDeviceInfo> = {},
): Promise<Outcome> {
  const clock = new SimClock();
  const usb = new ScriptedUsb(clock, answer, device);
  change(usb);
  const error = await openFtdi({ transport: usb, clock, ...options }).then(
    () => undefined,
    (thrown) => thrown,
  );
  return { usb, clock, error };
}

const quick = { options: { selfTest: false } } as const;

describe("the sequence of bridges.md 1.4", () => {
  test("byte for byte", async () => {
    const { usb, error } = await start(soundAnswer, quick);
    expect(error).toBeUndefined();
    expect(usb.log).toEqual([
      "control 00 0000 0001", // SIO reset
      "control 0b 0000 0001", // bit mode off
      "control 00 0001 0001", // purge OUT
      "control 00 0002 0001", // purge IN
      "control 09 0001 0001", // latency 1 ms
      "control 06 0000 0001", // no event character
      "control 07 0000 0001", // no error character
      "control 02 0000 0101", // RTS/CTS
      "control 0b 0200 0001", // MPSSE
      "in 4608", // drain
      "in 4608",
      "out aa87",
      "in 4608",
      "out ab87",
      "out 8a978d85860100820000800a0b", // 15 MHz for the self-test
      "out 864a00", // 400 kHz
    ]);
  });

  test("other channel, other latency", async () => {
    const device = { productId: 0x6010, bcdDevice: 0x0700 };
    const options = { selfTest: false, latencyMs: 16 };
    const { usb } = await start(soundAnswer, { channel: "B", options }, undefined, device);
    expect(usb.log.filter((line) => line.startsWith("control"))).toContain("control 09 0010 0002");
    expect(usb.log).toContain("control 02 0000 0102");
  });

  test("self-test: all lengths, each IN posted first and made for what is to come", async () => {
    const { usb, error } = await start(soundAnswer);
    expect(error).toBeUndefined();
    const from = usb.log.findIndex((line) => line.startsWith("out 8a"));
    const lines = usb.log.slice(from + 1, -1);
    const rooms = [512, 512, 512, 512, 1024, 1536, 1536];
    expect(lines.filter((_, at) => at % 2 === 0)).toEqual(rooms.map((room) => `in ${room}`));
    const outs = lines.filter((_, at) => at % 2 === 1);
    expect(outs.map((line) => (line.length - 4) / 2 - 9)).toEqual(SELF_TEST_LENGTHS);
  });
});

describe("sync", () => {
  test.each<[string, Answer]>([
    ["junk in front", (out) => soundAnswer(out).map((data) => data.replace("fa", "0102fa0405fa"))],
    [
      "cut into transfers of status bytes, FA, and the opcode",
      (out) => (/^a[ab]87/.test(out) ? ["3260", "3260fa", `3260${out.slice(0, 2)}`] : []),
    ],
    ["the first four tries lost", (out, count) => (count < 4 ? [] : soundAnswer(out))],
    [
      "late: answers of earlier tries come too",
      (out, count) =>
        count < 3 ? [] : [...Array(count === 3 ? 3 : 0).fill("3260faaa"), ...soundAnswer(out)],
    ],
  ])("%s", async (_, answer) => {
    const { error } = await start(answer, quick);
    expect(error).toBeUndefined();
  });

  test.each<[string, Answer]>([
    ["says nothing", () => []],
    ["echoes", (out) => [`3260${out}`]],
    ["answers to AA only", (out) => (out === "aa87" ? soundAnswer(out) : [])],
    ["knows no bad opcode", (out) => (/^a[ab]87/.test(out) ? ["3260fafb"] : [])],
  ])("a chip that %s: BRIDGE_SYNC after five tries, device closed", async (_, answer) => {
    for (const idleAnswers of [true, false]) {
      const { usb, clock, error } = await start(answer, quick, (made) => {
        made.idleAnswers = idleAnswers;
      });
      expect(error).toMatchObject({ code: "BRIDGE_SYNC", hint: expect.stringContaining("plug") });
      expect(usb.log.filter((line) => /^out (aa|ab)87/.test(line)).length).toBeLessThanOrEqual(6);
      expect(clock.nowUs()).toBeLessThan(800_000);
      expect(usb.log.at(-1)).toBe("close");
      expect(usb.inFlight).toBe(0);
    }
  });

  test("within the deadline, whatever it is", async () => {
    const clock = new SimClock();
    const transport = new ScriptedUsb(clock, () => []);
    const opening = openFtdi({ transport, clock, deadline: deadlineIn(clock, 60) });
    await expect(opening).rejects.toMatchObject({ code: "BRIDGE_SYNC" });
    expect(clock.nowUs()).toBeLessThanOrEqual(61_000);
  });

  test("a chip that never stops sending", async () => {
    const junk = `3260${"55".repeat(500)}`;
    const clock = new SimClock();
    const usb = new ScriptedUsb(clock, () => []);
    usb.bulkIn = () => ({
      done: clock.sleep(100).then(() => fromHex(junk)),
      cancel: () => undefined,
    });
    const opening = openFtdi({ transport: usb, clock });
    await expect(opening).rejects.toMatchObject({
      code: "BRIDGE_SYNC",
      message: expect.stringContaining("without end"),
    });
  });
});

describe("refused, and the device closed", () => {
  test.each<[string, Partial<FtdiOpenOptions>, Partial<UsbDeviceInfo>, string, RegExp]>([
    ["FT2232D", {}, { productId: 0x6010, bcdDevice: 0x0500 }, "BRIDGE_UNSUPPORTED", /FT2232C\/D/],
    ["channel B of an FT232H", { channel: "B" }, {}, "BRIDGE_UNSUPPORTED", /channel B/],
    ["latency 0", { options: { latencyMs: 0 } }, {}, "USAGE", /latency/],
    ["latency 256", { options: { latencyMs: 256 } }, {}, "USAGE", /latency/],
    ["latency 1.5", { options: { latencyMs: 1.5 } }, {}, "USAGE", /latency/],
  ])("%s", async (_, options, device, code, message) => {
    const { usb, error } = await start(soundAnswer, options, undefined, device);
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
    expect(usb.log).toEqual(["close"]);
  });
});

describe("self-test", () => {
  const broken =
    (change: (data: string) => string): Answer =>
    (out) =>
      soundAnswer(out).map((data) => (out.startsWith("8431ff03") ? change(data) : data));

  test.each<[string, (data: string) => string, string, RegExp]>([
    [
      "a bit",
      (data) => `${data.slice(0, 2000)}${data[2000] === "0" ? "1" : "0"}${data.slice(2001)}`,
      "BRIDGE_PROTOCOL",
      /at byte 996 of 1024/,
    ],
    ["a byte missing", (data) => data.slice(0, -2), "BRIDGE_TIMEOUT", /loopback of 1024 bytes/],
    ["a byte too many", (data) => `${data}55`, "BRIDGE_PROTOCOL", /more than it was asked/],
    ["a packet without status", (data) => `${data.slice(0, 2048)}55`, "BRIDGE_PROTOCOL", /status/],
  ])("%s: %s", async (_, change, code, message) => {
    const { usb, error } = await start(broken(change));
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
    expect(usb.log.at(-1)).toBe("close");
    expect(usb.inFlight).toBe(0);
  });

  test("no stretch of the pattern is a command frame to a card in native mode", () => {
    const bits = [
      0xff,
      ...SELF_TEST_LENGTHS.flatMap((length) => [...selfTestPattern(length)]),
      0xff,
    ]
      .map((byte) => byte.toString(2).padStart(8, "0"))
      .join("");
    const frames: number[] = [];
    for (let at = 0; at + 48 <= bits.length; at++) {
      if (!bits.startsWith("01", at) || bits[at + 47] !== "1") continue;
      const frame = bits
        .slice(at, at + 48)
        .match(/.{8}/g)
        ?.map((byte) => Number.parseInt(byte, 2));
      const bytes = Uint8Array.from(frame ?? []);
      if (crc7(bytes.subarray(0, 5)) === (bytes[5] ?? 0) >> 1) frames.push(at);
    }
    expect(frames).toEqual([]);
  });
});

describe("over the chip model", () => {
  test.each([
    ["ft232h", "A", 512],
    ["ft2232h", "A", 512],
    ["ft2232h", "B", 512],
    ["ft4232h", "B", 64],
    ["ft232h", "A", 64],
  ] as const)("%s channel %s, packets of %i", async (chip, channel, packetSize) => {
    const bench = new Bench({ chip, channel, packetSize });
    const bridge = await bench.open();
    expect(bridge.chip.id).toBe(chip);
    expect(bridge.channel.name).toBe(channel);
    expect(bench.model.engine).toMatchObject({
      cs: "high",
      frequencyHz: 400_000,
      midCommand: false,
    });
    expect(bridge.capabilities).toMatchObject({
      fullDuplex: true,
      csHold: true,
      hardwareWait: false,
      maxFrequencyHz: 30e6,
      offers: "spi",
      roundTripUs: packetSize === 512 ? 125 : 1000,
    });
    await bridge.close();
    expect(bench.rules()).toEqual([]);
  });

  test.each([
    ["in the middle of a shift", "8a 80 02 0b 31 ff ff 01 02 03"],
    ["with a full FIFO to the host", "8a 20 ff ff"],
    ["in a wait without end", "88"],
    ["clocking without end", "8a 80 0a 0b 94"],
    ["in the middle of a command's arguments", "86 01"],
  ])("left by another program %s", async (_, script) => {
    const bench = new Bench({ misoOnGpiol1: true });
    bench.device.busyUntil(1e12);
    const other = bench.model.transport(0);
    const setup = { requestType: 0x40, request: 0x0b, value: 0x020b, index: 1 };
    await other.controlOut(setup, new Uint8Array(0), bench.in());
    await other.bulkOut(0x02, fromHex("80 02 0b"), bench.in()).done;
    await other.bulkOut(0x02, fromHex(script), bench.in(20)).done.catch(() => undefined);
    await other.close();
    const bridge = await bench.open();
    expect(bench.model.engine).toMatchObject({ cs: "high", midCommand: false, stuck: false });
    await bridge.close();
  });

  test("unplugged at every transfer of start-up and close: nothing hangs", async () => {
    const whole = new Bench();
    const bridge = await whole.open();
    const started = whole.model.submitted;
    await bridge.close();
    const total = whole.model.submitted;
    expect(started).toBeGreaterThan(20);
    for (let at = 0; at < total; at++) {
      const bench = new Bench();
      bench.model.unplug(at);
      const outcome = await bench.open().then(
        (opened) => opened.close().then(() => "closed"),
        (error) => error.code,
      );
      expect([at, outcome]).toEqual([at, at < started ? "TRANSPORT_DISCONNECTED" : "closed"]);
    }
  });
});
