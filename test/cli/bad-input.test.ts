import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "@jest/globals";
import { crc32 } from "../../src/util/crc.js";
import { cli } from "../support/fake-io.js";
import { hashOf, TempFolder } from "../support/temp-images.js";

const folder = new TempFolder();
afterAll(() => folder.remove());

const MIB = 1 << 20;
const gpt = folder.kernelImage("card-gpt");
const plain = folder.kernelImage("one-raw");
const wrap4 = folder.kernelImage("wrap4");
const blank = folder.write("blank.img", new Uint8Array(16 * MIB));
const odd = folder.write("odd.img", new Uint8Array(1000));
const empty = folder.write("empty.img", "");
const tiny = folder.write("tiny.img", new Uint8Array(8192));
const truncated = folder.write("truncated.img", readFileSync(gpt).subarray(0, 64 * 512));
const damaged = folder.write("damaged.img", damageBothCopies(readFileSync(gpt)));
const twice = folder.at("twice.img");
const log = folder.write("log.txt", "line one\nline two\n");
const longLine = folder.write("long.txt", Buffer.from(noise(128 * 1024)));
const block = folder.write("block.bin", new Uint8Array(512));
const large = folder.write("large.bin", new Uint8Array(2 * MIB));
const ragged = folder.write("ragged.bin", new Uint8Array(700));
const directory = folder.at("directory.img");
mkdirSync(directory);

/** Signature and header of both copies gone; the protective MBR stays. */
function damageBothCopies(image: Buffer): Buffer {
  image.fill(0x55, 512 + 16, 512 + 20);
  image.fill(0x55, image.length - 512 + 16, image.length - 512 + 20);
  return image;
}

/** Printable bytes without a newline that do not compress. */
function noise(length: number): string {
  let x = 7;
  return Array.from({ length }, () => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    return String.fromCharCode(33 + ((x >>> 20) % 90));
  }).join("");
}

interface Case {
  readonly what: string;
  readonly args: readonly string[];
  readonly exit: number;
  readonly says: string;
  /** Image that must not have changed. */
  readonly image?: string;
}

const image = (path: string): string[] => ["-d", `image:${path}`];
const write = ["pstore", "write", log];

const CASES: readonly Case[] = [
  {
    what: "image not a multiple of 512",
    args: [...image(odd), "info"],
    exit: 4,
    says: "512",
    image: odd,
  },
  { what: "empty image", args: [...image(empty), "info"], exit: 4, says: "empty" },
  {
    what: "image that is a directory",
    args: [...image(directory), "info"],
    exit: 4,
    says: "directory",
  },
  {
    what: "missing image",
    args: [...image(folder.at("none.img")), "info"],
    exit: 3,
    says: "no image",
  },
  {
    what: "image too small for the geometry",
    args: [...image(tiny), "-p", "whole", "-y", ...write],
    exit: 4,
    says: "cannot hold",
    image: tiny,
  },
  {
    what: "--read-only",
    args: [...image(plain), "--read-only", ...write],
    exit: 8,
    says: "--read-only",
    image: plain,
  },
  {
    what: "no partition table",
    args: [...image(blank), "pstore", "list"],
    exit: 9,
    says: "no partition table",
    image: blank,
  },
  {
    what: "part list without a table",
    args: [...image(blank), "part", "list"],
    exit: 9,
    says: "no partition table",
  },
  {
    what: "PART not found",
    args: [...image(gpt), "-p", "p9", "pstore", "list"],
    exit: 9,
    says: "p9",
  },
  {
    what: "label not found",
    args: [...image(gpt), "-p", "label=nope", "pstore", "list"],
    exit: 9,
    says: "nope",
  },
  {
    what: "malformed PART",
    args: [...image(gpt), "-p", "p2x", "pstore", "list"],
    exit: 2,
    says: "p2x",
  },
  {
    what: "PART with an odd number of bytes",
    args: [...image(gpt), "-p", "100+100", "pstore", "list"],
    exit: 2,
    says: "512",
  },
  {
    what: "partition smaller than the geometry",
    args: [...image(plain), "-p", "0+4K", ...write],
    exit: 4,
    says: "cannot hold",
    image: plain,
  },
  {
    what: "contradicted geometry",
    args: [...image(wrap4), "-p", "whole", ...write, "--kmsg-size", "12K"],
    exit: 8,
    says: "",
    image: wrap4,
  },
  {
    what: "unproved geometry",
    args: [...image(blank), "-p", "whole", ...write, "--geometry", "auto"],
    exit: 8,
    says: "",
    image: blank,
  },
  {
    what: "range past the end",
    args: [...image(plain), "read", "1G+1M", folder.at("out.bin")],
    exit: 2,
    says: "inside",
  },
  {
    what: "write past the end",
    args: [...image(plain), "-y", "write", block, "1G+512"],
    exit: 2,
    says: "inside",
    image: plain,
  },
  {
    what: "a file larger than the range",
    args: [...image(plain), "-y", "write", large, "0+512"],
    exit: 2,
    says: "larger",
    image: plain,
  },
  {
    what: "a file of no whole blocks",
    args: [...image(plain), "-y", "write", ragged, "0+1K"],
    exit: 2,
    says: "whole number",
    image: plain,
  },
  {
    what: "a missing file",
    args: [...image(plain), "-y", "write", folder.at("no.bin"), "whole"],
    exit: 2,
    says: "does not exist",
    image: plain,
  },
  {
    what: "write without a confirmation",
    args: [...image(plain), "write", block, "0+512"],
    exit: 8,
    says: "--yes",
    image: plain,
  },
  {
    what: "erase without a confirmation",
    args: [...image(plain), "erase", "0+4K"],
    exit: 8,
    says: "--yes",
    image: plain,
  },
  {
    what: "format without a confirmation",
    args: [...image(plain), "pstore", "format"],
    exit: 8,
    says: "--yes",
    image: plain,
  },
  {
    what: "pstore erase without a confirmation",
    args: [...image(plain), "pstore", "erase", "--all"],
    exit: 8,
    says: "--yes",
    image: plain,
  },
  {
    what: "part create on a blank card without a confirmation",
    args: [...image(blank), "part", "create"],
    exit: 8,
    says: "--yes",
    image: blank,
  },
  {
    what: "GPT with both copies damaged",
    args: [...image(damaged), "part", "list"],
    exit: 9,
    says: "damaged",
    image: damaged,
  },
  {
    what: "truncated image",
    args: [...image(truncated), "pstore", "list"],
    exit: 4,
    says: "cut off",
    image: truncated,
  },
  {
    what: "a last line larger than a zone",
    args: [...image(plain), "pstore", "write", longLine],
    exit: 2,
    says: "last line",
    image: plain,
  },
  {
    what: "an empty log",
    args: [...image(plain), "pstore", "write", "-"],
    exit: 2,
    says: "empty",
    image: plain,
  },
  {
    what: "a record that is not there",
    args: [...image(plain), "-y", "pstore", "erase", "7"],
    exit: 9,
    says: "no record",
    image: plain,
  },
  {
    what: "erase without names",
    args: [...image(plain), "-y", "pstore", "erase"],
    exit: 2,
    says: "--all",
    image: plain,
  },
  {
    what: "erase with names and --all",
    args: [...image(plain), "-y", "pstore", "erase", "0", "--all"],
    exit: 2,
    says: "both",
    image: plain,
  },
  {
    what: "an unknown reason",
    args: [...image(plain), ...write, "--reason", "boredom"],
    exit: 2,
    says: "boredom",
    image: plain,
  },
  {
    what: "an unknown layout",
    args: [...image(plain), ...write, "--layout", "constructor"],
    exit: 2,
    says: "constructor",
    image: plain,
  },
  {
    what: "a malformed time",
    args: [...image(plain), ...write, "--time", "yesterday"],
    exit: 2,
    says: "yesterday",
    image: plain,
  },
  {
    what: "a bare number of KiB",
    args: [...image(plain), "pstore", "list", "--kmsg-size", "64"],
    exit: 2,
    says: "--kmsg-size 64K",
  },
  {
    what: "no number of CPUs",
    args: [...image(plain), "pstore", "list", "--cpus", "none"],
    exit: 2,
    says: "CPU",
  },
  {
    what: "a geometry that is not auto",
    args: [...image(plain), "pstore", "list", "--geometry", "big"],
    exit: 2,
    says: "auto",
  },
  {
    what: "missing System.map",
    args: [...image(plain), "pstore", "show", "0", "--symbols", folder.at("no.map")],
    exit: 2,
    says: "cannot be read",
  },
  {
    what: "nothing to extract",
    args: [...image(blank), "-p", "whole", "pstore", "extract", folder.at("nothing")],
    exit: 9,
    says: "no records",
  },
  {
    what: "a label that cannot be",
    args: [...image(blank), "-y", "part", "create", "--label", "x".repeat(37)],
    exit: 2,
    says: "label",
    image: blank,
  },
  {
    what: "a partition larger than the card",
    args: [...image(blank), "-y", "part", "create", "--size", "1G"],
    exit: 4,
    says: "",
    image: blank,
  },
  {
    what: "a size that is none",
    args: [...image(blank), "-y", "part", "create", "--size", "big"],
    exit: 2,
    says: "big",
    image: blank,
  },
  { what: "unknown device", args: ["-d", "floppy:a", "info"], exit: 2, says: "floppy" },
  {
    what: "unknown option of a simulator",
    args: ["-d", `sim:${plain}?colour=red`, "info"],
    exit: 2,
    says: "colour",
  },
  {
    what: "a cassette of another version",
    args: ["-d", `replay:${folder.write("v9.cassette", '{"cassette":9}\n')}`, "info"],
    exit: 7,
    says: "version",
  },
  {
    what: "a damaged cassette",
    args: ["-d", `replay:${folder.write("bad.cassette", '{"cassette":1}')}`, "info"],
    exit: 7,
    says: "damaged",
  },
  {
    what: "a missing cassette",
    args: ["replay", folder.at("no.cassette")],
    exit: 2,
    says: "does not exist",
  },
  {
    what: "a recording of an image",
    args: [...image(plain), "record", "-o", folder.at("x.cassette"), "--", "info"],
    exit: 2,
    says: "no USB traffic",
  },
  {
    what: "record without a file",
    args: [...image(plain), "record", "--", "info"],
    exit: 2,
    says: "-o",
  },
  { what: "unknown verb", args: ["dance"], exit: 2, says: "dance" },
  { what: "unknown option", args: ["list", "--loud"], exit: 2, says: "--loud" },
  { what: "missing operand", args: [...image(plain), "read", "whole"], exit: 2, says: "file" },
  { what: "a duration that is none", args: ["--timeout", "soon", "list"], exit: 2, says: "soon" },
  { what: "a speed that is none", args: ["--speed", "fast", "list"], exit: 2, says: "fast" },
  { what: "CRC neither on nor off", args: ["--crc", "maybe", "list"], exit: 2, says: "maybe" },
];

describe("bad input: one clear line, the right exit code, nothing written", () => {
  it.each(CASES.map((one) => [one.what, one] as const))("%s", async (_, one) => {
    const before = one.image === undefined ? "" : hashOf(one.image);
    const { exit, err, out } = await cli(one.args);
    expect([exit, err]).toEqual([one.exit, expect.stringContaining(one.says)]);
    expect(err).not.toContain("    at ");
    expect(out).toBe("");
    if (one.image !== undefined) expect(hashOf(one.image)).toBe(before);
  });

  it("info tells the rest where the partition table is damaged", async () => {
    const text = await cli([...image(damaged), "info"]);
    expect([text.exit, text.out]).toEqual([0, expect.stringContaining("both copies")]);
    expect(text.out).toContain("capacity");
    expect(text.out).not.toContain("no partition table");
    const json = JSON.parse((await cli([...image(damaged), "info", "--json"])).out);
    expect(json).toMatchObject({ table: null, tableError: { code: "TABLE_DAMAGED" } });
  });

  it("an ambiguous PART", async () => {
    writeFileSync(twice, new Uint8Array(64 * MIB));
    await cli([...image(twice), "-y", "part", "create", "--label", "one"]);
    await cli([...image(twice), "-y", "part", "create", "--label", "two"]);
    renameSecondLabel(twice);
    const { exit, err } = await cli([...image(twice), "-p", "label=one", "pstore", "list"]);
    expect([exit, err]).toEqual([2, expect.stringContaining("p1 'one', p2 'one'")]);
  });

  /** In both copies, with their checksums (UEFI 5.3.2). */
  function renameSecondLabel(path: string): void {
    const bytes = readFileSync(path);
    for (const header of [bytes.subarray(512, 604), bytes.subarray(-512, -420)]) {
      const start = Number(header.readBigUInt64LE(72)) * 512;
      const entries = bytes.subarray(start, start + header.readUInt32LE(80) * 128);
      entries.write("one", 128 + 56, "utf16le");
      header.writeUInt32LE(crc32(entries), 88);
      header.writeUInt32LE(0, 16);
      header.writeUInt32LE(crc32(header), 16);
    }
    writeFileSync(path, bytes);
  }

  it("gives errors as JSON where that is asked for", async () => {
    const { exit, err } = await cli([...image(folder.at("none.img")), "info", "--json"]);
    const json = JSON.parse(err);
    expect(json).toMatchObject({
      schema: "mmcpstore/error/1",
      code: "IMAGE_MISSING",
      exitCode: exit,
    });
    expect(JSON.parse((await cli(["dance", "--json"])).err)).toMatchObject({
      code: "USAGE",
      exitCode: 2,
    });
  });

  it("tells the causes with -v", async () => {
    const { err } = await cli([...image(plain), "-v", "write", folder.at("no.bin"), "whole"]);
    expect(err).toContain("cause: ENOENT");
  });
});
