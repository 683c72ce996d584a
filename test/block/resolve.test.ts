import { describe, expect, test } from "@jest/globals";
import { type BlockDevice, MemoryBlockDevice } from "../../src/block/device.js";
import {
  type DefaultPart,
  type ResolvedPart,
  resolveDefaultPart,
  resolvePart,
  viewOfPart,
} from "../../src/block/resolve.js";
import { parsePartSelector } from "../../src/block/selector.js";
import { EXIT_OF_ERROR } from "../../src/cli/exit-codes.js";
import {
  entryOf,
  errorOf,
  fixtureDevice,
  realCard,
  rewriteEntry,
  SparseDevice,
} from "./support.js";

function resolve(device: BlockDevice, text: string): Promise<ResolvedPart> {
  return resolvePart(device, parsePartSelector(text));
}

function fallback(device: BlockDevice, found: boolean): Promise<DefaultPart> {
  return resolveDefaultPart(device, { hasSignatures: async () => found });
}

describe("a PART on a real card", () => {
  const card = new MemoryBlockDevice(realCard());
  const Pstore = [
    "p2",
    "label=pstore",
    "PARTLABEL=pstore",
    "PARTUUID=6D6D6370-7374-4F72-8000-0000000000B2",
    "PARTUUID=6d6d6370-7374-4f72-8000-0000000000b1/PARTNROFF=1",
    "PARTUUID=6d6d6370-7374-4f72-8000-0000000000b3/PARTNROFF=-1",
    "/dev/mmcblk0p2",
    "mmcblk0p2",
    "179:2",
    "b302",
    "/dev/sda2",
    "22528s+8192s",
    "22528s..30720s",
    "11MiB+4MiB",
  ];

  test.each(Pstore)("%s", async (text) => {
    expect(await resolve(card, text)).toMatchObject({ startLba: 22_528, blockCount: 8192 });
  });

  test("is described for messages, and opened as a view", async () => {
    const part = await resolve(card, "p2");
    expect(part.description).toBe("p2 'pstore' (4 MiB at block 22528)");
    expect(part.entry).toMatchObject({ number: 2, label: "pstore" });
    const view = viewOfPart(card, part);
    const first = new Uint8Array(512);
    await view.read(0, first);
    expect(Buffer.from(first.subarray(0, 4)).toString("latin1")).toBe("DBGC");
    expect((await resolve(card, "whole")).description).toBe("the whole device (64 MiB)");
    expect((await resolve(card, "1MiB+64K")).description).toBe("64 KiB at block 2048");
  });

  test("without a PART: the one with the label", async () => {
    expect(await fallback(card, false)).toMatchObject({ startLba: 22_528, by: "label" });
  });

  test.each([
    "p4",
    "label=Pstore",
    "PARTUUID=6d6d6370-7374-4f72-8000-0000000000ff",
    "PARTUUID=6d6d6370-7374-4f72-8000-0000000000b1/PARTNROFF=5",
  ])("%s: not there, with the list", async (text) => {
    expect(await errorOf(resolve(card, text))).toMatchObject({
      code: "PART_NOT_FOUND",
      message: `there is no partition ${text}`,
      hint: "the device has p1 'boot' 10 MiB, p2 'pstore' 4 MiB, p3 'rootfs' 20 MiB",
      details: { partitions: [{ number: 1 }, { number: 2 }, { number: 3 }] },
    });
  });

  test.each(["64MiB+512", "63MiB..65MiB", "200000s+1s"])("%s: past the end", async (text) => {
    const { code } = await errorOf(resolve(card, text));
    expect(code).toBe("BLOCK_RANGE");
    expect(EXIT_OF_ERROR.BLOCK_RANGE).toBe(2);
  });
});

describe("a PART on other tables", () => {
  test("logical partitions of an MBR, by number and by PARTUUID", async () => {
    const device = fixtureDevice("mbr-logical");
    expect(await resolve(device, "p6")).toMatchObject({ startLba: 14_336, blockCount: 2048 });
    expect(await resolve(device, "PARTUUID=deadbeef-06")).toMatchObject({ startLba: 14_336 });
    expect((await resolve(device, "p6")).description).toBe("p6 (1 MiB at block 14336)");
  });

  test("an extended partition is no place for records", async () => {
    const error = await errorOf(resolve(fixtureDevice("mbr-logical"), "p2"));
    expect(error).toMatchObject({
      code: "PART_NOT_FOUND",
      message: "p2 is an extended partition: it holds no data of its own",
    });
  });

  test("holes of the table are not closed", async () => {
    const device = fixtureDevice("gpt-16");
    expect(await errorOf(resolve(device, "p2"))).toMatchObject({ code: "PART_NOT_FOUND" });
    expect(await resolve(device, "p3")).toMatchObject({ startLba: 40_960 });
    expect(await resolve(fixtureDevice("gpt-holes"), "p128")).toMatchObject({ startLba: 65_536 });
  });

  test("an MBR has no labels", async () => {
    for (const work of [
      resolve(fixtureDevice("mbr-full"), "label=pstore"),
      fallback(fixtureDevice("mbr-full"), true),
    ])
      expect(await errorOf(work)).toMatchObject({
        code: "PART_NOT_FOUND",
        hint: expect.stringMatching(/^the device has p1 1 MiB, .*\(an MBR has no labels\)$/),
      });
  });

  test("a label that two partitions have", async () => {
    const device = fixtureDevice("gpt-128");
    const entry = { ...entryOf(device, 3), label: "pstore" };
    rewriteEntry(device, entry);
    for (const work of [resolve(device, "label=pstore"), fallback(device, false)])
      expect(await errorOf(work)).toMatchObject({
        code: "PART_AMBIGUOUS",
        message: "label=pstore is the name of 2 partitions",
        hint: "choose one of p2 'pstore', p3 'pstore'",
      });
  });

  test("the table's oddities come along", async () => {
    const device = fixtureDevice("gpt-128");
    device.set(1, new Uint8Array(512));
    expect((await resolve(device, "p2")).findings).toMatchObject([{ code: "primary-damaged" }]);
    expect((await fallback(device, false)).findings).toMatchObject([{ code: "primary-damaged" }]);
    expect((await resolve(device, "whole")).findings).toEqual([]);
  });

  test("a partition that the device cuts off", async () => {
    const device = fixtureDevice("gpt-128").copy({ blockCount: 50_000 });
    expect(await errorOf(resolve(device, "p3"))).toMatchObject({
      code: "IMAGE_INVALID",
      message: "p3 'rootfs' ends at block 73728, the device at block 50000",
    });
    expect(await resolve(device, "p2")).toMatchObject({ startLba: 24_576 });
  });

  test("both copies damaged: 9; but blocks and the whole need no table", async () => {
    const device = fixtureDevice("gpt-128");
    device.set(1, new Uint8Array(512));
    device.set(device.blockCount - 1, new Uint8Array(512));
    for (const work of [resolve(device, "p2"), fallback(device, true)])
      expect(await errorOf(work)).toMatchObject({ code: "TABLE_DAMAGED" });
    expect(EXIT_OF_ERROR.TABLE_DAMAGED).toBe(9);
    const reads = device.reads;
    expect(await resolve(device, "whole")).toMatchObject({ startLba: 0, blockCount: 131_072 });
    expect(await resolve(device, "1MiB+1MiB")).toMatchObject({ startLba: 2048 });
    expect(device.reads).toBe(reads);
  });
});

describe("a device without a table", () => {
  const bare = new SparseDevice(2048);

  test("without a PART: all of it if records are there", async () => {
    expect(await fallback(bare, true)).toMatchObject({
      startLba: 0,
      blockCount: 2048,
      by: "signatures",
      description: "the whole device (1 MiB)",
    });
  });

  test("the look for records sees the whole device", async () => {
    const sizes: number[] = [];
    await errorOf(
      resolveDefaultPart(bare, {
        hasSignatures: async (view) => {
          sizes.push(view.blockCount);
          return false;
        },
      }),
    );
    expect(sizes).toEqual([2048]);
  });

  test("else TABLE_NONE, 9", async () => {
    expect(await errorOf(fallback(bare, false))).toMatchObject({
      code: "TABLE_NONE",
      message: "the device has no partition table and no records at its start",
      hint: expect.stringMatching(/-p whole/),
    });
    expect(await errorOf(resolve(bare, "p2"))).toMatchObject({
      code: "TABLE_NONE",
      message: "the device has no partition table to look for p2 in",
    });
    expect(EXIT_OF_ERROR.TABLE_NONE).toBe(9);
  });
});
