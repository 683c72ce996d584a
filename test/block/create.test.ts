import { describe, expect, test } from "@jest/globals";
import {
  applyCreate,
  type CreateOptions,
  type CreatePlan,
  planCreate,
} from "../../src/block/create.js";
import { type BlockDevice, MemoryBlockDevice } from "../../src/block/device.js";
import { makeMbrEntry, withMbrEntry } from "../../src/block/mbr.js";
import { type PartitionEntry, readTable } from "../../src/block/table.js";
import { EXIT_OF_ERROR } from "../../src/cli/exit-codes.js";
import {
  entryOf,
  errorOf,
  type FixtureName,
  fixedRandom,
  fixtureDevice,
  realCard,
  rewriteEntry,
  SparseDevice,
} from "./support.js";

const MIB = 1024 * 1024;
const MIB_BLOCKS = 2048;

function options(more: Partial<CreateOptions> = {}): CreateOptions {
  return { label: "new", sizeBytes: MIB, random: fixedRandom(), ...more };
}

function plan(device: BlockDevice, more: Partial<CreateOptions> = {}): Promise<CreatePlan> {
  return planCreate(device, options(more));
}

async function create(device: BlockDevice, more: Partial<CreateOptions> = {}): Promise<CreatePlan> {
  const made = await plan(device, more);
  await applyCreate(device, made);
  return made;
}

async function entriesOn(device: BlockDevice): Promise<readonly PartitionEntry[]> {
  return (await readTable(device)).entries;
}

describe("a blank device", () => {
  test.each([0, 0xff])("of %d: a GPT with one partition", async (fill) => {
    const device = new MemoryBlockDevice(new Uint8Array(64 * MIB).fill(fill));
    const made = await create(device, { label: "pstore", sizeBytes: 4 * MIB });
    expect(made).toMatchObject({ kind: "gpt", newTable: true, overwritesData: false });
    expect(made.description).toEqual([
      "the device gets a new GPT",
      "4 MiB at block 8192, aligned to 4 MiB",
    ]);
    const table = await readTable(device);
    expect(table.findings).toEqual([]);
    expect(table.entries).toEqual([made.entry]);
    expect(made.entry).toMatchObject({
      number: 1,
      startLba: 8192,
      blockCount: 8192,
      label: "pstore",
      type: "0fc63daf-8483-4772-8e79-3d69d8477de4",
      attributes: 0n,
    });
  });

  test("planning writes nothing, and the same randomness plans the same", async () => {
    const device = new SparseDevice(131_072);
    const first = await plan(device);
    expect(device.written).toBe(0);
    expect(await plan(device)).toEqual(first);
    const other = await plan(device, { random: fixedRandom("other") });
    expect(other.entry.uuid).not.toBe(first.entry.uuid);
  });

  test("each write is flushed before the next: backup, primary, MBR", async () => {
    const device = new SparseDevice(131_072);
    const made = await create(device);
    expect(made.writes.map(({ what, lba }) => `${lba} ${what}`)).toEqual([
      "131039 backup GPT entries",
      "131071 backup GPT header",
      "2 primary GPT entries",
      "1 primary GPT header",
      "0 protective MBR",
    ]);
    expect(device.calls.filter((_, at) => at % 2 === 1)).toEqual(Array(5).fill("flush"));
  });

  test("the medium's allocation unit is kept to, a multiple of 3 MiB too", async () => {
    const device = new SparseDevice(131_072, { hints: { allocationUnitBlocks: 3 * MIB_BLOCKS } });
    const made = await create(device);
    expect(made.entry.startLba).toBe(3 * MIB_BLOCKS);
    expect(made.alignBytes).toBe(3 * MIB);
    expect((await plan(new SparseDevice(4096), { alignBytes: 512 })).entry.startLba).toBe(34);
  });

  test.each([
    [67, 512],
    [1, 512],
    [8192 + 33, 512],
    [131_072, 64 * MIB],
  ])("%d blocks have no room for %d bytes", async (blockCount, sizeBytes) => {
    const error = await errorOf(plan(new SparseDevice(blockCount), { sizeBytes }));
    expect(error.code).toBe("PART_NO_SPACE");
    expect(EXIT_OF_ERROR.PART_NO_SPACE).toBe(4);
  });

  test("the smallest that has room", async () => {
    const device = new SparseDevice(68);
    const made = await create(device, { sizeBytes: 512, alignBytes: 512 });
    expect(made.entry).toMatchObject({ startLba: 34, blockCount: 1 });
    expect((await readTable(device)).findings).toEqual([]);
  });
});

describe("a device without a table that holds something", () => {
  test("block 0 with anything in it: said, and to be asked for", async () => {
    const device = new SparseDevice(131_072);
    device.set(0, new Uint8Array(512).fill(0x42));
    const made = await plan(device);
    expect(made).toMatchObject({ newTable: true, overwritesData: true });
    expect(made.description).toContain("blocks that hold something are overwritten");
    await applyCreate(device, made);
    expect(
      device
        .sector(0)
        .subarray(0, 446)
        .every((byte) => byte === 0),
    ).toBe(true);
    expect((await readTable(device)).findings).toEqual([]);
  });

  test("a file system that fills it", async () => {
    const device = new SparseDevice(131_072);
    const sector = new Uint8Array(512);
    sector.set([0xeb, 0x58, 0x90]);
    sector.set(Buffer.from("FAT32   "), 82);
    sector.set([0x55, 0xaa], 510);
    device.set(0, sector);
    const made = await create(device);
    expect(made.overwritesData).toBe(true);
    expect(made.description).toContain("the file system that fills the device is destroyed");
    expect(await entriesOn(device)).toEqual([made.entry]);
  });

  test("a boot loader where the partition would be", async () => {
    const device = new SparseDevice(131_072);
    device.set(8192 + 64, new Uint8Array(512).fill(0x42));
    const made = await plan(device);
    expect(made.overwritesData).toBe(true);
    expect(made.description.join()).toMatch(/a boot loader may lie before the partitions/);
  });
});

describe("a GPT that is there", () => {
  const Cases: readonly [FixtureName, { number: number; startLba: number }][] = [
    ["gpt-128", { number: 4, startLba: 32_768 }],
    ["gpt-16", { number: 4, startLba: 24_576 }],
    ["gpt-holes", { number: 2, startLba: 8192 }],
    ["gpt-moved", { number: 2, startLba: 16_384 }],
    ["gpt-hybrid", { number: 3, startLba: 16_384 }],
  ];

  test.each(Cases)("%s: one more, and every other byte as it was", async (name, expected) => {
    const device = fixtureDevice(name);
    const before = await readTable(device);
    const raw = arraysOf(device);
    const made = await create(device);
    expect(made).toMatchObject({ newTable: false, overwritesData: false, entry: expected });
    const after = await readTable(device);
    expect(after.findings).toEqual(before.findings);
    expect(after.entries.filter(({ number }) => number !== made.entry.number)).toEqual(
      before.entries,
    );
    expect(after.entries.find(({ number }) => number === made.entry.number)).toEqual(made.entry);
    for (const { base, bytes } of raw) {
      const now = arrayAt(device, base, bytes.length);
      const at = (made.entry.number - 1) * 128;
      expect(now.subarray(0, at)).toEqual(bytes.subarray(0, at));
      expect(now.subarray(at + 128)).toEqual(bytes.subarray(at + 128));
    }
  });

  test("only the blocks that change are written, the MBR is not", async () => {
    const made = await plan(fixtureDevice("gpt-128"));
    expect(made.writes.map(({ lba, data }) => [lba, data.length])).toEqual([
      [131_039, 512],
      [131_071, 512],
      [2, 512],
      [1, 512],
    ]);
  });

  test("the smallest gap that fits is taken; the one before the first partition last", async () => {
    const device = fixtureDevice("gpt-128");
    const free = async (sizeBytes: number): Promise<number> =>
      (await plan(device, { sizeBytes, alignBytes: MIB })).entry.startLba;
    expect(await free(MIB)).toBe(18_432);
    expect(await free(3 * MIB)).toBe(18_432);
    expect(await free(4 * MIB)).toBe(32_768);
    expect(await free(8 * MIB)).toBe(73_728);
  });

  test("a label is used once", async () => {
    const error = await errorOf(plan(fixtureDevice("gpt-128"), { label: "pstore" }));
    expect(error).toMatchObject({
      code: "REFUSED",
      message: "there is a partition labelled 'pstore' already: p2",
    });
  });

  test("a table whose entries are all used", async () => {
    expect(await errorOf(plan(fixtureDevice("gpt-full")))).toMatchObject({
      code: "PART_NO_SPACE",
      message: "all 4 entries of the GPT are in use",
    });
  });

  test("no gap: the hint names the largest", async () => {
    const error = await errorOf(plan(fixtureDevice("gpt-128"), { sizeBytes: 60 * MIB }));
    expect(error).toMatchObject({
      code: "PART_NO_SPACE",
      message: "there is no free gap of 60 MiB",
      hint: expect.stringMatching(/^the largest, aligned to 4 MiB, has .* give a smaller --size$/),
    });
  });

  test("the real card", async () => {
    const device = new MemoryBlockDevice(realCard());
    const before = await entriesOn(device);
    const contents = device.bytes.slice(2048 * 512, 71_680 * 512);
    const made = await create(device, { label: "second" });
    expect(made.entry).toMatchObject({ number: 4, startLba: 73_728 });
    expect(await entriesOn(device)).toEqual([...before, made.entry]);
    expect(Buffer.compare(device.bytes.subarray(2048 * 512, 71_680 * 512), contents)).toBe(0);
  });
});

/** Both entry arrays of a fixture. */
function arraysOf(device: SparseDevice): { base: number; bytes: Uint8Array }[] {
  return [1, device.blockCount - 1].map((lba) => {
    const header = new DataView(device.sector(lba).slice().buffer);
    const base = Number(header.getBigUint64(72, true));
    const length = header.getUint32(80, true) * header.getUint32(84, true);
    return { base, bytes: arrayAt(device, base, length) };
  });
}

function arrayAt(device: SparseDevice, base: number, length: number): Uint8Array {
  const bytes = Array.from({ length: length / 512 }, (_, at) => [...device.sector(base + at)]);
  return Uint8Array.from(bytes.flat());
}

describe("a GPT that must not be touched", () => {
  test.each([
    ["the primary array reaches into it", { firstUsableLba: 20 }],
    ["the backup array lies in it", { lastUsableLba: 131_050 }],
  ])("for the usable range: %s", async (_, fields) => {
    const device = fixtureDevice("gpt-128");
    rewriteEntry(device, entryOf(device, 1), fields);
    expect(await errorOf(plan(device))).toMatchObject({
      code: "TABLE_DAMAGED",
      message: "the GPT keeps its entries where it lets partitions be: it is not changed",
    });
  });

  test("an entry without a sane range keeps its number, and costs no room", async () => {
    const device = fixtureDevice("gpt-128");
    rewriteEntry(device, { ...entryOf(device, 3), firstLba: 9n, lastLba: 5n });
    const made = await create(device);
    expect(made.entry.number).toBe(4);
    expect(entryOf(device, 3)).toMatchObject({ firstLba: 9n, lastLba: 5n });
  });
});

describe("a GPT with damage is repaired with it", () => {
  test("the primary: written first, for the backup is the good copy", async () => {
    const device = fixtureDevice("gpt-128");
    const before = await entriesOn(device);
    device.set(1, new Uint8Array(512));
    const made = await create(device);
    expect(made.writes.map(({ lba }) => lba)).toEqual([2, 1, 131_039, 131_071]);
    expect(made.overwritesData).toBe(false);
    expect(made.description[0]).toBe(
      "the primary GPT is damaged (no signature): made anew from the backup",
    );
    const after = await readTable(device);
    expect(after.findings).toEqual([]);
    expect(after.entries).toEqual([...before, made.entry]);
  });

  test("the primary, and where its entries were there is something else: to be asked for", async () => {
    const device = fixtureDevice("gpt-128");
    for (let lba = 1; lba < 10; lba++) device.set(lba, new Uint8Array(512).fill(0x42));
    const made = await plan(device);
    expect(made.overwritesData).toBe(true);
    expect(made.description[0]).toMatch(/do not hold the entries of this GPT: overwritten$/);
  });

  test("the backup", async () => {
    const device = fixtureDevice("gpt-16");
    device.set(device.blockCount - 1, new Uint8Array(512));
    const made = await create(device);
    expect(made.description[0]).toBe(
      "the backup GPT is damaged (no signature): made anew from the primary",
    );
    expect((await readTable(device)).findings).toEqual([]);
  });

  test("the protective MBR: its boot code is kept", async () => {
    const device = fixtureDevice("gpt-128");
    const sector = new Uint8Array(512).fill(0x90, 0, 440);
    device.set(0, sector);
    const made = await create(device);
    expect(made.writes.at(-1)).toMatchObject({ lba: 0, what: "protective MBR" });
    expect(device.sector(0).subarray(0, 446)).toEqual(sector.subarray(0, 446));
    expect((await readTable(device)).findings).toEqual([]);
  });

  test("the backup of an image that has grown moves to its end, and the room is used", async () => {
    const device = fixtureDevice("gpt-128").copy({ blockCount: 262_144 });
    const made = await create(device, { sizeBytes: 80 * MIB });
    expect(made.entry.startLba).toBe(73_728);
    expect(made.description[0]).toBe(
      "the backup GPT moves to the end of the device (block 262143)",
    );
    expect(await readTable(device)).toMatchObject({ findings: [], entries: { length: 4 } });
    const view = new DataView(device.sector(0).slice().buffer);
    expect(view.getUint32(446 + 12, true)).toBe(262_143);
  });

  test.each([131_060, 131_071, 100_000])("cut off at %d blocks: left alone", async (blockCount) => {
    const device = fixtureDevice("gpt-128").copy({ blockCount });
    expect(await errorOf(plan(device))).toMatchObject({
      code: "IMAGE_INVALID",
      message: "the device is smaller than its partition table says",
    });
  });

  test("both copies: refused", async () => {
    const device = fixtureDevice("gpt-128");
    device.set(1, new Uint8Array(512));
    device.set(device.blockCount - 1, new Uint8Array(512));
    expect(await errorOf(plan(device))).toMatchObject({ code: "TABLE_DAMAGED" });
  });
});

describe("an MBR", () => {
  test("gets a primary of type 0xDA, and a hint for its name", async () => {
    const device = fixtureDevice("mbr-logical");
    const before = await entriesOn(device);
    const made = await create(device, { sizeBytes: 4 * MIB });
    expect(made).toMatchObject({
      kind: "mbr",
      newTable: false,
      overwritesData: false,
      entry: { number: 3, startLba: 49_152, blockCount: 8192, type: "0xda", uuid: "deadbeef-03" },
      hint: "an MBR has no labels: name the partition with -p p3 or -p PARTUUID=deadbeef-03",
    });
    expect(made.writes).toHaveLength(1);
    const after = await entriesOn(device);
    expect(after.filter(({ number }) => number !== 3)).toEqual(before);
    expect(after.find(({ number }) => number === 3)).toEqual(made.entry);
  });

  test("the number behind the highest; a hole only if there is no other", async () => {
    const device = fixtureDevice("mbr-deleted-logical");
    expect((await create(device)).entry.number).toBe(4);
    expect((await create(device)).entry.number).toBe(2);
    expect(await errorOf(plan(device))).toMatchObject({
      code: "PART_NO_SPACE",
      message: "all four primary partitions are in use; logical ones are not made",
    });
  });

  test("full", async () => {
    expect(await errorOf(plan(fixtureDevice("mbr-full")))).toMatchObject({
      code: "PART_NO_SPACE",
      message: "all four primary partitions are in use",
    });
  });

  test("nothing behind what 32 bits can name", async () => {
    const device = new SparseDevice(2 ** 33);
    let sector = withMbrEntry(new Uint8Array(512), 0, makeMbrEntry(0x83, 2048, 2 ** 32 - 20_000));
    device.set(0, sector);
    expect(await errorOf(plan(device, { sizeBytes: 20 * MIB }))).toMatchObject({
      code: "PART_NO_SPACE",
    });
    sector = withMbrEntry(sector, 0, makeMbrEntry(0x83, 2048, 1_000_000));
    device.set(0, sector);
    expect((await plan(device, { sizeBytes: 1024 * MIB })).entry.startLba).toBe(1_007_616);
  });

  test("the gap before the first partition, with something in it: to be asked for", async () => {
    const device = new SparseDevice(32_768);
    device.set(0, withMbrEntry(new Uint8Array(512), 0, makeMbrEntry(0x83, 16_384, 16_384)));
    expect(await plan(device)).toMatchObject({ overwritesData: false, entry: { startLba: 8192 } });
    device.set(8192, new Uint8Array(512).fill(0x42));
    expect(await plan(device)).toMatchObject({ overwritesData: true });
  });
});

describe("what cannot be asked for", () => {
  const device = new SparseDevice(131_072);
  test.each([0, 100, -512, 1.5, Number.NaN])("a size of %d bytes", async (sizeBytes) => {
    expect(await errorOf(plan(device, { sizeBytes }))).toMatchObject({ code: "USAGE" });
  });

  test.each(["", "x".repeat(37), "a\nb", "a\0b"])("the label %j", async (label) => {
    expect(await errorOf(plan(device, { label }))).toMatchObject({ code: "USAGE" });
  });

  test("36 code units of any script are a label", async () => {
    const label = `${"ü".repeat(34)}😀`;
    const fresh = device.copy();
    await create(fresh, { label });
    expect((await entriesOn(fresh))[0]?.label).toBe(label);
  });

  test("an alignment that is none", async () => {
    expect(await errorOf(plan(device, { alignBytes: 100 }))).toMatchObject({ code: "USAGE" });
  });

  test("a device that is read-only is planned for, not written", async () => {
    const readOnly = new SparseDevice(131_072, { readOnly: true });
    const made = await plan(readOnly);
    expect(await errorOf(applyCreate(readOnly, made))).toMatchObject({ code: "BLOCK_READ_ONLY" });
  });

  test("a card that forgets what it was told is found out", async () => {
    const forgetful = new SparseDevice(131_072);
    const made = await plan(forgetful);
    forgetful.write = async () => undefined;
    expect(await errorOf(applyCreate(forgetful, made))).toMatchObject({
      code: "VERIFY_DIFFERS",
      message: "the backup GPT entries at block 131039 reads back differently",
    });
  });
});
