import { afterAll, describe, expect, it } from "@jest/globals";
import { SimClock } from "../../src/sim/clock.js";
import { openSerial } from "../../src/transport/serial.js";
import { loadSerial } from "../../src/transport/serial-module.js";
import type { SerialTransport } from "../../src/transport/types.js";
import { RealClock } from "../../src/util/clock.js";
import { type Deadline, deadlineIn } from "../../src/util/deadline.js";
import { TempFolder } from "../support/temp-images.js";
import { FakePort } from "./node-fakes.js";

const folder = new TempFolder();
afterAll(() => folder.remove());
const path = folder.write("ttyACM0", "");

interface Bench {
  readonly clock: SimClock;
  readonly native: FakePort;
  readonly port: SerialTransport;
  readonly in: (ms: number) => Deadline;
}

async function bench(): Promise<Bench> {
  const clock = new SimClock();
  const native = new FakePort();
  const port = await openSerial({ path, baudRate: 115_200, clock, load: () => native.module() });
  return { clock, native, port, in: (ms) => deadlineIn(clock, ms) };
}

describe("a serial port", () => {
  it("is opened at the rate asked for, with DTR raised where the port has such lines", async () => {
    const { native, port, in: within } = await bench();
    expect(native.created).toEqual({ path, baudRate: 115_200 });
    expect(native.lines).toEqual({ dtr: true, rts: true });
    await port.setBaudRate(2_000_000, within(100));
    await port.drain(within(100));
    expect([native.rates, native.drains]).toEqual([[2_000_000], 1]);
  });

  it("gives exactly what is asked for, or what there is, however it came", async () => {
    const { native, port, in: within } = await bench();
    native.emit("data", Buffer.from([1, 2, 3]));
    native.emit("data", Buffer.from([4]));
    native.emit("data", Buffer.alloc(0));
    expect([...(await port.read(2, within(100)))]).toEqual([1, 2]);
    expect([...(await port.readSome(100, within(100)))]).toEqual([3, 4]);
    const waiting = port.read(3, within(100));
    native.emit("data", Buffer.from([5]));
    native.emit("data", Buffer.from([6, 7, 8]));
    expect([...(await waiting)]).toEqual([5, 6, 7]);
    expect([...(await port.readSome(1, within(100)))]).toEqual([8]);
    await port.write(Uint8Array.of(9, 10), within(100));
    expect(native.written).toEqual([Buffer.from([9, 10])]);
  });

  it("is silent: a time-out, and what comes later is not lost", async () => {
    const { clock, native, port, in: within } = await bench();
    native.emit("data", Buffer.from([1]));
    await expect(port.read(2, within(700))).rejects.toMatchObject({
      code: "TRANSPORT_TIMEOUT",
      details: { bytes: 1 },
    });
    expect(clock.nowUs()).toBe(700_000);
    native.emit("data", Buffer.from([2]));
    expect([...(await port.read(2, within(100)))]).toEqual([1, 2]);
  });

  it("does not take what is written: a time-out", async () => {
    const { native, port, in: within } = await bench();
    native.answers = false;
    for (const work of [
      port.write(Uint8Array.of(1), within(30)),
      port.drain(within(30)),
      port.setBaudRate(9600, within(30)),
    ])
      await expect(work).rejects.toMatchObject({ code: "TRANSPORT_TIMEOUT" });
  });

  it("vanishes: all that waits ends, what follows too, and whoever follows it is told", async () => {
    const { native, port, in: within } = await bench();
    native.answers = false;
    const waiting = [port.read(1, within(1000)), port.write(Uint8Array.of(1), within(1000))];
    native.vanish();
    for (const one of waiting)
      await expect(one).rejects.toMatchObject({ code: "TRANSPORT_DISCONNECTED" });
    expect(await port.closed).toMatchObject({ code: "TRANSPORT_DISCONNECTED" });
    await expect(port.readSome(1, within(10))).rejects.toMatchObject({
      code: "TRANSPORT_DISCONNECTED",
    });
    await port.close();
  });

  it("vanishes without an event: whoever waits for data asks the port, and is told", async () => {
    const { clock, native, port, in: within } = await bench();
    native.getError = new Error("Error: Input/output error, cannot get");
    await expect(port.readSome(1, within(60_000))).rejects.toMatchObject({
      code: "TRANSPORT_DISCONNECTED",
    });
    expect(clock.nowUs()).toBeLessThanOrEqual(1_000_000);
  });

  it("has no modem lines, which is no reason to call it gone", async () => {
    const { native, port, in: within } = await bench();
    native.getError = new Error("Error: Inappropriate ioctl for device, cannot get");
    await expect(port.readSome(1, within(2000))).rejects.toMatchObject({
      code: "TRANSPORT_TIMEOUT",
    });
  });

  it("is closed once, and by its owner that is no failure", async () => {
    const { native, port, in: within } = await bench();
    const waiting = port.read(1, within(1000));
    await Promise.all([port.close(), port.close()]);
    await expect(waiting).rejects.toMatchObject({ code: "TRANSPORT_CANCELLED" });
    expect(await port.closed).toBeUndefined();
    expect(native.isOpen).toBe(false);
  });

  it("is closed although the package does not answer", async () => {
    const { native, port } = await bench();
    native.answers = false;
    await port.close();
    expect(native.isOpen).toBe(false);
  });

  it.each([
    ["Error: Input/output error, write", "TRANSPORT_DISCONNECTED"],
    ["Port is not open", "TRANSPORT_DISCONNECTED"],
    ["Error: Invalid argument, write", "TRANSPORT_FAULT"],
  ])("a write that fails with '%s' is %s", async (message, code) => {
    const { native, port, in: within } = await bench();
    native.writeError = new Error(message);
    await expect(port.write(Uint8Array.of(1), within(10))).rejects.toMatchObject({ code });
  });
});

describe("a serial port cannot be opened", () => {
  const open = (native: FakePort, at = path): Promise<SerialTransport> =>
    openSerial({ path: at, baudRate: 115_200, clock: new SimClock(), load: () => native.module() });

  it.each([
    ["Error Resource temporarily unavailable Cannot lock port", "TRANSPORT_BUSY"],
    ["Error: Device or resource busy, cannot open", "TRANSPORT_BUSY"],
    ["Inappropriate ioctl for device", "TRANSPORT_ACCESS"],
    ["Error: Is a directory, cannot open /tmp", "TRANSPORT_ACCESS"],
  ])("'%s' is %s", async (message, code) => {
    const native = new FakePort();
    native.openError = new Error(message);
    await expect(open(native)).rejects.toMatchObject({ code, hint: expect.any(String) });
  });

  it("there is none", async () => {
    const opening = open(new FakePort(), folder.at("none"));
    await expect(opening).rejects.toMatchObject({ code: "TRANSPORT_NOT_FOUND" });
  });

  it("the package never answers", async () => {
    const native = new FakePort();
    native.answers = false;
    await expect(open(native)).rejects.toMatchObject({ code: "TRANSPORT_TIMEOUT" });
  });

  it("the real package loads, and says that a file is no serial port", async () => {
    expect((await loadSerial()).create).toBeInstanceOf(Function);
    const opening = openSerial({ path, baudRate: 115_200, clock: new RealClock() });
    await expect(opening).rejects.toMatchObject({ code: "TRANSPORT_ACCESS" });
  });
});
