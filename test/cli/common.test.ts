import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "@jest/globals";
import { EXIT, EXIT_OF_ERROR } from "../../src/cli/exit-codes.js";
import { formatDuration, progressLine } from "../../src/cli/format/progress.js";
import { wantsColour } from "../../src/cli/io.js";
import { parseDuration, parseSpeed } from "../../src/cli/options.js";
import { errorJson, errorLines, exitCodeOf } from "../../src/cli/report-error.js";
import { VERBS } from "../../src/cli/verbs.js";
import { VERSION } from "../../src/cli/version.js";
import { ERROR_CODES } from "../../src/util/errors.js";
import { cli } from "../support/fake-io.js";
import { TempFolder } from "../support/temp-images.js";

const folder = new TempFolder();
afterAll(() => folder.remove());

const image = folder.kernelImage("one-raw");
const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };

function configured(name: string, text: string): Record<string, string> {
  mkdirSync(folder.at(join(name, "mmcpstore")), { recursive: true });
  folder.write(join(name, "mmcpstore", "config.toml"), text);
  return { XDG_CONFIG_HOME: folder.at(name) };
}

describe("version and help", () => {
  it("is the version of the package, also of the built program", async () => {
    expect(VERSION).toBe(version);
    expect((await cli(["--version"])).out).toBe(`${version}\n`);
    const built = execFileSync("node", [join("dist", "cli", "main.js"), "--version"], {
      encoding: "utf8",
    });
    expect(built).toBe(`${version}\n`);
  });

  it.each(VERBS.map(({ name }) => [name] as const))("%s --help", async (name) => {
    const { exit, out } = await cli([...name.split(" "), "--help"]);
    expect([exit, out]).toEqual([0, expect.stringContaining(`Usage: mmcpstore ${name}`)]);
  });
});

describe("options from three places", () => {
  const list = ["pstore", "list", "--json"];
  const sizeOf = (out: string): number => JSON.parse(out).geometry.kmsgSize;

  it("the command line beats the environment, which beats the configuration file", async () => {
    const env = configured("all", `device = "image:${image}"\nkmsg-size = "16K"\n`);
    expect(sizeOf((await cli(list, { env })).out)).toBe(16384);
    const more = { ...env, ["MMCPSTORE_KMSG_SIZE"]: "32K" };
    expect(sizeOf((await cli(list, { env: more })).out)).toBe(32768);
    expect(sizeOf((await cli([...list, "--kmsg-size", "64K"], { env: more })).out)).toBe(65536);
  });

  it("takes flags from the environment", async () => {
    const env = { ["MMCPSTORE_READ_ONLY"]: "1", ["MMCPSTORE_DEVICE"]: `image:${image}` };
    expect((await cli(["pstore", "format", "-y"], { env })).exit).toBe(8);
    const bad = await cli(["list"], { env: { ["MMCPSTORE_YES"]: "perhaps" } });
    expect([bad.exit, bad.err]).toEqual([2, expect.stringContaining("perhaps")]);
  });

  it.each([
    ["unknown key", 'colour = "red"\n', "'colour' is no option"],
    ["no TOML", "device = \n", "is not TOML"],
  ])("refuses a configuration file with %s", async (what, text, says) => {
    const { exit, err } = await cli(["-d", `image:${image}`, "info"], {
      env: configured(what.replace(" ", "-"), text),
    });
    expect([exit, err]).toEqual([2, expect.stringContaining(says)]);
  });
});

describe("exit codes", () => {
  it("has one for every error code, out of the documented ones", () => {
    const documented = new Set<number>(Object.values(EXIT));
    expect(Object.keys(EXIT_OF_ERROR).sort()).toEqual([...ERROR_CODES].sort());
    for (const [code, exit] of Object.entries(EXIT_OF_ERROR))
      expect([code, documented.has(exit), exit === 0]).toEqual([code, true, false]);
  });

  it("calls what is thrown by accident a fault, with a trace", () => {
    const fault = new Error("oops");
    expect(exitCodeOf(fault)).toBe(1);
    expect(errorLines(fault, false)).toContain("common.test.ts");
    expect(JSON.parse(errorJson(fault))).toMatchObject({ code: "INTERNAL", exitCode: 1 });
    expect(exitCodeOf("a string")).toBe(1);
  });
});

describe("small things", () => {
  it("colour: NO_COLOR beats FORCE_COLOR, which beats the terminal test", () => {
    expect(wantsColour({ ["NO_COLOR"]: "1", ["FORCE_COLOR"]: "1" }, true)).toBe(false);
    expect(wantsColour({ ["FORCE_COLOR"]: "1" }, false)).toBe(true);
    expect(wantsColour({ ["TERM"]: "dumb" }, true)).toBe(false);
    expect(wantsColour({}, true)).toBe(true);
    expect(wantsColour({}, false)).toBe(false);
  });

  it("durations, speeds, progress", () => {
    expect(["500ms", "5s", "5", "2m"].map(parseDuration)).toEqual([500, 5000, 5000, 120_000]);
    expect(["400k", "15M", "25MHz", "auto"].map(parseSpeed)).toEqual([4e5, 15e6, 25e6, undefined]);
    expect(formatDuration(3725)).toBe("1:02:05");
    expect(progressLine("reading", 50, 100, 10)).toContain("50 %  5.00 MB/s");
  });

  it("a log file in full detail, and -v on stderr", async () => {
    const file = folder.at("run.log");
    const card = folder.write("log-card.img", new Uint8Array(16 << 20));
    const { exit, err } = await cli(["-d", `sim:${card}`, "-v", "--log-file", file, "info"]);
    expect(exit).toBe(0);
    expect(err).toContain("# ");
    const lines = readFileSync(file, "utf8").trim().split("\n");
    for (const line of lines) expect(JSON.parse(line)).toHaveProperty("level");
  });

  it("-q leaves errors only", async () => {
    const args = ["-d", `image:${image}`, "pstore", "list", "--geometry", "auto"];
    expect((await cli([...args, "-q"])).err).toBe("");
    expect((await cli(args)).err).not.toBe("");
  });
});
