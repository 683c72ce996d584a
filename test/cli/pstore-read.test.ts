import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "@jest/globals";
import { cli } from "../support/fake-io.js";
import { kernelImages, shownByKernel } from "../support/kernel-images.js";
import { hashOf, sizeOptions, TempFolder } from "../support/temp-images.js";

const folder = new TempFolder();
afterAll(() => folder.remove());

function partOf(image: (typeof kernelImages)[number]): string[] {
  const { partition } = image;
  return partition === undefined
    ? ["-p", "whole"]
    : ["-p", `${partition.offset}+${partition.size}`];
}

describe("pstore extract gives the files that a kernel showed", () => {
  it.each(kernelImages.map((image) => [image.name, image] as const))("%s", async (name, image) => {
    const path = folder.kernelImage(name);
    const before = hashOf(path);
    const target = folder.at(`${name}.files`);
    const args = [
      "-d",
      `image:${path}`,
      ...partOf(image),
      "pstore",
      "extract",
      ...sizeOptions(name),
    ];
    const { exit, err } = await cli([...args, target]);
    const shown = shownByKernel(name);
    const listed = await cli([
      "-d",
      `image:${path}`,
      ...partOf(image),
      "pstore",
      "list",
      "--json",
      ...sizeOptions(name),
    ]);
    const records = JSON.parse(listed.out).records as {
      name: string;
      state: string;
      compressed: boolean;
      storedBytes: number;
    }[];
    expect([0, 7, 9]).toContain(exit);
    if (exit === 9) {
      expect([shown.size, err]).toEqual([0, expect.stringContaining("no records")]);
      return;
    }
    for (const [file, bytes] of shown) expectSameFile(target, file, bytes);
    for (const { name: file, mtime } of image.expected) expectSameTime(target, file, mtime);
    // A compressed record without a byte is listed, but a kernel has no file for it.
    const files = records.filter(
      (one) => one.state !== "erased" && (one.storedBytes > 0 || !one.compressed),
    );
    expect(readdirSync(target).sort()).toEqual(files.map((one) => one.name).sort());
    expect(hashOf(path)).toBe(before);
  });
});

/** The file, or its decoded form where the kernel could not decode it. */
function fileIn(target: string, file: string): string {
  return readdirSync(target).includes(file) ? file : file.replace(/\.enc\.z$/, "");
}

/** Where ours is a decoded form of what the kernel left encoded, or has addresses for symbols, it may differ. */
function expectSameFile(target: string, file: string, bytes: Uint8Array): void {
  const found = fileIn(target, file);
  const own = readFileSync(join(target, found));
  if (file.startsWith("ftrace") || found !== file) expect(own.length).toBeGreaterThan(0);
  else expect([file, own.equals(Buffer.from(bytes))]).toEqual([file, true]);
}

function expectSameTime(target: string, file: string, mtime: number | null): void {
  if (mtime === null || !file.startsWith("dmesg")) return;
  const { mtimeMs } = statSync(join(target, fileIn(target, file)));
  expect([file, Math.floor(mtimeMs / 1000)]).toEqual([file, Math.floor(mtime)]);
}

describe("pstore extract", () => {
  const path = folder.kernelImage("one-raw");
  const args = ["-d", `image:${path}`, "pstore", "extract"];

  it("leaves a file with other contents alone, and writes nothing beside it", async () => {
    const target = folder.at("occupied");
    mkdirSync(target);
    writeFileSync(join(target, "dmesg-pstore_blk-0"), "mine");
    const { exit, err } = await cli([...args, target]);
    expect(exit).toBe(8);
    expect(err).toContain("--yes");
    expect(readdirSync(target)).toEqual(["dmesg-pstore_blk-0"]);
    expect(readFileSync(join(target, "dmesg-pstore_blk-0"), "utf8")).toBe("mine");
    expect((await cli([...args, "--yes", target])).exit).toBe(0);
    expect(readFileSync(join(target, "dmesg-pstore_blk-0"), "utf8")).not.toBe("mine");
  });

  it("says what it would write, and can be run twice", async () => {
    const target = folder.at("twice");
    expect((await cli([...args, "--dry-run", target])).exit).toBe(0);
    expect(readdirSync(folder.path)).not.toContain("twice");
    expect((await cli([...args, target])).exit).toBe(0);
    const again = await cli([...args, "--json", target]);
    const { files } = JSON.parse(again.out) as { files: { written: boolean }[] };
    expect(files.map(({ written }) => written)).toEqual([false]);
  });

  it("refuses a folder that is a file", async () => {
    const file = folder.write("a-file", "x");
    expect((await cli([...args, file])).exit).not.toBe(0);
    expect(readFileSync(file, "utf8")).toBe("x");
  });
});

describe("pstore list and show", () => {
  const device = `image:${folder.kernelImage("one-raw", "list.img")}`;

  it("prints the JSON of the design", async () => {
    const { exit, out } = await cli(["-d", device, "pstore", "list", "--json"]);
    expect(exit).toBe(0);
    const json = JSON.parse(out);
    expect(Object.keys(json)).toEqual(["schema", "geometry", "records"]);
    expect(json.schema).toBe("mmcpstore/pstore-list/1");
    expect(json.geometry).toEqual({
      kmsgSize: 65536,
      pmsgSize: 0,
      consoleSize: 0,
      ftraceSize: 0,
      cpus: 1,
    });
    expect(Object.keys(json.records[0])).toEqual([
      "name",
      "type",
      "zone",
      "offset",
      "reason",
      "counter",
      "time",
      "compressed",
      "compression",
      "storedBytes",
      "textBytes",
      "sha256",
      "state",
    ]);
  });

  it("shows a record by its name and by its zone, byte for byte", async () => {
    const bytes = shownByKernel("one-raw").get("dmesg-pstore_blk-0");
    for (const name of ["dmesg-pstore_blk-0", "0"]) {
      const { exit, io } = await cli(["-d", device, "pstore", "show", name]);
      expect([name, exit]).toEqual([name, 0]);
      expect(io.outBytes.equals(Buffer.from(bytes ?? []))).toBe(true);
    }
    const { out } = await cli(["-d", device, "--json", "pstore", "show", "0"]);
    expect(Buffer.from(JSON.parse(out).base64, "base64").equals(Buffer.from(bytes ?? []))).toBe(
      true,
    );
  });

  it("has exit 9 for a name that is not there", async () => {
    const { exit, err } = await cli(["-d", device, "pstore", "show", "dmesg-pstore_blk-9"]);
    expect(exit).toBe(9);
    expect(err).toContain("hint:");
  });

  it("finds the geometry, and says what is not proved", async () => {
    const wrap = `image:${folder.kernelImage("wrap4")}`;
    const { exit, out, err } = await cli([
      "-d",
      wrap,
      "pstore",
      "list",
      "--geometry",
      "auto",
      "--json",
    ]);
    expect([exit, err]).toEqual([0, expect.stringContaining("geometry:")]);
    expect(JSON.parse(out).geometry.kmsgSize).toBe(sizeInBytes("wrap4"));
  });

  function sizeInBytes(name: string): number {
    return (kernelImages.find((image) => image.name === name)?.params.kmsgSize ?? 0) * 1024;
  }

  it("takes random bytes for an empty list", async () => {
    const bytes = new Uint8Array(1 << 20);
    for (let at = 0, x = 1; at < bytes.length; at++) {
      x = (Math.imul(x, 1103515245) + 12345) >>> 0;
      bytes[at] = x >>> 16;
    }
    const path = folder.write("random.img", bytes);
    const { exit, out } = await cli([
      "-d",
      `image:${path}`,
      "-p",
      "whole",
      "pstore",
      "list",
      "--json",
    ]);
    expect([exit, JSON.parse(out).records]).toEqual([0, []]);
  });
});
