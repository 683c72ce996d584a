import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "@jest/globals";
import { listAdapters, openAdapter } from "../../../src/device/adapters/adapters.js";
import type { BenchDeps } from "../../../src/device/adapters/found.js";
import { type AdapterSpec, ANY_ADAPTER, parseDeviceSpec } from "../../../src/device/spec.js";
import type { OpenOptions } from "../../../src/device/types.js";
import { SimClock } from "../../../src/sim/clock.js";
import { packageMissing } from "../../../src/transport/native-package.js";
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

/** /sys and /dev with nodes of the classes hidraw and tty, as the kernel lays them out. */
class FakeSystem {
  readonly sysRoot: string;
  readonly devRoot: string;

  constructor(name: string) {
    this.sysRoot = folder.at(`${name}/sys`);
    this.devRoot = folder.at(`${name}/dev`);
    mkdirSync(this.devRoot, { recursive: true });
  }

  add(node: string, kind: "hidraw" | "tty", facts: Readonly<Record<string, string>>): void {
    const { port = "1-1", ...attributes } = facts;
    const device = join(this.sysRoot, "devices", "usb1", port);
    const below = join(device, `${port}:1.0`, kind, node);
    mkdirSync(below, { recursive: true });
    for (const [name, value] of Object.entries(attributes))
      writeFileSync(join(device, name), `${value}\n`);
    const entry = join(this.sysRoot, "class", kind, node);
    mkdirSync(entry, { recursive: true });
    symlinkSync(join(device, `${port}:1.0`), join(entry, "device"));
    mkdirSync(dirname(join(this.devRoot, node)), { recursive: true });
    writeFileSync(join(this.devRoot, node), "");
  }
}

const MCP2210 = { idVendor: "04d8", idProduct: "00de", bcdDevice: "0002" };
const PICO = { idVendor: "2e8a", idProduct: "000a", bcdDevice: "0100" };

let system: FakeSystem;
let count = 0;
beforeEach(() => {
  system = new FakeSystem(`bench${count++}`);
});

function deps(usb: FakeUsb = new FakeUsb(), more: BenchDeps = {}): BenchDeps {
  usb.answer ??= answerStrings({});
  const { sysRoot, devRoot } = system;
  const loaded = async (): Promise<never> => ({}) as never;
  const base = { clock: new SimClock(), loadUsb: () => usb.load(), sysRoot, devRoot };
  return { ...base, loadHid: loaded, loadSerial: loaded, ...more };
}

describe("list, of whatever is plugged in", () => {
  it("has what is behind USB, HID and serial ports", async () => {
    system.add("hidraw3", "hidraw", { ...MCP2210, port: "1-2", serial: "0001" });
    system.add("ttyACM0", "tty", { ...PICO, port: "1-3", serial: "E660", product: "pico-serprog" });
    system.add("ttyUSB0", "tty", { idVendor: "10c4", idProduct: "ea60", port: "1-4" });
    const usb = new FakeUsb(
      new FakeDevice({ vendorId: 0x1a86, productId: 0x5512, bcdDevice: 0x0304, ports: [9] }),
    );
    const { adapters, problems } = await listAdapters(deps(usb));
    expect(problems).toEqual([]);
    expect(adapters.map(({ selector, chip, portPath }) => [selector, chip, portPath])).toEqual([
      ["usb:1-9", "CH341A", "1-9"],
      ["mcp2210:0001", "MCP2210", "1-2"],
      ["serprog:E660", "serprog", "1-3"],
    ]);
    expect(adapters[1]).toMatchObject({ kernelDriver: "usbhid", access: "ok" });
  });

  it("a chip in a mode without SPI is listed with what to do", async () => {
    const usb = new FakeUsb(
      new FakeDevice({ vendorId: 0x1a86, productId: 0x5523, bcdDevice: 0x0304, ports: [9] }),
    );
    const { adapters } = await listAdapters(deps(usb));
    expect(adapters).toEqual([
      {
        chip: "CH341A in UART mode",
        portPath: "1-9",
        access: "unusable",
        hint: expect.stringContaining("jumper"),
      },
    ]);
  });

  it.each([
    ["usb", "loadUsb", "libusb-1.0-0"],
    ["node-hid", "loadHid", "libhidapi"],
    ["serialport", "loadSerial", "libudev1"],
  ] as const)("works without the package %s, and says so", async (name, loader, debian) => {
    system.add("hidraw3", "hidraw", { ...MCP2210, port: "1-2", serial: "0001" });
    const cause = new Error("libudev.so.1: cannot open shared object file");
    const broken = (): Promise<never> => Promise.reject(packageMissing(name, cause, debian));
    const { adapters, problems } = await listAdapters(deps(undefined, { [loader]: broken }));
    expect(adapters.map(({ selector }) => selector)).toEqual(["mcp2210:0001"]);
    expect(problems).toEqual([
      expect.objectContaining({
        code: "TRANSPORT_PACKAGE",
        message: expect.stringContaining(name),
        hint: expect.stringContaining(debian),
      }),
    ]);
  });
});

describe("open", () => {
  const open = (text: string | undefined, bench: BenchDeps, more: Partial<OpenOptions> = {}) =>
    openAdapter(
      text === undefined ? ANY_ADAPTER : (parseDeviceSpec(text) as AdapterSpec),
      { ...OPTIONS, ...more },
      bench,
    );
  const ch341 = (port: number): FakeDevice =>
    new FakeDevice({ vendorId: 0x1a86, productId: 0x5512, bcdDevice: 0x0304, ports: [port] });

  it("an MCP2210 and an FTDI chip, and none chosen: names both selectors", async () => {
    system.add("hidraw3", "hidraw", { ...MCP2210, port: "1-2", serial: "0001" });
    const usb = new FakeUsb(new FakeDevice({ ports: [4] }));
    await expect(open(undefined, deps(usb))).rejects.toMatchObject({
      code: "TRANSPORT_AMBIGUOUS",
      hint: "choose one: -d usb:1-4, -d mcp2210:0001",
    });
  });

  it("a CH341A only after its voltage has been checked", async () => {
    const refused = open("ch341a", deps(new FakeUsb(ch341(9))));
    await expect(refused).rejects.toMatchObject({
      code: "REFUSED",
      message: expect.stringContaining("5 V"),
      hint: expect.stringContaining("--i-checked-3v3"),
    });
    const device = ch341(9);
    Object.assign(device, { claimErrno: -6 });
    const busy = open("ch341a", deps(new FakeUsb(device)), { voltageChecked: true });
    await expect(busy).rejects.not.toMatchObject({ code: "REFUSED" });
  });

  it("a CH341A in UART mode: says that the jumper is to be moved", async () => {
    const usb = new FakeUsb(
      new FakeDevice({ vendorId: 0x1a86, productId: 0x5523, bcdDevice: 0x0304, ports: [9] }),
    );
    await expect(open("ch341a", deps(usb))).rejects.toMatchObject({
      code: "TRANSPORT_NOT_FOUND",
      message: expect.stringContaining("CH341A in UART mode"),
      hint: expect.stringContaining("jumper"),
    });
  });

  it("a channel is asked only of the device that is meant", async () => {
    const usb = new FakeUsb(
      new FakeDevice({ ports: [1] }),
      new FakeDevice({ productId: 0x6010, bcdDevice: 0x0700, ports: [2], claimErrno: -6 }),
    );
    await expect(open("usb:1-2/B", deps(usb))).rejects.toMatchObject({ code: "TRANSPORT_BUSY" });
    await expect(open("usb:1-1/B", deps(usb))).rejects.toMatchObject({
      code: "BRIDGE_UNSUPPORTED",
    });
  });

  it("a port that is not there, and a board by its serial number", async () => {
    system.add("ttyACM0", "tty", { ...PICO, port: "1-3", serial: "E660" });
    await expect(open("serprog:/dev/none", deps())).rejects.toMatchObject({
      code: "TRANSPORT_NOT_FOUND",
      message: expect.stringContaining("/dev/none"),
    });
    await expect(open("serprog:E661", deps())).rejects.toMatchObject({
      code: "TRANSPORT_NOT_FOUND",
      message: expect.stringContaining("E660"),
    });
  });

  it("a package that is missing, if nothing is found without it", async () => {
    const cause = new Error("libudev.so.1: cannot open shared object file");
    const loadUsb = (): Promise<never> => Promise.reject(packageMissing("usb", cause, "libudev1"));
    await expect(open(undefined, deps(undefined, { loadUsb }))).rejects.toMatchObject({
      code: "TRANSPORT_PACKAGE",
    });
  });
});
