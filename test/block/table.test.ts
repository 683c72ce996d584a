import { describe, expect, test } from "@jest/globals";
import { MemoryBlockDevice } from "../../src/block/device.js";
import { encodeGptHeader, type GptEntry, newGptHeader, withGptEntry } from "../../src/block/gpt.js";
import { isFreeSlot, makeMbrEntry, withMbrEntry } from "../../src/block/mbr.js";
import {
  type FindingCode,
  type PartitionEntry,
  type PartitionTable,
  readTable,
} from "../../src/block/table.js";
import {
  entryOf,
  errorOf,
  fixtureDevice,
  GPT_FIXTURES,
  MBR_FIXTURES,
  realCard,
  rewriteEntry,
  SparseDevice,
  tableFixture,
} from "./support.js";

const ZERO = new Uint8Array(512);

/** Our listing in sfdisk's words. */
function asSfdisk(kind: string, entry: PartitionEntry): object {
  const { number, startLba: start, blockCount: size } = entry;
  if (kind === "mbr") {
    const bootable = entry.attributes === 0x80n ? { bootable: true } : {};
    return { number, start, size, type: entry.type.replace(/^0x0?/, ""), ...bootable };
  }
  const { type, uuid, label } = entry;
  const attributes = entry.attributes === 0n ? {} : { attrs: attributeNames(entry.attributes) };
  return {
    number,
    start,
    size,
    type: type.toUpperCase(),
    uuid: uuid.toUpperCase(),
    ...(label === "" ? {} : { name: label }),
    ...attributes,
  };
}

function attributeNames(bits: bigint): string {
  const names = ["RequiredPartition", "NoBlockIOProtocol", "LegacyBIOSBootable"];
  const set = [...bits.toString(2)].reverse().flatMap((bit, at) => (bit === "1" ? [at] : []));
  const vendor = set.filter((at) => at >= 48);
  return [
    ...set.filter((at) => at < 3).map((at) => names[at]),
    ...(vendor.length > 0 ? [`GUID:${vendor.join(",")}`] : []),
  ].join(" ");
}

function codes(table: { findings: readonly { code: FindingCode }[] }): FindingCode[] {
  return table.findings.map(({ code }) => code);
}

describe("tables made by sgdisk and sfdisk", () => {
  test.each([...GPT_FIXTURES, ...MBR_FIXTURES])("%s: as sfdisk lists it", async (name) => {
    const { sfdisk } = tableFixture(name);
    const table = await readTable(fixtureDevice(name));
    expect(table.kind).toBe(sfdisk.label === "dos" ? "mbr" : "gpt");
    expect(table.diskId).toBe(sfdisk.id.toLowerCase().replace("0x", ""));
    expect(table.entries.map((entry) => asSfdisk(table.kind, entry))).toEqual(sfdisk.partitions);
    expect(codes(table)).toEqual(name === "gpt-hybrid" ? ["hybrid-mbr"] : []);
  });

  test("a whole real card", async () => {
    const table = await readTable(new MemoryBlockDevice(realCard()));
    expect(table.diskId).toBe("6d6d6370-7374-4f72-8000-000000000002");
    expect(table.entries).toEqual([
      expect.objectContaining({ number: 1, label: "boot", typeName: "EFI System" }),
      {
        number: 2,
        startLba: 22_528,
        blockCount: 8192,
        type: "0fc63daf-8483-4772-8e79-3d69d8477de4",
        typeName: "Linux filesystem",
        label: "pstore",
        uuid: "6d6d6370-7374-4f72-8000-0000000000b2",
        attributes: 0n,
      },
      expect.objectContaining({ number: 3, label: "rootfs", startLba: 30_720 }),
    ]);
    expect(table.findings).toEqual([]);
  });

  test("logical partitions, their container and their PARTUUIDs", async () => {
    const { entries } = await readTable(fixtureDevice("mbr-logical"));
    expect(
      entries.map(({ number, uuid, logical, extended }) => [number, uuid, logical, extended]),
    ).toEqual([
      [1, "deadbeef-01", undefined, undefined],
      [2, "deadbeef-02", undefined, true],
      [5, "deadbeef-05", true, undefined],
      [6, "deadbeef-06", true, undefined],
      [7, "deadbeef-07", true, undefined],
    ]);
    expect(entries[3]).toMatchObject({ type: "0xda", typeName: "Non-FS data" });
  });
});

describe("a GPT with damage", () => {
  const entries = async (device: SparseDevice): Promise<readonly PartitionEntry[]> =>
    (await readTable(device)).entries;

  const PrimaryDamage: readonly [string, (device: SparseDevice) => void][] = [
    ["its header zeroed", (device) => device.set(1, ZERO)],
    ["a bit in its header", (device) => flip(device, 1, 40)],
    ["a bit in its entries", (device) => flip(device, 2, 60)],
    [
      "a wrong place in its header",
      (device) => device.set(1, device.sector(device.blockCount - 1)),
    ],
    [
      "the first MiB zeroed",
      (device) => {
        for (let lba = 0; lba < 2048; lba++) device.set(lba, ZERO);
      },
    ],
  ];

  test.each(PrimaryDamage)("the primary: %s", async (what, damage) => {
    const device = fixtureDevice("gpt-128");
    const good = await entries(device);
    damage(device);
    const table = await readTable(device);
    expect(table.entries).toEqual(good);
    const wiped = what === "the first MiB zeroed" ? ["no-protective-mbr"] : [];
    expect(codes(table)).toEqual(["primary-damaged", ...wiped]);
    expect(table.findings[0]?.message).toMatch(
      /^the primary GPT is damaged \(.+\), its backup is used$/,
    );
  });

  test.each([0, 40, 88])("the backup: bit in byte %d of its header", async (at) => {
    const device = fixtureDevice("gpt-128");
    flip(device, device.blockCount - 1, at);
    const table = await readTable(device);
    expect(codes(table)).toEqual(["backup-damaged"]);
    expect(table.entries).toEqual(await entries(fixtureDevice("gpt-128")));
  });

  test("both copies: refused", async () => {
    const device = fixtureDevice("gpt-128");
    flip(device, 1, 40);
    flip(device, device.blockCount - 1, 40);
    expect(await errorOf(readTable(device))).toMatchObject({
      code: "TABLE_DAMAGED",
      message: "both copies of the GPT are damaged",
      details: { primary: "wrong checksum", backup: "wrong checksum" },
    });
  });

  test("both gone, only the protective MBR left: refused", async () => {
    const device = fixtureDevice("gpt-128");
    device.set(1, ZERO);
    device.set(device.blockCount - 1, ZERO);
    expect(await errorOf(readTable(device))).toMatchObject({ code: "TABLE_DAMAGED" });
  });

  test("the primary and the MBR blank, and the image grown: the table is not guessed", async () => {
    const device = fixtureDevice("gpt-128").copy({ blockCount: 262_144 });
    device.set(0, ZERO);
    device.set(1, ZERO);
    expect(await readTable(device)).toMatchObject({ kind: "none", entries: [] });
  });

  test("the primary damaged and the image grown: the backup is where the MBR says", async () => {
    const device = fixtureDevice("gpt-128").copy({ blockCount: 262_144 });
    device.set(1, ZERO);
    const table = await readTable(device);
    expect(table.entries).toHaveLength(3);
    expect(codes(table)).toEqual(["primary-damaged", "backup-not-at-end"]);
  });

  test("the image grown", async () => {
    const device = fixtureDevice("gpt-128").copy({ blockCount: 262_144 });
    const table = await readTable(device);
    expect(table.findings).toEqual([
      {
        code: "backup-not-at-end",
        message: "the backup GPT is at block 131071, not at the end of the device (262143)",
      },
    ]);
  });

  test("the image cut off behind the partitions, and within one", async () => {
    const cut = async (blockCount: number): Promise<FindingCode[]> =>
      codes(await readTable(fixtureDevice("gpt-128").copy({ blockCount })));
    expect(await cut(131_060)).toEqual(["backup-damaged"]);
    expect(await cut(100_000)).toEqual(["device-too-small"]);
    expect(await cut(50_000)).toEqual(["device-too-small", "behind-end"]);
  });

  test("another table's backup at the place is none", async () => {
    const device = fixtureDevice("gpt-128");
    const other = fixtureDevice("gpt-holes");
    for (let lba = 131_039; lba < 131_072; lba++) device.set(lba, other.sector(lba));
    const { findings } = await readTable(device);
    expect(findings.map(({ message }) => message)).toEqual([
      "the backup GPT is damaged (belongs to another table), the primary is used",
    ]);
  });
});

function flip(device: SparseDevice, lba: number, at: number): void {
  const sector = device.sector(lba).slice();
  sector[at] = (sector[at] ?? 0) ^ 1;
  device.set(lba, sector);
}

describe("entries that make no sense", () => {
  const rewritten = async (fields: Partial<GptEntry>): Promise<PartitionTable> => {
    const device = fixtureDevice("gpt-128");
    rewriteEntry(device, { ...entryOf(device, 2), ...fields });
    return readTable(device);
  };

  test.each([
    ["ends before it begins", { firstLba: 100n, lastLba: 98n }],
    ["behind 2^53", { firstLba: 2n ** 60n, lastLba: 2n ** 60n }],
  ])("%s: left out, and said", async (_, fields) => {
    const table = await rewritten(fields);
    expect(table.entries.map(({ number }) => number)).toEqual([1, 3]);
    expect(table.findings).toMatchObject([{ code: "entry-nonsense", numbers: [2] }]);
  });

  test("outside the usable blocks, over the table itself", async () => {
    const table = await rewritten({ firstLba: 1n, lastLba: 5n });
    expect(table.findings).toEqual([
      {
        code: "outside-usable",
        message: "partition 2 lies outside the blocks that the table allows (34..131038)",
        numbers: [2],
      },
    ]);
  });

  test("overlapping its neighbours", async () => {
    const table = await rewritten({ firstLba: 10_000n, lastLba: 50_000n });
    expect(table.findings.map(({ message }) => message)).toEqual([
      "partitions 1 and 2 overlap",
      "partitions 2 and 3 overlap",
    ]);
  });

  test("two copies that differ: the primary counts", async () => {
    const device = fixtureDevice("gpt-128");
    const other = fixtureDevice("gpt-128");
    rewriteEntry(other, { ...entryOf(other, 2), label: "old" });
    for (let lba = 131_039; lba < 131_072; lba++) device.set(lba, other.sector(lba));
    const table = await readTable(device);
    expect(codes(table)).toEqual(["copies-differ"]);
    expect(table.entries[1]?.label).toBe("pstore");
  });

  test("entries of 256 bytes: read, and said that Linux does not", async () => {
    const device = new SparseDevice(4096);
    const header = { ...newGptHeader(4096, GUID), entryCount: 4, entryBytes: 256 };
    const array = withGptEntry(new Uint8Array(1024), 256, {
      number: 3,
      typeGuid: GUID,
      uniqueGuid: GUID,
      firstLba: 100n,
      lastLba: 199n,
      attributes: 0n,
      label: "wide",
    });
    const backup = { ...header, myLba: 4095, alternateLba: 1, entriesLba: 4000 };
    for (const { entriesLba, myLba, ...rest } of [header, backup]) {
      device.set(entriesLba, array.subarray(0, 512));
      device.set(entriesLba + 1, array.subarray(512));
      device.set(myLba, encodeGptHeader({ entriesLba, myLba, ...rest }, array));
    }
    const table = await readTable(device);
    expect(table.entries).toMatchObject([{ number: 3, startLba: 100, label: "wide" }]);
    expect(codes(table)).toEqual(["no-protective-mbr", "entry-size"]);
  });
});

const GUID = "6d6d6370-7374-4f72-8000-0000000000aa";

describe("what is no GPT", () => {
  test("one that an MBR has replaced, both its copies still there", async () => {
    const device = fixtureDevice("gpt-128");
    device.set(0, fixtureDevice("mbr-full").sector(0));
    const table = await readTable(device);
    expect(table.kind).toBe("mbr");
    expect(table.entries).toHaveLength(4);
  });

  test("a backup left at the end of a device that holds something else", async () => {
    const device = fixtureDevice("gpt-128");
    device.set(1, ZERO);
    device.set(0, new Uint8Array(512).fill(0x42));
    const table = await readTable(device);
    expect(table.kind).toBe("none");
    expect(codes(table)).toEqual(["stray-gpt"]);
  });

  test("a primary whose MBR has lost its mark still counts, with a finding", async () => {
    const device = fixtureDevice("gpt-128");
    flip(device, 0, 510);
    const table = await readTable(device);
    expect(table.kind).toBe("gpt");
    expect(codes(table)).toEqual(["no-protective-mbr"]);
  });

  test.each([0, 0xff, 0x42])("a device full of %d", async (fill) => {
    const device = new MemoryBlockDevice(new Uint8Array(64 * 512).fill(fill));
    expect(await readTable(device)).toEqual({ kind: "none", entries: [], findings: [] });
  });

  test("a device of one block", async () => {
    const device = new MemoryBlockDevice(new Uint8Array(512));
    expect(await readTable(device)).toMatchObject({ kind: "none" });
  });

  test("a FAT file system without a table", async () => {
    const sector = new Uint8Array(512);
    sector.set([0xeb, 0x58, 0x90]);
    sector.set(Buffer.from("FAT32   "), 82);
    sector.set([0x55, 0xaa], 510);
    const device = new SparseDevice(4096, { sectors: new Map([[0, sector]]) });
    const table = await readTable(device);
    expect(table.kind).toBe("none");
    expect(codes(table)).toEqual(["file-system"]);
  });

  test("code or text where the boot indicators would be", async () => {
    const sector = new Uint8Array(512).fill(0x41);
    sector.set([0x55, 0xaa], 510);
    const device = new SparseDevice(4096, { sectors: new Map([[0, sector]]) });
    expect(await readTable(device)).toMatchObject({ kind: "none" });
  });
});

describe("an MBR", () => {
  test("without partitions is a table", async () => {
    const sector = new Uint8Array(512);
    sector.set([0x44, 0x33, 0x22, 0x11], 440);
    sector.set([0x55, 0xaa], 510);
    const device = new SparseDevice(4096, { sectors: new Map([[0, sector]]) });
    expect(await readTable(device)).toEqual({
      kind: "mbr",
      diskId: "11223344",
      entries: [],
      findings: [],
    });
  });

  test("overlaps and ends behind the device are found", async () => {
    let sector: Uint8Array = new Uint8Array(512);
    sector = withMbrEntry(sector, 0, makeMbrEntry(0x83, 100, 100));
    sector = withMbrEntry(sector, 2, makeMbrEntry(0x83, 150, 10));
    sector = withMbrEntry(sector, 3, makeMbrEntry(0x83, 190, 5000));
    const device = new SparseDevice(4096, { sectors: new Map([[0, sector]]) });
    expect((await readTable(device)).findings).toEqual([
      { code: "overlap", message: "partitions 1 and 3 overlap", numbers: [1, 3] },
      { code: "overlap", message: "partitions 1 and 4 overlap", numbers: [1, 4] },
      {
        code: "behind-end",
        message: "partition 4 ends at block 5189, behind the device's last (4095)",
        numbers: [4],
      },
    ]);
  });

  interface Chain {
    readonly what: string;
    /** Links of the three boot records, from the start of the container; undefined: none. */
    readonly links: readonly (number | undefined)[];
    readonly numbers: readonly number[];
    readonly damage: RegExp | undefined;
  }

  const Chains: readonly Chain[] = [
    { what: "whole", links: [1000, 2000, undefined], numbers: [5, 6, 7], damage: undefined },
    { what: "comes back", links: [1000, 2000, 1000], numbers: [5, 6, 7], damage: /comes back/ },
    { what: "links to itself", links: [0], numbers: [5], damage: /comes back to block 10000/ },
    { what: "leaves its container", links: [1000, 9000], numbers: [5, 6], damage: /links out of/ },
    {
      what: "leads to nothing",
      links: [1000, 3000],
      numbers: [5, 6],
      damage: /13000 is no boot record/,
    },
  ];

  test.each(Chains)("chain of logical partitions: $what", async ({ links, numbers, damage }) => {
    const device = new SparseDevice(100_000);
    device.set(0, withMbrEntry(new Uint8Array(512), 1, makeMbrEntry(5, 10_000, 5000)));
    links.forEach((link, at) => {
      let record = withMbrEntry(new Uint8Array(512), 0, makeMbrEntry(0x83, 10, 100));
      if (link !== undefined) record = withMbrEntry(record, 1, makeMbrEntry(5, link, 500));
      device.set(10_000 + at * 1000, record);
    });
    const table = await readTable(device);
    const logical = table.entries.filter((entry) => entry.logical);
    expect(logical.map(({ number }) => number)).toEqual(numbers);
    expect(logical.map(({ startLba }) => startLba)).toEqual(
      numbers.map((number) => 10_010 + (number - 5) * 1000),
    );
    if (damage === undefined) expect(table.findings).toEqual([]);
    else
      expect(table.findings[0]).toMatchObject({
        code: "chain-damaged",
        message: expect.stringMatching(damage),
      });
  });

  test("a chain without end is cut after 128 links", async () => {
    const device = new SparseDevice(100_000);
    device.set(0, withMbrEntry(new Uint8Array(512), 0, makeMbrEntry(0x0f, 1000, 5000)));
    for (let at = 0; at < 1000; at++) {
      const record = withMbrEntry(new Uint8Array(512), 0, makeMbrEntry(0x83, 1, 1));
      device.set(1000 + at * 2, withMbrEntry(record, 1, makeMbrEntry(5, (at + 1) * 2, 2)));
    }
    const table = await readTable(device);
    expect(table.entries).toHaveLength(129);
    expect(table.findings[0]?.message).toMatch(/more than 128 links$/);
    expect(device.reads).toBe(129);
  });

  test("a container that lies behind the end of the device", async () => {
    const device = new SparseDevice(500);
    device.set(0, withMbrEntry(new Uint8Array(512), 0, makeMbrEntry(0x0f, 1000, 5000)));
    expect(codes(await readTable(device))).toEqual(["chain-damaged", "behind-end"]);
  });

  test("CHS fields as sfdisk fills them, behind cylinder 1023 too", () => {
    for (const name of ["mbr-large", "mbr-full", "mbr-logical"] as const) {
      const sector = fixtureDevice(name).sector(0);
      for (let slot = 0; slot < 4; slot++) {
        const at = 446 + slot * 16;
        const view = new DataView(sector.buffer, at, 16);
        const [type, start, count] = [
          view.getUint8(4),
          view.getUint32(8, true),
          view.getUint32(12, true),
        ];
        const made = makeMbrEntry(type, start, count);
        if (isFreeSlot(made)) continue;
        const again = withMbrEntry(sector, slot, { ...made, bootIndicator: view.getUint8(0) });
        expect({ name, slot, bytes: again }).toEqual({ name, slot, bytes: sector });
      }
    }
  });
});
