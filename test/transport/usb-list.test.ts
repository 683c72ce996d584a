import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { SimClock } from "../../src/sim/clock.js";
import { listUsb, type UsbListing } from "../../src/transport/usb-list.js";
import { loadUsb, loadUsbFrom, type UsbPackage } from "../../src/transport/usb-module.js";
import { answerStrings, FakeDevice, FakeUsb } from "./usb-support.js";

const STRINGS = { 1: "FTDI", 2: "Single RS232-HS", 3: "FT4ABCDE" };

let sysfsRoot: string;

beforeEach(async () => {
  sysfsRoot = await mkdtemp(join(tmpdir(), "mmcpstore-sysfs-"));
});

afterEach(async () => {
  await rm(sysfsRoot, { recursive: true, force: true });
});

/** A device as sysfs has it: `1-3.4`, and `1-3.4:1.0` with a link to its driver. */
async function addSysfs(portPath: string, texts: object, drivers: object): Promise<void> {
  const folder = join(sysfsRoot, portPath);
  await mkdir(folder);
  for (const [name, text] of Object.entries(texts))
    await writeFile(join(folder, name), `${text}\n`);
  for (const [number, driver] of Object.entries(drivers)) {
    const place = join(folder, `${portPath}:1.${number}`);
    await mkdir(place);
    await symlink(`../../../../bus/usb/drivers/${driver}`, join(place, "driver"));
  }
}

async function list(usb: FakeUsb): Promise<readonly UsbListing[]> {
  return listUsb(
    { clock: new SimClock(), load: () => usb.load(), sysfsRoot },
    ({ vendorId }) => vendorId === 0x0403,
  );
}

describe("listUsb", () => {
  test("strings from the descriptors; opened, read, closed, nothing else", async () => {
    const native = new FakeDevice();
    const usb = new FakeUsb(native);
    usb.answer = answerStrings(STRINGS);
    expect(await list(usb)).toEqual([
      {
        device: {
          vendorId: 0x0403,
          productId: 0x6014,
          bcdDevice: 0x0900,
          manufacturer: "FTDI",
          product: "Single RS232-HS",
          serialNumber: "FT4ABCDE",
          portPath: "1-3.4",
        },
        access: "ok",
        drivers: {},
      },
    ]);
    expect(native.log).toEqual(["open", "close"]);
    expect(usb.submitted[0]?.buffer.subarray(0, 8).toString("hex")).toBe("800601030904ff00");
  });

  test("a blank EEPROM has no strings, and one that never answers does not stop the list", async () => {
    const blank = new FakeUsb(new FakeDevice());
    blank.answer = answerStrings({ 1: "" });
    const [listing] = await list(blank);
    expect(listing?.device.serialNumber).toBeUndefined();
    expect(listing?.access).toBe("ok");
    const silent = new FakeUsb(new FakeDevice());
    expect((await list(silent))[0]?.access).toBe("ok");
    expect(silent.submitted).toHaveLength(3);
  });

  test("may not be opened: listed with what sysfs tells, and how to allow it", async () => {
    await addSysfs("1-3.4", { serial: "FT4ABCDE", product: "Dual" }, { 0: "ftdi_sio" });
    const [listing] = await list(new FakeUsb(new FakeDevice({ openErrno: -3 })));
    expect(listing).toMatchObject({
      device: { serialNumber: "FT4ABCDE", product: "Dual" },
      access: "denied",
      drivers: { 0: "ftdi_sio" },
      error: { code: "TRANSPORT_ACCESS" },
    });
    expect(listing?.error?.hint).toContain("udev");
  });

  test("what sysfs has is not asked for again", async () => {
    await addSysfs("1-3.4", { serial: "S", product: "P", manufacturer: "M" }, {});
    const usb = new FakeUsb(new FakeDevice());
    expect((await list(usb))[0]?.device).toMatchObject({ serialNumber: "S", product: "P" });
    expect(usb.submitted).toHaveLength(0);
  });

  test.each([
    [{ 0: "usbfs" }, "busy"],
    [{ 0: "usbfs", 1: "usbfs" }, "busy"],
    [{ 0: "usbfs", 1: "ftdi_sio" }, "ok"],
    [{ 0: "ftdi_sio" }, "ok"],
  ] as const)("interfaces bound to %j: %s", async (drivers, access) => {
    await addSysfs("1-3.4", {}, drivers);
    const usb = new FakeUsb(new FakeDevice());
    usb.answer = answerStrings(STRINGS);
    expect((await list(usb))[0]).toMatchObject({ access, drivers });
  });

  test("others are not touched, one just gone is left out, ports are in order", async () => {
    const other = new FakeDevice({ ports: [9] });
    Object.assign(other.deviceDescriptor, { idVendor: 0x1d6b });
    const usb = new FakeUsb(
      new FakeDevice({ ports: [10] }),
      other,
      new FakeDevice({ ports: [4], openErrno: -4 }),
      new FakeDevice({ ports: [2, 1] }),
      new FakeDevice({ ports: undefined }),
    );
    usb.answer = answerStrings(STRINGS);
    const ports = (await list(usb)).map(({ device }) => device.portPath);
    expect(ports).toEqual(["1-2.1", "1-7", "1-10"]);
    expect(other.log).toEqual([]);
  });
});

describe("the package", () => {
  test("loads here, and lists", async () => {
    const module = await loadUsb();
    expect(Array.isArray(module.getDeviceList())).toBe(true);
    const found = await listUsb({ clock: new SimClock(), sysfsRoot }, () => false);
    expect(found).toEqual([]);
  });

  test.each([
    ["libudev.so.1: cannot open shared object file: No such file or directory", "libudev.so.1"],
    ["No native build was found for platform=linux arch=s390x", undefined],
  ])("cannot be loaded: %s", async (message, library) => {
    const loading = loadUsbFrom(() => Promise.reject(new Error(message)));
    await expect(loading).rejects.toMatchObject({
      code: "TRANSPORT_PACKAGE",
      details: library === undefined ? { package: "usb" } : { package: "usb", library },
    });
    await expect(loading).rejects.toHaveProperty("hint", expect.stringContaining("libudev1"));
  });

  test("libusb does not start", async () => {
    const broken = { INIT_ERROR: -99, getDeviceList: () => [] } as unknown as UsbPackage;
    await expect(loadUsbFrom(() => Promise.resolve(broken))).rejects.toMatchObject({
      code: "TRANSPORT_PACKAGE",
    });
  });
});
