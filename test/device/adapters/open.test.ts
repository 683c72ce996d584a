import { afterAll, describe, expect, it } from "@jest/globals";
import { listAdapters, openAdapter } from "../../../src/device/adapters/adapters.js";
import { type AdapterSpec, ANY_ADAPTER } from "../../../src/device/spec.js";
import type { OpenOptions } from "../../../src/device/types.js";
import { SimClock } from "../../../src/sim/clock.js";
import type { NativeDevice } from "../../../src/transport/usb-module.js";
import { acquireLock } from "../../../src/util/lock.js";
import { silentLog } from "../../../src/util/log.js";
import { TempFolder } from "../../support/temp-images.js";
import { answerStrings, FakeDevice, FakeUsb } from "../../transport/usb-support.js";

const folder = new TempFolder();
afterAll(() => folder.remove());

const OPTIONS: OpenOptions = {
  log: silentLog,
  readOnly: true,
  crc: true,
  version: "0",
  lockDir: folder.path,
};

function bench(devices: NativeDevice[], strings: Record<number, string> = {}) {
  const usb = new FakeUsb(...devices);
  usb.answer = answerStrings(strings);
  return { clock: new SimClock(), loadUsb: () => usb.load(), sysRoot: folder.at("none") };
}

const ft232h = (ports: number[], openErrno?: number): FakeDevice =>
  new FakeDevice({ ports, ...(openErrno === undefined ? {} : { openErrno }) });
const ft232r = (): FakeDevice =>
  new FakeDevice({ productId: 0x6001, bcdDevice: 0x0600, ports: [9] });

describe("list", () => {
  it("names an adapter by its serial number, or by its port where others have the same", async () => {
    const one = await listAdapters(bench([ft232h([1])], { 3: "FT1234" }));
    expect(one.adapters).toEqual([
      {
        selector: "ft232h:FT1234",
        chip: "FT232H",
        portPath: "1-1",
        access: "ok",
        serialNumber: "FT1234",
      },
    ]);
    const two = await listAdapters(bench([ft232h([1]), ft232h([2])], { 3: "FT1234" }));
    expect(two.adapters.map(({ selector }) => selector)).toEqual(["usb:1-1", "usb:1-2"]);
  });

  it("lists what cannot be opened or used, and says why", async () => {
    const { adapters } = await listAdapters(bench([ft232h([1], -3), ft232r()]));
    const [denied, other] = adapters;
    expect(denied).toMatchObject({ access: "denied", hint: expect.any(String) });
    expect(other).toMatchObject({
      chip: expect.stringContaining("FT232R"),
      access: "unusable",
      hint: expect.stringContaining("FT232H"),
    });
    expect(other).not.toHaveProperty("selector");
  });
});

describe("open", () => {
  const open = (
    spec: Partial<AdapterSpec>,
    devices: NativeDevice[],
    more: Partial<OpenOptions> = {},
  ) => openAdapter({ ...ANY_ADAPTER, ...spec }, { ...OPTIONS, ...more }, bench(devices));

  it.each([
    ["nothing plugged in", {}, [], "TRANSPORT_NOT_FOUND"],
    ["only what cannot be used", {}, [ft232r()], "TRANSPORT_NOT_FOUND"],
    ["another family", { chip: "ft2232h" as const }, [ft232h([1])], "TRANSPORT_NOT_FOUND"],
    ["another serial number", { serialNumber: "FT9" }, [ft232h([1])], "TRANSPORT_NOT_FOUND"],
    ["two, and none chosen", {}, [ft232h([1]), ft232h([2])], "TRANSPORT_AMBIGUOUS"],
    ["no access", {}, [ft232h([1], -3)], "TRANSPORT_ACCESS"],
    ["a port with another FTDI chip", { portPath: "1-9" }, [ft232r()], "TRANSPORT_NOT_FOUND"],
    ["a channel that the chip has not", { channel: "B" }, [ft232h([1])], "BRIDGE_UNSUPPORTED"],
  ])("%s", async (_, spec, devices, code) => {
    await expect(open(spec, devices)).rejects.toMatchObject({ code });
  });

  it("lists both where two are plugged in", async () => {
    const error = open({}, [ft232h([1]), ft232h([2])]);
    await expect(error).rejects.toMatchObject({ hint: expect.stringContaining("usb:1-2") });
  });

  it("waits as long as it was told to, on its own clock", async () => {
    const deps = bench([]);
    const error = openAdapter(ANY_ADAPTER, { ...OPTIONS, waitMs: 3000 }, deps);
    await expect(error).rejects.toMatchObject({ code: "TRANSPORT_NOT_FOUND" });
    expect(deps.clock.nowUs()).toBeGreaterThanOrEqual(3_000_000);
  });

  it("is refused while another process has the channel, and leaves no lock behind", async () => {
    const lock = await acquireLock(folder.at("mmcpstore-usb-1-1-A.lock"), "the adapter");
    await expect(open({}, [ft232h([1])])).rejects.toMatchObject({ code: "LOCKED" });
    await lock.release();
    await expect(open({}, [new FakeDevice({ ports: [1], claimErrno: -6 })])).rejects.toMatchObject({
      code: "TRANSPORT_BUSY",
    });
    await (await acquireLock(folder.at("mmcpstore-usb-1-1-A.lock"), "the adapter")).release();
  });
});
