import { mkdirSync, rmSync, symlinkSync } from "node:fs";
import { afterAll, describe, expect, it } from "@jest/globals";
import type { BenchDeps } from "../../../src/device/adapters/found.js";
import type { NodeSystem } from "../../../src/device/adapters/node-access.js";
import { runDoctor } from "../../../src/device/doctor/run.js";
import { benchTarget } from "../../../src/device/doctor/target.js";
import type { DoctorReport, DoctorStep } from "../../../src/device/doctor/types.js";
import { SimClock } from "../../../src/sim/clock.js";
import { packageMissing } from "../../../src/transport/native-package.js";
import { acquireLock } from "../../../src/util/lock.js";
import { silentLog } from "../../../src/util/log.js";
import { TempFolder } from "../../support/temp-images.js";
import { FakeDevice, type FakeDeviceOptions, FakeUsb } from "../../transport/usb-support.js";

const folder = new TempFolder();
afterAll(() => folder.remove());

const NODES: NodeSystem = {
  stat: async () => ({ uid: 0, gid: 0, mode: 0o020_664 }),
  mayUse: async () => true,
  groupFile: async () => "root:x:0:\nplugdev:x:46:\n",
  groups: () => [1000],
};

interface Setup {
  readonly devices?: readonly FakeDeviceOptions[];
  readonly nodes?: Partial<NodeSystem>;
  /** Kernel driver by interface, as sysfs has it. */
  readonly sysfs?: string;
  readonly deps?: Partial<BenchDeps>;
  readonly waitMs?: number;
}

async function visit(device: string | undefined, setup: Setup = {}): Promise<DoctorReport> {
  const usb = new FakeUsb(...(setup.devices ?? []).map((options) => new FakeDevice(options)));
  // Strings that nobody answers would be waited for.
  usb.answer = (transfer) => queueMicrotask(() => transfer.fail(4));
  const target = benchTarget(
    device,
    {
      log: silentLog,
      lockDir: folder.path,
      ...(setup.waitMs === undefined ? {} : { waitMs: setup.waitMs }),
    },
    {
      clock: new SimClock(),
      loadUsb: () => usb.load(),
      sysRoot: setup.sysfs ?? folder.at("none"),
      devRoot: folder.path,
      nodes: { ...NODES, ...setup.nodes },
      ...setup.deps,
    },
  );
  try {
    return await runDoctor(target, { crc: true });
  } finally {
    await target.close();
  }
}

/** The step that failed, which must be one, and the last that was reached. */
function failure({ steps }: DoctorReport): DoctorStep | undefined {
  const failed = steps.filter(({ state }) => state === "failed");
  expect(failed.map(({ name }) => name)).toHaveLength(1);
  const at = steps.findIndex(({ state }) => state === "failed");
  for (const { state } of steps.slice(at + 1)) expect(state).toBe("not reached");
  return failed[0];
}

function found(report: DoctorReport, step: string): DoctorStep | undefined {
  return report.steps.find(({ name }) => name === step);
}

/** A USB device of sysfs at 1-1, number 7, with a driver bound to interface 0. */
function sysfs(name: string, driver?: string): string {
  const at = `${name}/bus/usb/devices`;
  mkdirSync(folder.at(`${at}/1-1`), { recursive: true });
  folder.write(`${at}/1-1/busnum`, "1\n");
  folder.write(`${at}/1-1/devnum`, "7\n");
  if (driver !== undefined) {
    mkdirSync(folder.at(`${name}/drivers/${driver}`), { recursive: true });
    mkdirSync(folder.at(`${at}/1-1/1-1:1.0`), { recursive: true });
    symlinkSync(folder.at(`${name}/drivers/${driver}`), folder.at(`${at}/1-1/1-1:1.0/driver`));
  }
  return folder.at(name);
}

/** 1a86:5512. */
class FakeCh341 extends FakeDevice {
  override readonly deviceDescriptor = {
    idVendor: 0x1a86,
    idProduct: 0x5512,
    bcdDevice: 0x0304,
    iManufacturer: 0,
    iProduct: 2,
    iSerialNumber: 0,
  };
}

const FT232H: FakeDeviceOptions = { ports: [1] };

describe("package", () => {
  const broken = async (): Promise<never> => {
    throw packageMissing("usb", new Error("libudev.so.1: cannot open shared object"), "libudev1");
  };

  it("that cannot be loaded: names it, the library and the Debian package", async () => {
    const report = await visit("ft232h", { deps: { loadUsb: broken } });
    expect(failure(report)).toMatchObject({
      name: "package",
      code: "TRANSPORT_PACKAGE",
      finding: expect.stringContaining("'usb' cannot be loaded: libudev.so.1"),
      fix: expect.stringContaining("apt install libudev1"),
    });
  });

  it("that another adapter needs is a note, until that one is looked for", async () => {
    const load = async (): Promise<never> => {
      throw packageMissing("node-hid", new Error("libusb-1.0.so.0"), "libusb-1.0-0");
    };
    const report = await visit(undefined, { devices: [FT232H], deps: { loadHid: load } });
    expect(found(report, "package")).toMatchObject({
      state: "ok",
      finding: expect.stringContaining("usb"),
      fix: expect.stringContaining("apt install libusb-1.0-0"),
    });
    expect(found(report, "device")?.state).toBe("ok");
    const hid = await visit("mcp2210", { deps: { loadHid: load } });
    expect(failure(hid)?.name).toBe("package");
  });
});

describe("device", () => {
  it.each([
    ["none", "ft232h", [], "TRANSPORT_NOT_FOUND", /lsusb/],
    ["two", undefined, [FT232H, { ports: [2] }], "TRANSPORT_AMBIGUOUS", /-d usb:1-1, -d usb:1-2/],
    [
      "another chip",
      "ft232h",
      [{ ports: [9], productId: 0x6001, bcdDevice: 0x600 }],
      "TRANSPORT_NOT_FOUND",
      /FT232H, FT2232H or FT4232H/,
    ],
  ] as const)("%s", async (_, device, devices, code, fix) => {
    const report = await visit(device, { devices });
    expect(failure(report)).toMatchObject({ name: "device", code });
    expect(found(report, "device")?.fix).toMatch(fix);
  });

  it("is waited for, as long as asked for", async () => {
    expect(failure(await visit("ft232h", { waitMs: 2000 }))?.code).toBe("TRANSPORT_NOT_FOUND");
  });
});

describe("permission", () => {
  it("denied: the group, and the udev line of this device", async () => {
    const report = await visit("ft232h", {
      devices: [{ ...FT232H, openErrno: -3 }],
      sysfs: sysfs("denied"),
      nodes: { mayUse: async () => false },
    });
    expect(failure(report)).toMatchObject({
      name: "permission",
      code: "TRANSPORT_ACCESS",
      finding: expect.stringMatching(/bus\/usb\/001\/007 is root:root 0664/),
      fix: expect.stringMatching(/GROUP="plugdev".*uaccess/),
    });
    expect(found(report, "device")?.finding).toContain("FT232H at 1-1");
  });

  it("denied although the node looks open, or none is known", async () => {
    const devices = [{ ...FT232H, openErrno: -3 }];
    for (const at of [sysfs("open"), undefined]) {
      const report = await visit("ft232h", { devices, ...(at === undefined ? {} : { sysfs: at }) });
      expect(failure(report)).toMatchObject({ name: "permission", code: "TRANSPORT_ACCESS" });
    }
  });
});

describe("kernel driver and opening", () => {
  it("a serial driver is told of, and no hindrance", async () => {
    const report = await visit("ft232h", {
      devices: [{ ...FT232H, claimErrno: -6 }],
      sysfs: sysfs("bound", "ftdi_sio"),
    });
    expect(found(report, "kernel-driver")).toMatchObject({
      state: "ok",
      finding: expect.stringContaining("ftdi_sio is bound to interface 0"),
    });
    expect(failure(report)).toMatchObject({ name: "open", code: "TRANSPORT_BUSY" });
  });

  it("another program that has claimed it: how to find that", async () => {
    const report = await visit("ft232h", { devices: [FT232H], sysfs: sysfs("taken", "usbfs") });
    expect(failure(report)).toMatchObject({
      name: "kernel-driver",
      code: "TRANSPORT_BUSY",
      fix: expect.stringMatching(/lsof .*001\/007/),
    });
  });

  it("another process of this program, by its lock", async () => {
    const lock = await acquireLock(folder.at("mmcpstore-usb-1-1-A.lock"), "the adapter");
    expect(failure(await visit("ft232h", { devices: [FT232H] }))).toMatchObject({
      name: "open",
      code: "LOCKED",
    });
    await lock.release();
  });

  it("a CH341A of which nobody has said that it has 3.3 V", async () => {
    const ch341a = new FakeCh341();
    const usb = new FakeUsb(ch341a);
    usb.answer = (transfer) => queueMicrotask(() => transfer.fail(4));
    const report = await visit("ch341a", { deps: { loadUsb: () => usb.load() } });
    expect(failure(report)).toMatchObject({
      name: "open",
      code: "REFUSED",
      fix: expect.stringContaining("--i-checked-3v3"),
    });
    expect(found(report, "device")?.fix).toContain("5 V");
    expect(ch341a.log).not.toContain("claim 0");
  });

  it("a user before that was killed: told of; not touched while the card may still erase", async () => {
    const journal = folder.at("mmcpstore-usb-1-1-A.journal");
    const wallMs = new SimClock().wallTime();
    const entry = (eraseUntilMs: number): string =>
      JSON.stringify({
        journal: 1,
        cid: "00",
        crcProved: true,
        intent: { doing: "erasing", lba: 0, blocks: 8 },
        eraseUntilMs,
      });
    const devices = [FT232H];
    folder.write("mmcpstore-usb-1-1-A.journal", entry(wallMs + 30_000));
    expect(failure(await visit("ft232h", { devices }))).toMatchObject({
      name: "open",
      code: "CARD_BUSY",
      fix: expect.stringMatching(/leave it powered, and try again in 30 s/),
    });
    folder.write("mmcpstore-usb-1-1-A.journal", entry(wallMs - 1));
    expect(found(await visit("ft232h", { devices }), "open")).toMatchObject({
      state: "ok",
      fix: expect.stringContaining("killed, erasing blocks 0+8"),
    });
    rmSync(journal);
  });

  it("leaves no lock behind, wherever it ended", async () => {
    await visit("ft232h", { devices: [{ ...FT232H, claimErrno: -6 }] });
    await (await acquireLock(folder.at("mmcpstore-usb-1-1-A.lock"), "the adapter")).release();
  });
});

describe("what is no adapter", () => {
  it.each(["image:card.img", "replay:run.cassette", "ft999"])("%s", (device) => {
    expect(() => benchTarget(device, { log: silentLog, lockDir: "." })).toThrow(
      expect.objectContaining({ code: "USAGE" }),
    );
  });
});
