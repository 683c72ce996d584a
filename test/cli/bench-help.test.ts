import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { afterAll, describe, expect, it } from "@jest/globals";
import { runCli } from "../../src/cli/program.js";
import { ADAPTERS, formatUsbId } from "../../src/device/adapters/data.js";
import { UDEV_RULES_FILE, udevRules } from "../../src/device/adapters/udev.js";
import { DOCTOR_STEPS, type DoctorStep } from "../../src/device/doctor/types.js";
import { cli, FakeIo } from "../support/fake-io.js";
import { hashOf, TempFolder } from "../support/temp-images.js";

const folder = new TempFolder();
afterAll(() => folder.remove());

const card = folder.write("card.img", new Uint8Array(16 << 20));
const sim = (options = ""): string[] => ["-d", `sim:${card}${options === "" ? "" : `?${options}`}`];

describe("doctor", () => {
  it("as JSON: every step, what was found, and the exit code", async () => {
    const before = hashOf(card);
    const { exit, out, err } = await cli([...sim(), "doctor", "--json"]);
    const report = JSON.parse(out);
    expect([exit, err]).toEqual([0, ""]);
    expect(report).toMatchObject({
      schema: "mmcpstore/doctor/1",
      device: `sim:${card}`,
      adapter: "FT232H",
      card: expect.stringContaining("SDHC"),
      frequencyHz: 15_000_000,
      healthy: true,
      exitCode: 0,
    });
    expect(report.steps.map(({ name }: DoctorStep) => name)).toEqual([...DOCTOR_STEPS]);
    expect(hashOf(card)).toBe(before);
  });

  it.each([
    ["quirk=absent", 5, "cmd0"],
    ["miso=low", 5, "miso"],
    ["miso=floating", 6, "miso"],
    ["miso=unpulled", 6, "miso"],
    ["quirk=cmd59-refused", 5, "crc"],
    ["locked=on", 5, "registers"],
    ["clean=100k", 6, "clock"],
    ["unplug=5", 4, "sync"],
  ])("%s: exit %d, by the first step that failed", async (options, code, step) => {
    const { exit, out } = await cli([...sim(options), "doctor", "--json"]);
    const { steps, healthy, exitCode } = JSON.parse(out);
    const failed = steps.find(({ state }: DoctorStep) => state === "failed");
    expect([exit, exitCode, healthy, failed?.name]).toEqual([code, code, false, step]);
    expect(failed.fix).toEqual(expect.any(String));
  });

  it("a missing image is a device that is not there; a wrong option is usage", async () => {
    const missing = await cli(["-d", `sim:${folder.at("none.img")}`, "doctor"]);
    expect([missing.exit, missing.out]).toEqual([3, expect.stringContaining("FAILED")]);
    expect((await cli([...sim("bogus=1"), "doctor"])).exit).toBe(2);
    expect((await cli(["-d", `image:${card}`, "doctor"])).exit).toBe(2);
    expect((await cli(["-d", "ft999", "doctor"])).exit).toBe(2);
  });

  it("looks at a simulator in another process", async () => {
    const socket = folder.at("bench.sock");
    const io = new FakeIo();
    const serving = runCli([...sim(), "sim", "serve", "--socket", socket], io);
    while (!io.err.includes("serving")) await new Promise((resolve) => setImmediate(resolve));
    const { exit, out } = await cli(["-d", `sim:unix:${socket}`, "doctor", "--json"]);
    expect([exit, JSON.parse(out).adapter]).toEqual([0, "FT232H"]);
    // It has let go of it: another may connect.
    await new Promise<void>((resolve, reject) => {
      const probe = connect(socket, () => {
        probe.destroy();
        resolve();
      }).on("error", reject);
    });
    io.signal("SIGTERM");
    expect(await serving).toBe(143);
    const gone = await cli(["-d", `sim:unix:${socket}`, "doctor", "--json"]);
    const failed = JSON.parse(gone.out).steps.find(({ state }: DoctorStep) => state === "failed");
    expect([gone.exit !== 0, failed.name]).toEqual([true, "device"]);
  });

  it("ends at a signal, and lets go of the device", async () => {
    const io = new FakeIo();
    const run = runCli([...sim("bridge=ch341a&miso=low"), "doctor"], io);
    while (!io.out.includes("loopback")) await new Promise((resolve) => setImmediate(resolve));
    io.signal("SIGINT");
    expect(await run).toBe(130);
    expect((await cli([...sim(), "doctor", "-q"])).exit).toBe(0);
  });

  it("is neither recorded nor replayed", async () => {
    const file = folder.at("run.cassette");
    const { exit, err } = await cli([...sim(), "record", "-o", file, "--", "doctor"]);
    expect([exit, err]).toEqual([2, expect.stringContaining("neither recorded nor replayed")]);
  });
});

describe("tune", () => {
  it("gives a --speed that the other verbs take, and that is this clock", async () => {
    const { exit, out, err } = await cli([...sim("clean=4300k"), "tune", "--size", "8K", "--json"]);
    const report = JSON.parse(out);
    expect([exit, err]).toEqual([0, expect.stringContaining("15 MHz")]);
    expect(report).toMatchObject({
      schema: "mmcpstore/tune/1",
      adapter: "FT232H",
      bytes: 8192,
      limitedBy: "errors",
    });
    expect(report.frequencyHz).toBeCloseTo(30e6 / 7, 3);
    expect(report.trials.some(({ ok }: { ok: boolean }) => !ok)).toBe(true);
    const info = await cli([...sim(), "--speed", String(report.speed), "info", "--json"]);
    expect(JSON.parse(info.out).adapter.frequencyHz).toBeCloseTo(report.frequencyHz, 3);
  });

  it("asks for no more than --max, or --speed", async () => {
    const hz = async (...more: string[]): Promise<number> =>
      JSON.parse((await cli([...sim(), "tune", "--size", "4K", "--json", ...more])).out)
        .frequencyHz;
    expect(await hz("--max", "30M")).toBe(30e6);
    expect(await hz("--max", "6M")).toBe(6e6);
    expect(await hz("--speed", "5M")).toBe(5e6);
    expect(await hz("--speed", "5M", "--max", "auto")).toBe(5e6);
  });

  it("fails with 6 where no clock works, with 5 without a card", async () => {
    expect((await cli([...sim("clean=100k"), "tune", "--size", "4K"])).exit).toBe(6);
    expect((await cli([...sim("quirk=absent"), "tune"])).exit).toBe(5);
    expect((await cli(["-d", `sim:${folder.at("none.img")}`, "tune"])).exit).toBe(3);
  });

  it.each([
    ["--size", "0"],
    ["--size", "much"],
    ["--max", "fast"],
    ["--max", "0"],
  ])("refuses %s %s", async (flag, value) => {
    expect((await cli([...sim(), "tune", flag, value])).exit).toBe(2);
  });
});

describe("wiring", () => {
  it("as JSON, for one adapter and for all", async () => {
    const one = JSON.parse((await cli(["wiring", "ft2232h/B", "--json"])).out);
    expect(one).toMatchObject({ schema: "mmcpstore/wiring/1", id: "ft2232h", channel: "B" });
    expect(one.wires[0]).toMatchObject({ signal: "CS", chipPin: "BDBUS3", sd: "1 (DAT3 / CS)" });
    const all = JSON.parse((await cli(["wiring", "--json"])).out);
    expect(all.adapters.map(({ id }: { id: string }) => id)).toEqual(ADAPTERS.map(({ id }) => id));
  });

  it.each(ADAPTERS.map((adapter) => [adapter.id, adapter] as const))(
    "%s: pins, levels and warnings",
    async (id, { pins, voltage, warnings }) => {
      const { exit, out } = await cli(["wiring", id]);
      expect(exit).toBe(0);
      for (const text of [voltage, ...warnings, ...pins.map(({ chipPin }) => chipPin)])
        expect(out).toContain(text);
    },
  );

  it("refuses what is no adapter, and names those that are", async () => {
    const { exit, err } = await cli(["wiring", "arduino"]);
    expect([exit, err]).toEqual([2, expect.stringContaining("serprog")]);
  });
});

describe("udev", () => {
  it("prints rules for every adapter", async () => {
    const { exit, out } = await cli(["udev", "print"]);
    expect([exit, out]).toEqual([0, udevRules()]);
    const json = JSON.parse((await cli(["udev", "print", "--group", "bench", "--json"])).out);
    expect(json).toMatchObject({
      group: "bench",
      file: UDEV_RULES_FILE,
      rules: udevRules("bench"),
    });
    for (const id of ADAPTERS.flatMap(({ usbIds }) => usbIds))
      expect(out).toContain(`idProduct}=="${formatUsbId(id).slice(5)}"`);
    expect((await cli(["udev", "print", "--group", "no group"])).exit).toBe(2);
  });

  it("installs them, and says what to run", async () => {
    const args = ["udev", "install", "--dir", folder.path];
    const path = folder.at(UDEV_RULES_FILE);
    const dry = await cli([...args, "--dry-run"]);
    expect([dry.exit, dry.out, existsSync(path)]).toEqual([
      0,
      expect.stringContaining("would have written"),
      false,
    ]);
    const done = await cli(args);
    expect([done.exit, done.err]).toEqual([0, expect.stringContaining("udevadm control --reload")]);
    expect(readFileSync(path, "utf8")).toBe(udevRules());
    const again = await cli([...args, "--json"]);
    expect(JSON.parse(again.out)).toMatchObject({
      path,
      result: "unchanged",
      next: expect.stringContaining("udevadm"),
    });
  });

  it("replaces a file of somebody else only with --yes", async () => {
    const at = folder.at("foreign");
    const file = `${at}/${UDEV_RULES_FILE}`;
    mkdirSync(at);
    writeFileSync(file, "# mine\n");
    expect((await cli(["udev", "install", "--dir", at])).exit).toBe(8);
    expect(readFileSync(file, "utf8")).toBe("# mine\n");
    expect((await cli(["udev", "install", "--dir", at, "-y"])).exit).toBe(0);
    expect(readFileSync(file, "utf8")).toBe(udevRules());
    expect((await cli(["udev", "install", "--dir", ""])).exit).toBe(2);
    expect((await cli(["udev", "install", "--dir", folder.at("nowhere")])).exit).toBe(1);
  });
});
