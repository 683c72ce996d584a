import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "@jest/globals";
import { cli } from "../support/fake-io.js";
import { sizeOptions, TempFolder } from "../support/temp-images.js";

const folder = new TempFolder();
afterAll(() => folder.remove());

const gpt = folder.kernelImage("card-gpt");
const raw = folder.kernelImage("one-raw");
const smp = folder.kernelImage("all-smp2");
const blank = folder.write("card.img", new Uint8Array(16 << 20));

const TRANSCRIPTS: readonly (readonly [string, readonly string[]])[] = [
  ["help", ["--help"]],
  ["help-pstore", ["pstore", "--help"]],
  ["help-pstore-write", ["pstore", "write", "--help"]],
  ["info-image", ["-d", `image:${gpt}`, "info"]],
  ["part-list", ["-d", `image:${gpt}`, "part", "list"]],
  ["pstore-list", ["-d", `image:${raw}`, "pstore", "list"]],
  ["pstore-list-all-types", ["-d", `image:${smp}`, "pstore", "list", ...sizeOptions("all-smp2")]],
  ["pstore-list-json", ["-d", `image:${raw}`, "pstore", "list", "--json"]],
  ["pstore-check", ["-d", `image:${raw}`, "pstore", "check"]],
  [
    "pstore-write-dry-run",
    ["-d", `image:${raw}`, "pstore", "write", "-", "--dry-run", "--time", "2026-01-02T03:04:05Z"],
  ],
  ["help-tune", ["tune", "--help"]],
  ["doctor", ["-d", `sim:${blank}`, "doctor"]],
  ["doctor-no-pull-up", ["-d", `sim:${blank}?miso=unpulled&clean=8M`, "doctor"]],
  ["doctor-no-card", ["-d", `sim:${blank}?quirk=absent`, "doctor"]],
  ["tune", ["-d", `sim:${blank}?clean=8M`, "tune", "--size", "64K"]],
  ["wiring", ["wiring"]],
  ["wiring-tigard", ["wiring", "tigard"]],
  ["wiring-ch341a", ["wiring", "ch341a"]],
  ["udev-print", ["udev", "print", "--group", "bench"]],
  [
    "error-no-table",
    ["-d", `image:${folder.write("blank.img", new Uint8Array(65536))}`, "pstore", "list"],
  ],
];

/** `UPDATE_GOLDEN=1` writes them anew; look at the difference before it is committed. */
function compare(name: string, text: string): void {
  const path = join("test", "golden", `${name}.txt`);
  if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(path, text);
  expect([path, existsSync(path)]).toEqual([path, true]);
  expect(text).toBe(readFileSync(path, "utf8"));
}

describe("what the user sees", () => {
  it.each(TRANSCRIPTS)("%s", async (name, args) => {
    const { exit, out, err } = await cli(args, { stdin: "<6>[    1.0] line\n" });
    const text = `${out}${err === "" ? "" : `--- stderr\n${err}`}--- exit ${exit}\n`;
    compare(name, text.replaceAll(folder.path, "FOLDER"));
  });
});
