import { describe, expect, test } from "@jest/globals";
import { SimClock } from "../../src/sim/clock.js";
import type { UsbDeviceInfo, UsbTransport } from "../../src/transport/types.js";
import { openUsb } from "../../src/transport/usb.js";
import { deadlineIn } from "../../src/util/deadline.js";
import { errorCode } from "../../src/util/errors.js";
import { FakeDevice, type FakeDeviceOptions, FakeUsb } from "./usb-support.js";

const DEVICE: UsbDeviceInfo = {
  vendorId: 0x0403,
  productId: 0x6014,
  bcdDevice: 0x0900,
  portPath: "1-3.4",
};

interface Opened {
  readonly clock: SimClock;
  readonly usb: FakeUsb;
  readonly native: FakeDevice;
  readonly transport: UsbTransport;
}

async function open(options: FakeDeviceOptions = {}, interfaceNumber = 0): Promise<Opened> {
  const clock = new SimClock();
  const native = new FakeDevice(options);
  const usb = new FakeUsb(native);
  const transport = await openUsb({
    device: DEVICE,
    interfaceNumber,
    clock,
    load: () => usb.load(),
  });
  return { clock, usb, native, transport };
}

function codeOf(work: Promise<unknown>): Promise<string | undefined> {
  return work.then(() => "resolved", errorCode);
}

describe("opening", () => {
  test("takes one interface only from its driver, and gives it back", async () => {
    const { native, transport } = await open({ kernelDriver: true }, 1);
    expect(native.log).toEqual(["open", "detach 1", "claim 1"]);
    await transport.close();
    await transport.close();
    expect(native.log.slice(3)).toEqual(["release 1", "attach 1", "close"]);
  });

  test("no driver bound, or none that could be: nothing to detach", async () => {
    for (const options of [{ kernelDriver: false }, { driverErrno: -12 }, { driverErrno: -99 }]) {
      const { native, transport } = await open(options);
      await transport.close();
      expect(native.log).toEqual(["open", "claim 0", "release 0", "close"]);
    }
  });

  test.each([
    ["denied", { openErrno: -3 }, "TRANSPORT_ACCESS", []],
    ["gone", { openErrno: -4 }, "TRANSPORT_DISCONNECTED", []],
    ["claimed by another", { claimErrno: -6 }, "TRANSPORT_BUSY", ["open", "close"]],
    [
      "claimed by another behind a driver",
      { claimErrno: -6, kernelDriver: true },
      "TRANSPORT_BUSY",
      ["open", "detach 0", "attach 0", "close"],
    ],
    [
      "a driver that cannot be asked",
      { driverErrno: -4 },
      "TRANSPORT_DISCONNECTED",
      ["open", "close"],
    ],
  ] as const)("%s: leaves everything as it was", async (_, options, code, log) => {
    const native = new FakeDevice(options);
    const usb = new FakeUsb(native);
    const clock = new SimClock();
    const opening = openUsb({ device: DEVICE, interfaceNumber: 0, clock, load: () => usb.load() });
    expect(await codeOf(opening)).toBe(code);
    expect(native.log).toEqual(log);
  });

  test("another device at that port, no such port, no such interface", async () => {
    const clock = new SimClock();
    for (const [native, interfaceNumber] of [
      [new FakeDevice({ productId: 0x6010 }), 0],
      [new FakeDevice({ ports: [2] }), 0],
      [new FakeDevice(), 5],
    ] as const) {
      const load = () => new FakeUsb(native).load();
      const opening = openUsb({ device: DEVICE, interfaceNumber, clock, load });
      expect(await codeOf(opening)).toBe("TRANSPORT_NOT_FOUND");
      expect(native.isOpen).toBe(false);
    }
  });

  test("two channels of one device: the first to close does not shut the other", async () => {
    const clock = new SimClock();
    const native = new FakeDevice();
    const usb = new FakeUsb(native);
    const load = () => usb.load();
    const a = await openUsb({ device: DEVICE, interfaceNumber: 0, clock, load });
    const b = await openUsb({ device: DEVICE, interfaceNumber: 1, clock, load });
    await a.close();
    expect(native.isOpen).toBe(true);
    await b.close();
    expect(native.log).toEqual(["open", "claim 0", "claim 1", "release 0", "release 1", "close"]);
  });
});

describe("transfers", () => {
  test("never with a time-out of libusb's; buffers as they are", async () => {
    const { clock, usb, transport } = await open();
    const by = deadlineIn(clock, 1000);
    const backing = Uint8Array.of(9, 1, 2, 3, 9);
    const sent = transport.bulkOut(0x02, backing.subarray(1, 4), by);
    const got = transport.bulkIn(0x81, 512, by);
    const setup = { requestType: 0x40, request: 0x0b, value: 0x020b, index: 1 };
    const set = transport.controlOut(setup, Uint8Array.of(7), by);
    const asked = transport.controlIn({ ...setup, requestType: 0xc0, request: 5 }, 2, by);
    const [out, input, controlOut, controlIn] = usb.submitted;
    expect(
      usb.submitted.map(({ endpoint, type, timeoutMs }) => [endpoint, type, timeoutMs]),
    ).toEqual([
      [0x02, 2, 0],
      [0x81, 2, 0],
      [0, 0, 0],
      [0, 0, 0],
    ]);
    expect([...(out?.buffer ?? [])]).toEqual([1, 2, 3]);
    expect(out?.buffer.buffer).toBe(backing.buffer);
    expect(controlOut?.buffer.toString("hex")).toBe("400b0b020100010007");
    expect(controlIn?.buffer.toString("hex")).toBe("c0050b02010002000000");
    out?.complete(3);
    input?.complete(Uint8Array.of(0x32, 0x60));
    controlOut?.complete(1);
    controlIn?.complete(Uint8Array.of(0x01, 0x60));
    await sent.done;
    await set;
    expect([...(await got.done)]).toEqual([0x32, 0x60]);
    expect([...(await asked)]).toEqual([0x01, 0x60]);
    await transport.close();
  });

  test("several in flight on one endpoint, completing in order", async () => {
    const { clock, usb, transport } = await open();
    const by = deadlineIn(clock, 1000);
    const reads = [1, 2, 3].map(() => transport.bulkIn(0x81, 512, by));
    expect(usb.submitted).toHaveLength(3);
    for (const [at, transfer] of usb.submitted.entries()) transfer.complete(Uint8Array.of(at));
    const got = await Promise.all(reads.map(({ done }) => done));
    expect(got.map((bytes) => bytes[0])).toEqual([0, 1, 2]);
    await transport.close();
  });

  test("a deadline cancels, and rejects only once the transfer is back", async () => {
    const { clock, usb, transport } = await open();
    usb.losesCancelled = true;
    const read = transport.bulkIn(0x81, 512, deadlineIn(clock, 100));
    let over = false;
    read.done.catch(() => {
      over = true;
    });
    await clock.sleep(99_000);
    expect(usb.submitted[0]?.cancelled).toBe(false);
    await clock.sleep(2000);
    expect(usb.submitted[0]?.cancelled).toBe(true);
    expect(over).toBe(false);
    usb.submitted[0]?.fail(3);
    expect(await codeOf(read.done)).toBe("TRANSPORT_TIMEOUT");
    await transport.close();
  });

  test("cancel; a completion that was faster wins", async () => {
    const { clock, usb, transport } = await open();
    const by = deadlineIn(clock, 1000);
    const cancelled = transport.bulkIn(0x81, 512, by);
    cancelled.cancel();
    cancelled.cancel();
    expect(await codeOf(cancelled.done)).toBe("TRANSPORT_CANCELLED");
    usb.losesCancelled = true;
    const faster = transport.bulkIn(0x81, 512, by);
    faster.cancel();
    usb.submitted[1]?.complete(Uint8Array.of(1, 2, 3));
    expect([...(await faster.done)]).toEqual([1, 2, 3]);
    await transport.close();
  });

  test("one that is never given back does not hang anybody", async () => {
    const { clock, usb, native, transport } = await open();
    usb.losesCancelled = true;
    const lost = transport.bulkIn(0x81, 512, deadlineIn(clock, 100));
    const error = await lost.done.then(String, (thrown) => thrown);
    expect(error).toMatchObject({ code: "TRANSPORT_FAULT" });
    expect(error.message).toContain("never given back");
    await transport.close();
    expect(native.isOpen).toBe(false);
  });

  test("a deadline that has passed submits nothing", async () => {
    const { clock, usb, transport } = await open();
    await clock.sleep(10);
    const read = transport.bulkIn(0x81, 512, { atUs: clock.nowUs() });
    expect(await codeOf(read.done)).toBe("TRANSPORT_TIMEOUT");
    expect(usb.submitted).toHaveLength(0);
    await transport.close();
  });

  test("a far deadline is not taken for a near one", async () => {
    const { clock, usb, transport } = await open();
    const read = transport.bulkIn(0x81, 512, { atUs: Number.POSITIVE_INFINITY });
    await clock.sleep(1e9);
    expect(usb.submitted[0]?.cancelled).toBe(false);
    usb.submitted[0]?.complete(Uint8Array.of(5));
    expect((await read.done)[0]).toBe(5);
    await transport.close();
  });

  test.each([
    ["stall", 4, "TRANSPORT_STALL"],
    ["unplug", 5, "TRANSPORT_DISCONNECTED"],
    ["overflow", 6, "TRANSPORT_FAULT"],
    ["cancelled by nobody here", 3, "TRANSPORT_CANCELLED"],
  ])("completion with an error: %s", async (_, errno, code) => {
    const { clock, usb, transport } = await open();
    const read = transport.bulkIn(0x81, 512, deadlineIn(clock, 1000));
    usb.submitted[0]?.fail(errno);
    expect(await codeOf(read.done)).toBe(code);
    await transport.close();
  });

  test("a submission that fails: what it means, at once", async () => {
    const { clock, usb, transport } = await open();
    usb.submitErrno = -4;
    const by = deadlineIn(clock, 1000);
    expect(await codeOf(transport.bulkOut(0x02, Uint8Array.of(1), by).done)).toBe(
      "TRANSPORT_DISCONNECTED",
    );
    const setup = { requestType: 0x40, request: 0, value: 0, index: 1 };
    expect(await codeOf(transport.controlOut(setup, new Uint8Array(0), by))).toBe(
      "TRANSPORT_DISCONNECTED",
    );
    await transport.close();
  });

  test("an OUT that sent less than all is a fault", async () => {
    const { clock, usb, transport } = await open();
    const out = transport.bulkOut(0x02, new Uint8Array(100), deadlineIn(clock, 1000));
    usb.submitted[0]?.complete(64);
    expect(await codeOf(out.done)).toBe("TRANSPORT_FAULT");
    await transport.close();
  });

  test("an IN length that is not made of packets, or an unknown endpoint, is a bug of the caller", async () => {
    const { clock, transport } = await open();
    const by = deadlineIn(clock, 1000);
    for (const length of [0, 2, 511, 513]) {
      expect(() => transport.bulkIn(0x81, length, by)).toThrow("whole packets");
    }
    expect(transport.packetSize(0x81)).toBe(512);
    expect(() => transport.packetSize(0x83)).toThrow("no endpoint 0x83");
    await transport.close();
  });
});

describe("closing", () => {
  test("cancels and waits for what is in flight first", async () => {
    const { clock, usb, native, transport } = await open();
    const by = deadlineIn(clock, 1000);
    usb.losesCancelled = true;
    const flights = [transport.bulkIn(0x81, 512, by), transport.bulkOut(2, Uint8Array.of(1), by)];
    const outcomes = Promise.all(flights.map(({ done }) => codeOf(done)));
    const closing = transport.close();
    await Promise.resolve();
    expect(native.log).toEqual(["open", "claim 0"]);
    for (const transfer of usb.submitted) transfer.fail(3);
    await closing;
    expect(await outcomes).toEqual(["TRANSPORT_CANCELLED", "TRANSPORT_CANCELLED"]);
    expect(native.log.slice(2)).toEqual(["release 0", "close"]);
  });

  test("nothing can be submitted any more", async () => {
    const { clock, usb, transport } = await open();
    await transport.close();
    const by = deadlineIn(clock, 1000);
    expect(await codeOf(transport.bulkIn(0x81, 512, by).done)).toBe("TRANSPORT_CANCELLED");
    expect(await codeOf(transport.bulkOut(0x02, Uint8Array.of(1), by).done)).toBe(
      "TRANSPORT_CANCELLED",
    );
    expect(usb.submitted).toHaveLength(0);
  });

  test("after an unplug it closes all the same", async () => {
    const { clock, usb, native, transport } = await open({ releaseErrno: -4, kernelDriver: true });
    const read = transport.bulkIn(0x81, 512, deadlineIn(clock, 1000));
    usb.submitted[0]?.fail(5);
    expect(await codeOf(read.done)).toBe("TRANSPORT_DISCONNECTED");
    await transport.close();
    expect(native.isOpen).toBe(false);
  });

  test.each<FakeDeviceOptions>([
    { release: "throws" },
    { release: "hangs" },
    { releaseErrno: -4, attachErrno: -4, closeErrno: -99 },
  ])("what goes wrong on the way out stops nothing: %j", async (options) => {
    const { clock, native, transport } = await open({ ...options, kernelDriver: true });
    await transport.close();
    expect(native.log.slice(3)).toEqual(["release 0", "attach 0", "close"]);
    expect(clock.nowUs()).toBeLessThanOrEqual(2_000_000);
  });
});
