import { afterAll, describe, expect, it } from "@jest/globals";
import { SimClock } from "../../src/sim/clock.js";
import { openHid } from "../../src/transport/hid.js";
import { loadHid } from "../../src/transport/hid-module.js";
import type { HidDeviceInfo, HidTransport } from "../../src/transport/types.js";
import { type Deadline, deadlineIn } from "../../src/util/deadline.js";
import { TempFolder } from "../support/temp-images.js";
import { FakeHid } from "./node-fakes.js";

const folder = new TempFolder();
afterAll(() => folder.remove());

const DEVICE: HidDeviceInfo = {
  vendorId: 0x04d8,
  productId: 0x00de,
  bcdDevice: 2,
  path: folder.write("hidraw0", ""),
};
const report = (...bytes: number[]): Uint8Array =>
  Uint8Array.from([...bytes, ...new Array(64 - bytes.length).fill(0)]);

interface Bench {
  readonly clock: SimClock;
  readonly native: FakeHid;
  readonly hid: HidTransport;
  readonly in: (ms: number) => Deadline;
}

async function bench(): Promise<Bench> {
  const clock = new SimClock();
  const native = new FakeHid();
  const hid = await openHid({ device: DEVICE, clock, load: () => native.module() });
  return { clock, native, hid, in: (ms) => deadlineIn(clock, ms) };
}

describe("a HID device", () => {
  it("is sent reports with the number 0 in front, and gives those that came, in order", async () => {
    const { native, hid, in: within } = await bench();
    await hid.writeReport(report(0x10, 7), within(100));
    expect(native.written[0]?.subarray(0, 3)).toEqual(Buffer.from([0, 0x10, 7]));
    expect(native.written[0]).toHaveLength(65);
    native.send(report(1));
    native.send(report(2));
    expect((await hid.readReport(within(100)))[0]).toBe(1);
    expect((await hid.readReport(within(100)))[0]).toBe(2);
    const waiting = hid.readReport(within(100));
    native.send(report(3));
    expect((await waiting)[0]).toBe(3);
  });

  it("does not answer: a time-out, and nothing is lost by it", async () => {
    const { clock, native, hid, in: within } = await bench();
    await expect(hid.readReport(within(50))).rejects.toMatchObject({ code: "TRANSPORT_TIMEOUT" });
    expect(clock.nowUs()).toBe(50_000);
    native.send(report(9));
    expect((await hid.readReport(within(50)))[0]).toBe(9);
    native.writing = "hang";
    await expect(hid.writeReport(report(1), within(20))).rejects.toMatchObject({
      code: "TRANSPORT_TIMEOUT",
    });
  });

  it("reads one report at a time", async () => {
    const { native, hid, in: within } = await bench();
    const first = hid.readReport(within(100));
    await expect(hid.readReport(within(100))).rejects.toMatchObject({ code: "TRANSPORT_FAULT" });
    native.send(report(1));
    expect((await first)[0]).toBe(1);
  });

  it.each([
    [
      "the reader says so",
      (native: FakeHid) => void native.emit("error", new Error("could not read")),
    ],
    [
      "a write says so",
      (native: FakeHid, hid: HidTransport, by: Deadline) => {
        native.writing = "fails";
        hid.writeReport(report(1), by).catch(() => undefined);
      },
    ],
  ] as const)("is pulled, and %s: all that waits ends, and what follows", async (_, pull) => {
    const { native, hid, in: within } = await bench();
    native.writing = "hang";
    const waiting = [hid.readReport(within(1000)), hid.writeReport(report(1), within(1000))];
    native.writing = "works";
    pull(native, hid, within(1000));
    for (const one of waiting)
      await expect(one).rejects.toMatchObject({ code: "TRANSPORT_DISCONNECTED" });
    await expect(hid.readReport(within(10))).rejects.toMatchObject({
      code: "TRANSPORT_DISCONNECTED",
    });
    await hid.close();
  });

  it.each(["works", "fails", "hang"] as const)(
    "is closed once, and the package's close %s",
    async (closing) => {
      const { native, hid, in: within } = await bench();
      native.closing = closing;
      const waiting = hid.readReport(within(60_000));
      const closes = [hid.close(), hid.close()];
      await expect(waiting).rejects.toMatchObject({ code: "TRANSPORT_CANCELLED" });
      await Promise.all(closes);
      expect(native.closed).toBe(1);
    },
  );

  it("forgets what is over: a thousand writes leave no listener behind", async () => {
    const { native, hid, in: within } = await bench();
    for (let one = 0; one < 1000; one++) await hid.writeReport(report(one & 0xff), within(100));
    expect(native.listenerCount("data")).toBe(1);
    expect(native.listenerCount("error")).toBe(1);
  });
});

describe("a HID device cannot be opened", () => {
  const open = (path: string, native = new FakeHid()): Promise<HidTransport> =>
    openHid({ device: { ...DEVICE, path }, clock: new SimClock(), load: () => native.module() });

  it("there is none", async () => {
    await expect(open(folder.at("none"))).rejects.toMatchObject({ code: "TRANSPORT_NOT_FOUND" });
  });

  it("this user may not", async () => {
    // Not even root gets behind a file.
    const opening = open(`${DEVICE.path}/hidraw1`);
    await expect(opening).rejects.toMatchObject({
      code: "TRANSPORT_ACCESS",
      hint: expect.stringContaining("udev install"),
    });
  });

  it("the package cannot", async () => {
    const load = async () => ({ open: () => Promise.reject(new Error("cannot open device")) });
    const opening = openHid({ device: DEVICE, clock: new SimClock(), load });
    await expect(opening).rejects.toMatchObject({
      code: "TRANSPORT_FAULT",
      message: expect.stringContaining("cannot open device"),
    });
  });

  it("the package never answers", async () => {
    const load = async () => ({ open: () => new Promise<never>(() => undefined) });
    const opening = openHid({ device: DEVICE, clock: new SimClock(), load });
    await expect(opening).rejects.toMatchObject({ code: "TRANSPORT_TIMEOUT" });
  });

  it("the package loads here", async () => {
    expect((await loadHid()).open).toBeInstanceOf(Function);
  });
});
