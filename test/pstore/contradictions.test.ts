import { describe, expect, test } from "@jest/globals";
import type { PartitionScan } from "../../src/pstore/types.js";
import { geometryOf, kernelImage, kernelImages, partitionBytes } from "../support/kernel-images.js";
import { KIB, kmsg, putRecord, scan, scanImage } from "../support/partition-bytes.js";

describe("signatures that contradict the geometry", () => {
  const doubts = ({ warnings }: PartitionScan): string[] =>
    warnings.filter(({ contradictsGeometry }) => contradictsGeometry).map(({ code }) => code);

  test.each([
    ["wrap4", kmsg(64 * KIB), "misplaced-signature"],
    ["wrap4", kmsg(32 * KIB), "misplaced-signature"],
    ["wrap4", kmsg(20 * KIB), "misplaced-signature"],
    ["wrap4", kmsg(4 * KIB), "record-past-zone"],
    ["wrap4", kmsg(8 * KIB), "record-past-zone"],
    ["one-deflate", kmsg(4 * KIB), "record-past-zone"],
    ["k4", kmsg(64 * KIB), "misplaced-signature"],
    ["card-gpt", kmsg(128 * KIB), "misplaced-signature"],
    ["pmsg-wrap", kmsg(8 * KIB), "foreign-signature"],
    ["all-smp2", kmsg(16 * KIB), "foreign-signature"],
    ["wrap4", { ...kmsg(16 * KIB), pmsgSize: 4 * KIB }, "foreign-signature"],
    ["i386-raw", { ...kmsg(16 * KIB), consoleSize: 8 * KIB }, "foreign-signature"],
  ])("%s with %j: %s", async (name, geometry, code) => {
    expect(doubts(await scanImage(name, geometry))).toContain(code);
  });

  test("another number of CPUs moves the ftrace zones", async () => {
    const geometry = geometryOf(kernelImage("all-smp2"));
    for (const cpus of [1, 3, 4])
      expect(doubts(await scanImage("all-smp2", { ...geometry, cpus }))).not.toEqual([]);
  });

  test.each(kernelImages.map(({ name }) => name))(
    "%s is not contradicted by its own geometry",
    async (name) => {
      expect(doubts(await scanImage(name, undefined, { search: "all" }))).toEqual([]);
    },
  );

  test("neither a lost zone nor a damaged length is a contradiction", async () => {
    for (const change of [
      (bytes: Uint8Array) => bytes.fill(0x5a, 4096, 8192),
      (bytes: Uint8Array) => bytes.fill(0xff, 8192 + 4, 8192 + 8),
      (bytes: Uint8Array) => bytes.set([0x40, 0x1f], 8192 + 4),
    ]) {
      const bytes = partitionBytes("k4");
      change(bytes);
      expect(doubts(await scan(bytes, kmsg(4096)))).toEqual([]);
    }
  });

  test("a copy of a zone inside a record's payload is none", async () => {
    const bytes = new Uint8Array(64 * KIB);
    const payload = new Uint8Array(10_000).fill(0x20);
    putRecord(payload, 4096 - 52);
    putRecord(bytes, 0, { payload });
    expect(doubts(await scan(bytes, kmsg(64 * KIB)))).toEqual([]);
  });

  test("`near` looks where a second record would be, `all` everywhere, `heads` nowhere else", async () => {
    const bytes = new Uint8Array(4096 * KIB);
    putRecord(bytes, 0);
    putRecord(bytes, 3000 * KIB);
    expect(doubts(await scan(bytes, kmsg(64 * KIB)))).toEqual([]);
    expect(doubts(await scan(bytes, kmsg(64 * KIB), { search: "all" }))).toHaveLength(1);
    const wrap4 = await scanImage("wrap4", kmsg(64 * KIB), { search: "heads" });
    expect(doubts(wrap4)).toEqual([]);
  });

  test("thousands of them are a few lines", async () => {
    const bytes = new Uint8Array(1024 * KIB);
    for (let at = 0; at < bytes.length; at += 4096) putRecord(bytes, at);
    expect((await scan(bytes, kmsg(64 * KIB))).warnings.length).toBeLessThan(10);
  });

  test("records at every fourth zone only, in a geometry a quarter of the true one, contradict it", async () => {
    const bytes = new Uint8Array(512 * KIB);
    putRecord(bytes, 0);
    putRecord(bytes, 64 * KIB);
    expect(doubts(await scan(bytes, kmsg(16 * KIB)))).toEqual(["signature-gap"]);
    expect(doubts(await scan(bytes, kmsg(64 * KIB)))).toEqual([]);
  });
});
