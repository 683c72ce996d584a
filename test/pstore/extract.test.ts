import { createHash } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import { type ExtractedFile, extractFiles } from "../../src/pstore/extract.js";
import { scanPartition } from "../../src/pstore/scan.js";
import {
  geometryOf,
  kernelImage,
  kernelImages,
  partitionOf,
  shownByKernel,
} from "../support/kernel-images.js";

/** The three kinds of difference that are right. All else must be equal. */
interface Differences {
  /** Files behind the zone where the kernel stopped: name, first line. */
  readonly behindStop?: Readonly<Record<string, string>>;
  /** What it shows encoded and we decode: its name, ours, the text's size and first line. */
  readonly decoded?: Readonly<Record<string, { name: string; bytes: number; firstLine: string }>>;
  /** Files whose text has the reading kernel's symbols. */
  readonly symbols?: readonly string[];
}

const DIFFERENCES: Readonly<Record<string, Differences>> = {
  hand16: {
    decoded: {
      "dmesg-pstore_blk-2.enc.z": {
        name: "dmesg-pstore_blk-2",
        bytes: 11015,
        firstLine: "Oops#2 Part1",
      },
    },
  },
  "hand-empty-compressed": {
    behindStop: { "dmesg-pstore_blk-2": "Oops: Total 3 times" },
  },
  "all-smp2": { symbols: ["ftrace-pstore_blk-0"] },
};

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const firstLine = (bytes: Uint8Array): string =>
  Buffer.from(bytes).toString("latin1").split("\n", 1)[0] ?? "";

async function extracted(name: string): Promise<Map<string, ExtractedFile>> {
  const scan = await scanPartition(partitionOf(name), geometryOf(kernelImage(name)));
  const files = new Map<string, ExtractedFile>();
  for await (const file of extractFiles(scan)) {
    expect([...files.keys()]).not.toContain(file.name);
    files.set(file.name, file);
  }
  return files;
}

describe.each(kernelImages.map(({ name }) => name))("image %s", (name) => {
  const image = kernelImage(name);
  const differences = DIFFERENCES[name] ?? {};
  const { decoded = {}, behindStop = {}, symbols = [] } = differences;

  test("gives the names that the kernel showed, and those of the allowed differences", async () => {
    const names = image.expected.map((file) => decoded[file.name]?.name ?? file.name);
    const wanted = [...names, ...Object.keys(behindStop)].toSorted();
    expect([...(await extracted(name)).keys()].toSorted()).toEqual(wanted);
  });

  test("gives the bytes and times that the kernel showed", async () => {
    const files = await extracted(name);
    const shown = shownByKernel(name);
    const same = image.expected.filter(
      (file) => !(file.name in decoded) && !symbols.includes(file.name),
    );
    for (const { name: fileName, size, sha256: sum, mtime } of same) {
      const file = files.get(fileName);
      expect({ fileName, size: file?.bytes.length }).toEqual({ fileName, size });
      expect({ fileName, sum: sha256(file?.bytes ?? new Uint8Array()) }).toEqual({ fileName, sum });
      expect(
        Buffer.compare(file?.bytes ?? new Uint8Array(), shown.get(fileName) ?? new Uint8Array()),
      ).toBe(0);
      const seconds = file?.mtime?.seconds;
      expect(seconds === undefined ? null : Number(seconds)).toBe(mtime);
    }
  });

  test("decodes what the kernel could not, and goes on where it stopped", async () => {
    const files = await extracted(name);
    for (const [encoded, wanted] of Object.entries(decoded)) {
      const { mtime } = image.expected.find((file) => file.name === encoded) ?? {};
      const file = files.get(wanted.name);
      expect(file?.bytes.length).toBe(wanted.bytes);
      expect(firstLine(file?.bytes ?? new Uint8Array())).toBe(wanted.firstLine);
      expect(Number(file?.mtime?.seconds)).toBe(mtime);
    }
    for (const [behind, line] of Object.entries(behindStop))
      expect(firstLine(files.get(behind)?.bytes ?? new Uint8Array())).toBe(line);
  });
});

test("times have the record's nanoseconds; second 0 has none", async () => {
  const files = await extracted("hand16");
  expect(files.get("dmesg-pstore_blk-9")?.mtime).toEqual({
    seconds: 1700000009n,
    nanoseconds: 123456789,
  });
  expect(files.get("dmesg-pstore_blk-12")).not.toHaveProperty("mtime");
});

/** What the kernel printed, with names taken off again: `symbol [module]` and `symbol+0x1/0x2`. */
function withoutSymbols(text: string): string {
  return text.replaceAll(/^(\S+ \S+ (\S+) {2}(\S+)) .*$/gm, "$1  0x$2 <- 0x$3");
}

test("ftrace text differs from the kernel's in symbol names only", async () => {
  const ours = (await extracted("all-smp2")).get("ftrace-pstore_blk-0");
  const theirs = shownByKernel("all-smp2").get("ftrace-pstore_blk-0");
  const text = Buffer.from(ours?.bytes ?? "").toString();
  expect(text.split("\n")).toHaveLength(2 * 1364 + 1);
  expect(text).toBe(withoutSymbols(Buffer.from(theirs ?? "").toString()));
});
