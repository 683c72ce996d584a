import { describe, expect, test } from "@jest/globals";
import { MemoryBlockDevice } from "../../src/block/device.js";
import { type CheckReport, checkPartition } from "../../src/pstore/check.js";
import { checkParameters, kernelUse, takenSize } from "../../src/pstore/kernel-parameters.js";
import { PstoreStore } from "../../src/pstore/store.js";
import { type Geometry, LAYOUT_BE64, LAYOUT_I386 } from "../../src/pstore/types.js";
import { encodeZoneHeader } from "../../src/pstore/zone-header.js";
import { geometryOf, kernelImage, partitionBytes } from "../support/kernel-images.js";
import { KIB, kmsg, putRecord } from "../support/partition-bytes.js";

const MIB = 1024 * KIB;

const check = (bytes: Uint8Array, geometry: Geometry): Promise<CheckReport> =>
  checkPartition(new MemoryBlockDevice(bytes), geometry);
const checkImage = (name: string): Promise<CheckReport> =>
  check(partitionBytes(name), geometryOf(kernelImage(name)));
const said = ({ findings }: CheckReport): string[] =>
  findings.map(({ code, severity }) => `${severity} ${code}`);

describe("parameters", () => {
  const codes = (geometry: Geometry, total: number): string[] =>
    checkParameters(geometry, total).map(({ code, severity }) => `${severity} ${code}`);

  // Traps that were tried with Linux 6.1.192.
  test.each([
    ["64 KiB in 1 MiB", kmsg(64 * KIB), MIB, []],
    ["one zone in 4096 bytes", kmsg(4 * KIB), 4096, []],
    ["68 KiB with 64", kmsg(64 * KIB), 68 * KIB, []],
    ["no multiple of 4 KiB", kmsg(66 * KIB), MIB, ["error size-misread"]],
    ["1 KiB", { ...kmsg(64 * KIB), pmsgSize: KIB }, MIB, ["error size-misread"]],
    ["no whole KiB", kmsg(65_000), MIB, ["error size-not-kib"]],
    ["kmsg larger than the room", kmsg(64 * KIB), 32 * KIB, ["error no-room"]],
    ["rings leave no room", { ...kmsg(16 * KIB), pmsgSize: 56 * KIB }, 64 * KIB, ["error no-room"]],
    ["an odd partition", kmsg(4 * KIB), 4096 * 3 + 512, ["error total-unaligned"]],
    ["a tiny partition", kmsg(4 * KIB), 2048, ["error total-too-small", "error no-room"]],
    ["more than 128 MiB", kmsg(64 * KIB), 129 * MIB, ["info total-capped"]],
    ["nothing at all", kmsg(0), MIB, ["error geometry-invalid"]],
    ["no CPU", { ...kmsg(64 * KIB), cpus: 0, ftraceSize: 0 }, MIB, ["error geometry-invalid"]],
    ["4 MiB zones, no buffer to unpack", kmsg(4 * MIB), 4 * MIB, ["warning no-unpacking"]],
    ["2 MiB zones", kmsg(2 * MIB), 4 * MIB, []],
    [
      "3 CPUs",
      { ...kmsg(16 * KIB), ftraceSize: 64 * KIB, cpus: 3 },
      MIB,
      ["warning ftrace-uneven"],
    ],
  ])("%s", (_name, geometry, total, expected) => {
    expect(codes(geometry, total)).toEqual(expected);
  });

  test.each([
    [1, 4096],
    [5, 4096],
    [66, 4096],
    [64, 65_536],
    [4097, 8192],
  ])("%d KiB is taken as %d bytes", (kib, bytes) => {
    expect(takenSize(kib * KIB)).toBe(bytes);
  });

  test.each([
    ["/dev/mmcblk0p2", []],
    ["PARTUUID=1234-02", ["blkdev-not-a-path"]],
    ["179:2", ["blkdev-not-a-path"]],
    ["", ["blkdev-missing"]],
    [`/dev/${"x".repeat(74)}`, []],
    [`/dev/${"x".repeat(75)}`, ["blkdev-too-long"]],
  ])("blkdev=%s", (blkdev, expected) => {
    const findings = checkParameters(kmsg(64 * KIB), MIB, blkdev);
    expect(findings.map(({ code }) => code)).toEqual(expected);
  });

  test("the lines for the kernel, in KiB", () => {
    const geometry = {
      ...kmsg(16 * KIB),
      pmsgSize: 4 * KIB,
      consoleSize: 16 * KIB,
      ftraceSize: 64 * KIB,
    };
    const parameters =
      "blkdev=/dev/mmcblk0p2 best_effort=1 kmsg_size=16 pmsg_size=4 console_size=16 ftrace_size=64";
    expect(kernelUse(geometry, "/dev/mmcblk0p2")).toEqual({
      modprobe: `modprobe pstore_blk ${parameters}`,
      modprobeConfiguration: `options pstore_blk ${parameters}`,
      commandLine:
        "pstore_blk.blkdev=/dev/mmcblk0p2 pstore_blk.best_effort=1 pstore_blk.kmsg_size=16 pstore_blk.pmsg_size=4 pstore_blk.console_size=16 pstore_blk.ftrace_size=64",
      mount: "mount -t pstore pstore /sys/fs/pstore",
    });
  });
});

describe("zones", () => {
  test.each([
    ["one-raw", []],
    ["one-deflate", []],
    ["k4", []],
    ["i386-raw", []],
    ["wrap4", []],
    ["wrap4-unlinked", ["info leak"]],
    ["all-smp2", []],
    ["pmsg-wrap", []],
    ["hand-empty-compressed", ["error empty-compressed", "info invalid-magic"]],
  ])("%s", async (name, expected) => {
    const report = await checkImage(name);
    expect(said(report)).toEqual(expected);
    expect(report.damaged).toBe(name === "hand-empty-compressed");
    expect(report.parametersFit).toBe(true);
  });

  test("hand16: what is wrong in it, and where the kernel goes on", async () => {
    const report = await checkImage("hand16");
    expect(said(report)).toEqual([
      "warning invalid-magic",
      "warning overtop",
      "warning undecodable",
      "info ring-order",
      "info leak",
    ]);
    expect(report.zones).toMatchObject({ dmesg: 16, free: 4, records: 12, kernelNext: 0 });
    expect(report.damaged).toBe(true);
  });

  test("wrap4: full, the kernel's next zone, its layout", async () => {
    expect((await checkImage("wrap4")).zones).toEqual({
      dmesg: 4,
      free: 0,
      records: 4,
      kernelNext: 2,
      layout: { headerBytes: 40, byteOrder: "little" },
    });
  });

  test("what ends or hides a kernel's listing is an error", async () => {
    const bytes = partitionBytes("pmsg-wrap");
    bytes.set(encodeZoneHeader({ type: "pmsg", byteOrder: "little", datalen: 10, start: 20 }));
    putRecord(bytes, 4 * KIB, { datalen: 8 });
    const report = await check(bytes, geometryOf(kernelImage("pmsg-wrap")));
    expect(said(report).sort()).toEqual(["error damaged-length", "error ring-start"]);
    expect(report.findings.every(({ details }) => details["stopsKernel"] === true)).toBe(true);
  });

  test("a torn record of ours", async () => {
    const device = new MemoryBlockDevice(new Uint8Array(16 * KIB));
    const store = new PstoreStore(device, kmsg(4 * KIB), { wallTime: () => 1e12 });
    await store.append({ text: Buffer.from("<0>x\n"), reason: 1 });
    expect(said(await check(device.bytes, kmsg(4 * KIB)))).toEqual([]);
    device.bytes[60] = 0x21;
    const report = await check(device.bytes, kmsg(4 * KIB));
    expect(said(report)).toEqual(["error torn"]);
    expect(report.damaged).toBe(true);
  });

  test("another geometry's signatures", async () => {
    const report = await check(partitionBytes("wrap4"), kmsg(32 * KIB));
    expect(said(report)).toContain("error misplaced-signature");
    expect(report.damaged).toBe(false);
  });

  test("records of different machines", async () => {
    const bytes = new Uint8Array(16 * KIB);
    putRecord(bytes, 0);
    putRecord(bytes, 4 * KIB, { layout: LAYOUT_BE64 });
    putRecord(bytes, 8 * KIB, { layout: LAYOUT_I386 });
    expect(said(await check(bytes, kmsg(4 * KIB)))).toContain("warning mixed-layouts");
  });

  test("a clock that jumped back: the next oops takes a newer record", async () => {
    const bytes = new Uint8Array(16 * KIB);
    for (const [zone, tvSec] of [
      1_700_000_009n,
      1_700_000_007n,
      1_700_000_003n,
      1_700_000_004n,
    ].entries())
      putRecord(bytes, zone * 4 * KIB, { header: { tvSec } });
    const { findings } = await check(bytes, kmsg(4 * KIB));
    expect(findings).toEqual([
      expect.objectContaining({
        code: "ring-order",
        message:
          "a kernel's next record replaces dmesg-pstore_blk-1, although dmesg-pstore_blk-2 is older",
      }),
    ]);
  });

  test("zones that can only be read", async () => {
    const geometry = { ...kmsg(16 * KIB), ftraceSize: 64 * KIB, cpus: 3 };
    const report = await check(new Uint8Array(256 * KIB), geometry);
    expect(said(report)).toEqual(["warning ftrace-uneven", "warning read-only-geometry"]);
  });

  test("a partition that cannot hold the geometry is judged without its zones", async () => {
    const report = await check(new Uint8Array(32 * KIB), kmsg(64 * KIB));
    expect(said(report)).toEqual(["error no-room"]);
    expect(report).toMatchObject({ parametersFit: false, damaged: false });
    expect(report).not.toHaveProperty("zones");
  });

  test("random bytes are no damage", async () => {
    const bytes = Uint8Array.from({ length: 64 * KIB }, (_, at) => (at * at * 31 + at * 7) & 0xff);
    expect(await check(bytes, kmsg(16 * KIB))).toMatchObject({
      findings: [],
      damaged: false,
      zones: { free: 4, records: 0, kernelNext: 0 },
    });
  });
});
