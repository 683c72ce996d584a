import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "@jest/globals";
import { holdsForeignData } from "../../src/pstore/foreign-data.js";

const image = (name: string): Uint8Array =>
  gunzipSync(readFileSync(join("test/data/images", `${name}.img.gz`)));

describe("foreign data in a zone without a record", () => {
  test.each(["one-raw", "k4", "i386-raw"])("a kernel's zone is none: %s", (name) => {
    expect(holdsForeignData(image(name))).toBe(false);
  });

  test("blank zones are none, also with an old log behind the first sector", () => {
    expect(holdsForeignData(new Uint8Array(4096))).toBe(false);
    expect(holdsForeignData(new Uint8Array(4096).fill(0xff))).toBe(false);
    expect(holdsForeignData(new Uint8Array(4096).fill(0x41, 512))).toBe(false);
  });

  test("a boot sector, an ext4 superblock and random bytes are", () => {
    const boot = new Uint8Array(4096);
    boot.set([0xeb, 0x58, 0x90]);
    const ext = new Uint8Array(4096);
    ext.set([0x53, 0xef], 1080);
    expect(
      [boot, ext, image("card-gpt"), new Uint8Array(4096).fill(0x5a)].map(holdsForeignData),
    ).toEqual([true, true, true, true]);
  });
});
