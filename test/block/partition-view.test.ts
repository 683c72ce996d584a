import { describe, expect, test } from "@jest/globals";
import { type BlockDevice, MemoryBlockDevice } from "../../src/block/device.js";
import { PartitionView } from "../../src/block/partition-view.js";
import { errorOf, SparseDevice } from "./support.js";

function numbered(count: number): MemoryBlockDevice {
  const bytes = new Uint8Array(count * 512);
  for (let lba = 0; lba < count; lba++) bytes.fill(lba, lba * 512, lba * 512 + 512);
  return new MemoryBlockDevice(bytes);
}

describe("a partition view", () => {
  test("reads and writes its own blocks and no other", async () => {
    const device = numbered(16);
    const view = new PartitionView(device, 4, 8);
    const two = new Uint8Array(1024);
    await view.read(6, two);
    expect([two[0], two[512]]).toEqual([10, 11]);
    await view.write(0, new Uint8Array(512).fill(0xee));
    await view.flush();
    const firsts = Array.from({ length: 16 }, (_, lba) => device.bytes[lba * 512]);
    expect(firsts).toEqual([0, 1, 2, 3, 0xee, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
  });

  test.each([
    [7, 1024],
    [8, 512],
    [-1, 512],
    [0, 4608],
  ])("block %d, %d bytes lie outside", async (lba, bytes) => {
    const view = new PartitionView(numbered(16), 4, 8);
    for (const work of [
      view.read(lba, new Uint8Array(bytes)),
      view.write(lba, new Uint8Array(bytes)),
    ])
      expect(await errorOf(work)).toMatchObject({
        code: "BLOCK_RANGE",
        details: { blockCount: 8 },
      });
  });

  test.each([
    [9, 8],
    [-1, 2],
    [16, 1],
    [0.5, 1],
  ])("%d+%d is no part of 16 blocks", async (start, count) => {
    const error = await errorOf(() => new PartitionView(numbered(16), start, count));
    expect(error).toMatchObject({ code: "BLOCK_RANGE" });
  });

  test("erases through the device, within its bounds", async () => {
    const erased: [number, number][] = [];
    const device: BlockDevice = Object.assign(numbered(16), {
      erase: async (lba: number, count: number) => {
        erased.push([lba, count]);
      },
    });
    const view = new PartitionView(device, 4, 8);
    await view.erase?.(2, 3);
    expect(erased).toEqual([[6, 3]]);
    expect(await errorOf(view.erase?.(6, 3) as Promise<void>)).toMatchObject({
      code: "BLOCK_RANGE",
    });
    expect(new PartitionView(numbered(16), 0, 4).erase).toBeUndefined();
  });

  test("is read-only with its device", async () => {
    const device = new MemoryBlockDevice(new Uint8Array(8192), { readOnly: true });
    const view = new PartitionView(device, 1, 2);
    expect(view.readOnly).toBe(true);
    expect(await errorOf(view.write(0, new Uint8Array(512)))).toMatchObject({
      code: "BLOCK_READ_ONLY",
    });
  });

  test("keeps the hints; of the allocation unit only if it begins at one", () => {
    const hints = { allocationUnitBlocks: 8, preferredTransferBlocks: 128 };
    const device = new SparseDevice(64, { hints });
    expect(new PartitionView(device, 16, 8).hints).toEqual(hints);
    expect(new PartitionView(device, 12, 8).hints).toEqual({ preferredTransferBlocks: 128 });
  });

  test("of a view adds up", async () => {
    const inner = new PartitionView(new PartitionView(numbered(16), 4, 8), 2, 4);
    const one = new Uint8Array(512);
    await inner.read(3, one);
    expect(one[0]).toBe(9);
  });
});
