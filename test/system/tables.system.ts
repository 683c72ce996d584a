import { execFileSync } from "node:child_process";
import {
  closeSync,
  mkdtempSync,
  openSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { applyCreate, type CreatePlan, planCreate } from "../../src/block/create.js";
import { openImage } from "../../src/block/image.js";
import { type PartitionTable, readTable } from "../../src/block/table.js";
import { RealClock } from "../../src/util/clock.js";
import { createRandom } from "../../src/util/random.js";
import { hasTool, runTool, toolEnv } from "./support/tools.js";

const MIB = 1024 * 1024;
const LINUX = "0FC63DAF-8483-4772-8E79-3D69D8477DE4";

const toolsAreThere = [hasTool("sgdisk", "gdisk"), hasTool("sfdisk", "fdisk")].every(Boolean);
const judged = toolsAreThere ? describe : describe.skip;

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mmcpstore-tables-"));
  path = join(folder, "card.img");
});
afterEach(() => rmSync(folder, { recursive: true }));

function blank(mib = 64): void {
  writeFileSync(path, "");
  truncateSync(path, mib * MIB);
}

function sgdisk(...args: string[]): string {
  return runTool("sgdisk", [...args, path]);
}

function sfdisk(script: string): void {
  execFileSync("sfdisk", ["-q", path], { env: toolEnv, input: script });
}

function writeAt(lba: number, bytes: Uint8Array): void {
  const fd = openSync(path, "r+");
  writeSync(fd, bytes, 0, bytes.length, lba * 512);
  closeSync(fd);
}

/** What sgdisk tells about one partition, names and GUIDs and attributes included; without its warnings about the table. */
function inspect(number: number): string {
  const text = sgdisk("-i", String(number));
  return text.slice(text.indexOf("Partition GUID code"));
}

interface Dump {
  readonly header: readonly string[];
  readonly partitions: readonly string[];
}

function dump(): Dump {
  const lines = runTool("sfdisk", ["--dump", path])
    .split("\n")
    .filter((line) => line !== "");
  const partitions = lines.filter((line) => line.includes(" : "));
  return { header: lines.filter((line) => !line.includes(" : ")), partitions };
}

async function withImage<T>(
  use: (image: Awaited<ReturnType<typeof openImage>>) => Promise<T>,
): Promise<T> {
  const image = await openImage(path, { readOnly: false, clock: new RealClock() });
  try {
    return await use(image);
  } finally {
    await image.close();
  }
}

function create(label: string, sizeBytes = MIB): Promise<CreatePlan> {
  return withImage(async (image) => {
    const random = createRandom(Buffer.from(label));
    const plan = await planCreate(image, { label, sizeBytes, random });
    await applyCreate(image, plan);
    return plan;
  });
}

function table(): Promise<PartitionTable> {
  return withImage((image) => readTable(image));
}

function expectCleanGpt(): void {
  expect(sgdisk("-v")).toMatch(/No problems found/);
  expectCleanToSfdisk();
}

function expectCleanToSfdisk(): void {
  expect(runTool("sfdisk", ["--verify", path])).toMatch(/No errors detected/);
}

interface Case {
  readonly what: string;
  readonly make: () => void;
  /** Numbers that are there before. */
  readonly numbers: readonly number[];
  /** The usable range changes with the size. */
  readonly grows?: true;
}

const threePartitions = (): void => {
  blank();
  sgdisk("-n", "1:2048:+8M", "-t", "1:ef00", "-c", "1:boot", "-n", "2:24576:+4M", "-c", "2:data");
  sgdisk("-n", "3:40960:+16M", "-c", "3:rootfs", "-A", "3:set:2", "-A", "3:set:63");
};

const GPTS: readonly Case[] = [
  { what: "three partitions with attributes", make: threePartitions, numbers: [1, 2, 3] },
  {
    what: "16 entries with holes",
    make: () => {
      blank();
      sfdisk(
        `label: gpt\ntable-length: 16\n1: start=2048, size=16384, type=${LINUX}, name="a"\n3: start=40960, size=8192, type=${LINUX}, name="c"\n`,
      );
    },
    numbers: [1, 3],
  },
  {
    what: "holes up to entry 128",
    make: () => {
      blank();
      sgdisk(
        "-n",
        "1:2048:+2M",
        "-c",
        "1:größe",
        "-n",
        "5:32768:+2M",
        "-n",
        "128:65536:+2M",
        "-c",
        "128:z",
      );
    },
    numbers: [1, 5, 128],
  },
  {
    what: "a main table that was moved",
    make: () => {
      blank();
      sgdisk("-j", "1024", "-n", "1:8192:+2M", "-c", "1:first");
    },
    numbers: [1],
  },
  {
    what: "256 entries",
    make: () => {
      blank();
      sgdisk("-S", "256", "-n", "1:2048:+2M", "-n", "200:8192:+2M");
    },
    numbers: [1, 200],
  },
  {
    what: "a hybrid MBR",
    make: () => {
      threePartitions();
      sgdisk("-h", "2");
    },
    numbers: [1, 2, 3],
  },
  {
    what: "a damaged primary header",
    make: () => {
      threePartitions();
      writeAt(1, new Uint8Array(512));
    },
    numbers: [1, 2, 3],
  },
  {
    what: "damaged primary entries",
    make: () => {
      threePartitions();
      writeAt(2, new Uint8Array(512).fill(0x42));
    },
    numbers: [1, 2, 3],
  },
  {
    what: "a damaged backup",
    make: () => {
      threePartitions();
      writeAt(64 * 2048 - 1, new Uint8Array(512));
    },
    numbers: [1, 2, 3],
  },
  {
    what: "an image that has grown",
    make: () => {
      threePartitions();
      truncateSync(path, 100 * MIB);
    },
    numbers: [1, 2, 3],
    grows: true,
  },
];

judged("GPTs, judged by sgdisk and sfdisk", () => {
  test.each([16, 64, 4096])("a new one on %d MiB", async (mib) => {
    blank(mib);
    const { entry } = await create("pstore", 4 * MIB);
    expectCleanGpt();
    const [line] = dump().partitions;
    expect(line).toContain(`start=        8192, size=        8192, type=${LINUX}`);
    expect(line).toContain(`uuid=${entry.uuid.toUpperCase()}, name="pstore"`);
  });

  test.each(GPTS)("$what: one more, the others unchanged", async ({ make, numbers, grows }) => {
    make();
    const before = numbers.map(inspect);
    const listed = dump();
    const { entry } = await create("added");
    expectCleanGpt();
    expect(numbers.map(inspect)).toEqual(before);
    const after = dump();
    const added = after.partitions.filter((line) => !listed.partitions.includes(line));
    expect(added).toHaveLength(1);
    expect(added[0]).toContain('name="added"');
    expect(after.partitions.filter((line) => line !== added[0])).toEqual(listed.partitions);
    if (!grows) expect(after.header).toEqual(listed.header);
    expect(inspect(entry.number)).toContain(`Partition unique GUID: ${entry.uuid.toUpperCase()}`);
  });

  test("many, until it is full", async () => {
    blank();
    for (let number = 1; number <= 15; number++) {
      expect((await create(`part${number}`)).entry.number).toBe(number);
      expectCleanGpt();
    }
    await expect(create("one more")).rejects.toMatchObject({ code: "PART_NO_SPACE" });
    expectCleanGpt();
    expect(dump().partitions).toHaveLength(15);
  });

  test("what sgdisk adds to ours, we read", async () => {
    blank();
    await create("ours");
    sgdisk("-n", "7:0:+1M", "-c", "7:theirs", "-t", "7:8200");
    expectCleanGpt();
    const { entries, findings } = await table();
    expect(findings).toEqual([]);
    expect(entries.map(({ number, label, typeName }) => [number, label, typeName])).toEqual([
      [1, "ours", "Linux filesystem"],
      [7, "theirs", "Linux swap"],
    ]);
  });
});

judged("MBRs, judged by sfdisk", () => {
  const Mbrs: readonly [string, string, number][] = [
    ["empty", "label: dos\n", 1],
    ["one partition", "label: dos\nstart=2048, size=16384, type=c, bootable\n", 2],
    [
      "logical partitions",
      "label: dos\nstart=2048, size=6144, type=c\nstart=8192, size=40960, type=5\nstart=10240, size=2048, type=83\nstart=14336, size=2048, type=82\n",
      3,
    ],
    [
      "a hole",
      "label: dos\n1: start=2048, size=2048, type=c\n3: start=8192, size=2048, type=83\n",
      4,
    ],
    ["16 GiB", "label: dos\nstart=2048, size=33000000, type=83\n", 2],
  ];

  test.each(Mbrs)("%s: one more, the others unchanged", async (what, script, number) => {
    blank(what === "16 GiB" ? 16_384 : 64);
    sfdisk(script);
    const before = dump();
    const { entry } = await create("ignored");
    expect(entry.number).toBe(number);
    expectCleanToSfdisk();
    const after = dump();
    expect(after.header).toEqual(before.header);
    const added = after.partitions.filter((line) => !before.partitions.includes(line));
    expect(added).toHaveLength(1);
    expect(added[0]).toMatch(
      new RegExp(`img${number} : start= *${entry.startLba}, size= *2048, type=da$`),
    );
    expect(after.partitions.filter((line) => line !== added[0])).toEqual(before.partitions);
  });

  test("the slot is the one that sfdisk itself writes, CHS fields included", async () => {
    blank();
    sfdisk("label: dos\nlabel-id: 0x12345678\nstart=2048, size=2048, type=c\n");
    await create("ignored");
    const ours = runTool("dd", [`if=${path}`, "bs=512", "count=1", "status=none"]);
    blank();
    sfdisk(
      "label: dos\nlabel-id: 0x12345678\nstart=2048, size=2048, type=c\nstart=8192, size=2048, type=da\n",
    );
    expect(runTool("dd", [`if=${path}`, "bs=512", "count=1", "status=none"])).toBe(ours);
  });
});
