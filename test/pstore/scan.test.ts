import { deflateRawSync } from "node:zlib";
import { describe, expect, test } from "@jest/globals";
import { MemoryBlockDevice } from "../../src/block/device.js";
import { scanPartition } from "../../src/pstore/scan.js";
import { encodeTrailer } from "../../src/pstore/trailer.js";
import { LAYOUT_BE64, LAYOUT_I386, LAYOUT_LE64 } from "../../src/pstore/types.js";
import { encodeZoneHeader } from "../../src/pstore/zone-header.js";
import { kernelImage, partitionBytes } from "../support/kernel-images.js";
import {
  codesOf,
  KIB,
  kmsg,
  LOG,
  namesOf,
  putRecord,
  scan,
  scanImage,
} from "../support/partition-bytes.js";

describe("records of a list", () => {
  test("erased ones are listed without contents", async () => {
    const { records, contents } = await scanImage("wrap4-unlinked");
    expect(records.map(({ state }) => state)).toEqual(["ok", "ok", "erased", "ok"]);
    const erased = records[2];
    expect(erased).toMatchObject({ name: "dmesg-pstore_blk-2", reason: "Oops" });
    expect(erased?.header).toMatchObject({ counter: 3, tvSec: 1_767_323_062n });
    expect(erased).not.toHaveProperty("sha256");
    if (erased === undefined) throw new Error("no record 2");
    await expect(contents(erased)).rejects.toMatchObject({ code: "PSTORE_NOT_FOUND" });
  });

  test("the kernel's order: dmesg, ftrace, pmsg, console; with what they are", async () => {
    const { records } = await scanImage("all-smp2");
    const rows = records.map(({ name, zone, storedBytes, textBytes, compression }) => {
      return [name, zone.offset, storedBytes, textBytes, compression];
    });
    expect(rows).toEqual([
      ["dmesg-pstore_blk-0", 86_016, 8088, 21_892, "deflate"],
      ["ftrace-pstore_blk-0", 20_480, 65_512, 256_432, "none"],
      ["pmsg-pstore_blk-0", 0, 11, 11, "none"],
      ["console-pstore_blk-0", 4096, 16_372, 16_372, "none"],
    ]);
  });

  test("sha256 is that of the bytes that the kernel showed", async () => {
    for (const name of ["hand16", "wrap4", "pmsg-wrap", "i386-raw"]) {
      const { records } = await scanImage(name);
      for (const { name: file, sha256 } of kernelImage(name).expected) {
        const record = records.find((candidate) => candidate.name === file);
        if (file !== "dmesg-pstore_blk-2.enc.z")
          expect([file, record?.sha256]).toEqual([file, sha256]);
      }
    }
  });

  test("hand16: state of each zone, and what is said about the rest", async () => {
    const result = await scanImage("hand16");
    const states = Object.fromEntries(result.records.map(({ zone, state }) => [zone.index, state]));
    const ok = [0, 1, 2, 6, 9, 10, 11, 12, 13, 14, 15].map((zone) => [zone, "ok"]);
    expect(states).toEqual({ ...Object.fromEntries(ok), 7: "erased", 8: "undecodable" });
    expect(result.warnings.map(({ code, zone }) => [zone?.index, code])).toEqual([
      [3, "invalid-magic"],
      [5, "overtop"],
      [8, "undecodable"],
    ]);
    expect(result.warnings.some(({ stopsKernel }) => stopsKernel)).toBe(false);
    expect(result.dmesg.map(({ head }) => head.state).slice(3, 8)).toEqual([
      "invalid",
      "empty",
      "overtop",
      "valid",
      "erased",
    ]);
  });

  test("records of every layout on one partition", async () => {
    const bytes = new Uint8Array(16 * KIB);
    const layouts = [LAYOUT_LE64, LAYOUT_BE64, LAYOUT_I386];
    for (const [zone, layout] of layouts.entries()) putRecord(bytes, zone * 4096, { layout });
    const { records, contents } = await scan(bytes, kmsg(4096));
    expect(records.map(({ layout }) => layout)).toEqual(layouts);
    for (const record of records) {
      expect(Buffer.from(await contents(record)).toString()).toBe(
        `Panic: Total 3 times\n${Buffer.from(LOG).toString()}`,
      );
    }
  });

  test("times before 1970 and too many nanoseconds stay times", async () => {
    const bytes = new Uint8Array(8 * KIB);
    putRecord(bytes, 0, { header: { tvSec: -86_400n, tvNsec: 5_000_000_000n } });
    const { records } = await scan(bytes, kmsg(4096));
    expect(records[0]?.mtime).toEqual({ seconds: -86_400n, nanoseconds: 999_999_999 });
  });

  test("the checksum trailer makes a record verified, or torn; a torn one is shown as a kernel would", async () => {
    const bytes = new Uint8Array(16 * KIB);
    for (const zone of [0, 1, 2]) {
      const at = zone * 4096;
      putRecord(bytes, at);
      const trailer = encodeTrailer(bytes.slice(at, at + 52 + LOG.length));
      if (zone < 2) bytes.set(trailer, at + 4096 - trailer.length);
    }
    bytes[4096 + 60] = 0x21;
    const result = await scan(bytes, kmsg(4096));
    expect(result.records.map(({ state }) => state)).toEqual(["verified", "torn", "ok"]);
    expect(codesOf(result)).toEqual(["torn"]);
    expect(result.records.map(({ textBytes }) => textBytes)).toEqual(
      Array(3).fill(LOG.length + 21),
    );
  });

  test("a compressed record that breaks off is salvaged and said to be", async () => {
    const bytes = new Uint8Array(8 * KIB);
    const text = `Oops#1 Part1\n${Array.from({ length: 200 }, (_, at) => `line ${at * 7919}`).join("\n")}`;
    const stream = new Uint8Array(deflateRawSync(text));
    const payload = stream.slice(0, stream.length >> 1);
    putRecord(bytes, 0, { payload, header: { compressed: 1, reason: 2 } });
    const result = await scan(bytes, kmsg(4096));
    const [record] = result.records;
    expect(record).toMatchObject({ name: "dmesg-pstore_blk-0", state: "salvaged" });
    expect(codesOf(result)).toEqual(["salvaged"]);
    if (record === undefined) throw new Error("no record");
    const salvaged = Buffer.from(await result.contents(record)).toString();
    expect(salvaged.length).toBeGreaterThan(300);
    expect(text.startsWith(salvaged)).toBe(true);
  });
});

describe("where a kernel would stop", () => {
  test("an empty compressed record hides nothing, and has no file itself", async () => {
    const result = await scanImage("hand-empty-compressed");
    expect(namesOf(result)).toEqual([
      "dmesg-pstore_blk-0",
      "dmesg-pstore_blk-1.enc.z",
      "dmesg-pstore_blk-2",
    ]);
    expect(result.warnings[0]).toMatchObject({ code: "empty-compressed", stopsKernel: true });
    expect(result.warnings[0]?.zone?.index).toBe(1);
  });

  test.each([0, 1])(
    "a length of 1 to 39 bytes (compressed %i) hides nothing",
    async (compressed) => {
      const bytes = new Uint8Array(16 * KIB);
      putRecord(bytes, 0, { datalen: 8, header: { compressed } });
      putRecord(bytes, 4096);
      const result = await scan(bytes, kmsg(4096));
      expect(namesOf(result)).toEqual(["dmesg-pstore_blk-1"]);
      expect(result.warnings).toMatchObject([{ code: "damaged-length", stopsKernel: true }]);
    },
  );

  test("a ring that starts behind its data hides nothing", async () => {
    const bytes = new Uint8Array(16 * KIB);
    bytes.set(encodeZoneHeader({ type: "pmsg", byteOrder: "little", datalen: 10, start: 20 }));
    bytes.set(
      encodeZoneHeader({ type: "console", byteOrder: "little", datalen: 4, start: 2 }),
      4096,
    );
    bytes.set(Buffer.from("cdab"), 4096 + 12);
    putRecord(bytes, 8 * KIB);
    const geometry = { ...kmsg(4096), pmsgSize: 4096, consoleSize: 4096 };
    const result = await scan(bytes, geometry);
    expect(namesOf(result)).toEqual(["dmesg-pstore_blk-0", "console-pstore_blk-0"]);
    expect(result.warnings).toMatchObject([{ code: "ring-start", stopsKernel: true }]);
    const console = result.records[1];
    if (console === undefined) throw new Error("no console");
    expect(Buffer.from(await result.contents(console)).toString()).toBe("abcd");
  });

  test("rings that are erased or too long are skipped, as by the kernel", async () => {
    const bytes = new Uint8Array(16 * KIB);
    bytes.set(encodeZoneHeader({ type: "pmsg", byteOrder: "little", datalen: 0, start: 0 }));
    bytes.set(
      encodeZoneHeader({ type: "console", byteOrder: "big", datalen: 4085, start: 0 }),
      4096,
    );
    const geometry = { ...kmsg(4096), pmsgSize: 4096, consoleSize: 4096 };
    const result = await scan(bytes, geometry);
    expect(namesOf(result)).toEqual([]);
    expect(codesOf(result)).toEqual(["ring-overtop"]);
  });
});

test("a device that fails says so", async () => {
  const device = new MemoryBlockDevice(partitionBytes("wrap4"));
  const inner = device.read.bind(device);
  const failure = new Error("gone");
  device.read = (lba, into) => (lba >= 64 ? Promise.reject(failure) : inner(lba, into));
  await expect(scanPartition(device, kmsg(16 * KIB))).rejects.toBe(failure);
});
