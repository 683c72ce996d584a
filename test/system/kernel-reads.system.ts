import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { MemoryBlockDevice } from "../../src/block/device.js";
import { openImage } from "../../src/block/image.js";
import { openPart } from "../../src/device/part.js";
import { extractFiles } from "../../src/pstore/extract.js";
import { scanPartition } from "../../src/pstore/scan.js";
import { type AppendRequest, PstoreStore } from "../../src/pstore/store.js";
import type { Geometry, PartitionScan } from "../../src/pstore/types.js";
import { RealClock } from "../../src/util/clock.js";
import { type GuestDisk, type PstoreFile, parsePstoreFiles, runGuest } from "./guest/guest.js";
import { hasTool } from "./support/tools.js";

const KIB = 1024;
const PANIC = 1;
const OOPS = 2;
const WALL = { wallTime: () => Date.UTC(2026, 4, 6, 7, 8, 9) };
const judged = hasTool("qemu-system-x86_64", "qemu-system-x86") ? describe : describe.skip;
const dir = mkdtempSync(join(tmpdir(), "mmcpstore-kernel-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const geometry = (kmsgSize: number): Geometry => ({
  kmsgSize,
  pmsgSize: 0,
  consoleSize: 0,
  ftraceSize: 0,
  cpus: 1,
});

/** A log that deflate cannot make much smaller. */
function log(name: string, bytes: number): Uint8Array {
  const line = (at: number): string =>
    `<6>[${String(at).padStart(5)}.123456] ${createHash("sha256")
      .update(name + at)
      .digest("base64")}\n`;
  return Buffer.from(
    Array.from({ length: Math.ceil(bytes / line(0).length) }, (_, at) => line(at)).join(""),
  );
}

/** A partition image of one case. */
class Case {
  readonly name: string;
  readonly kmsgSize: number;
  readonly file: string;
  readonly bytes: Uint8Array;
  readonly store: PstoreStore;

  constructor(name: string, kmsgSize: number, start: number | string) {
    this.name = name;
    this.kmsgSize = kmsgSize;
    this.file = join(dir, `${name.replaceAll(/\W+/g, "-")}.img`);
    const image = (): Uint8Array =>
      gunzipSync(readFileSync(join(process.cwd(), "test/data/images", `${start}.img.gz`)));
    this.bytes = typeof start === "number" ? new Uint8Array(start) : new Uint8Array(image());
    this.store = new PstoreStore(new MemoryBlockDevice(this.bytes), geometry(kmsgSize), WALL);
  }

  async append(text: Uint8Array, options: Partial<AppendRequest> = {}): Promise<string> {
    return (await this.store.append({ text, reason: PANIC, ...options })).name;
  }

  save(): GuestDisk {
    writeFileSync(this.file, this.bytes);
    return { image: this.file, bus: "virtio" };
  }

  scanFile(): Promise<PartitionScan> {
    return scanPartition(
      new MemoryBlockDevice(new Uint8Array(readFileSync(this.file))),
      geometry(this.kmsgSize),
    );
  }
}

/** What `pstore extract` would write. */
async function ours(scan: PartitionScan): Promise<PstoreFile[]> {
  const files: PstoreFile[] = [];
  for await (const { name, bytes, mtime } of extractFiles(scan))
    files.push({ name, bytes: Buffer.from(bytes), mtime: Number(mtime?.seconds) });
  return files;
}

const device = (at: number): string => `/dev/vd${String.fromCharCode("a".charCodeAt(0) + at)}`;

/** The part of a job's output that is about one device, up to the next one. */
function section(text: string, path: string): string {
  const from = text.indexOf(`MOUNTED ${path}\n`);
  if (from < 0) throw new Error(`the kernel did not take ${path}:\n${text.slice(0, 3000)}`);
  const rest = text.slice(from + 1);
  const to = rest.search(/^(MOUNTED|REFUSED|DMESG) /m);
  return to < 0 ? rest : rest.slice(0, to);
}

async function writtenCases(): Promise<Case[]> {
  const raw = new Case("raw records", 16 * KIB, 64 * KIB);
  await raw.append(log("a", 9000), { compress: "never" });
  await raw.append(log("b", 16_000), { compress: "never", reason: OOPS });
  const packed = new Case("compressed records", 16 * KIB, 64 * KIB);
  await packed.append(log("c", 12_000), { compress: "always" });
  await packed.append(
    Buffer.from("<6>[    1.000000] the same line again and again\n".repeat(500)),
    { compress: "always" },
  );
  const large = new Case("a log larger than its zone", 64 * KIB, 256 * KIB);
  await large.append(log("d", 200 * KIB));
  const erased = new Case("after an erase", 16 * KIB, 64 * KIB);
  for (const name of ["e", "f", "g"]) await erased.append(log(name, 5000));
  await erased.store.erase(["dmesg-pstore_blk-1"]);
  const wrapped = new Case("after a wrap-around", 16 * KIB, 64 * KIB);
  for (const name of ["h", "i", "j", "k", "l", "m"]) await wrapped.append(log(name, 7000));
  const small = new Case("zones of 4 KiB", 4 * KIB, 64 * KIB);
  for (const name of ["n", "o", "p"]) await small.append(log(name, 20_000));
  return [raw, packed, large, erased, wrapped, small, ...(await mixedCases())];
}

/** Ours among what a kernel wrote before. */
async function mixedCases(): Promise<Case[]> {
  const cases = [
    new Case("mixed, wrap4-unlinked", 16 * KIB, "wrap4-unlinked"),
    new Case("mixed, k4", 4 * KIB, "k4"),
    new Case("mixed, one-deflate", 64 * KIB, "one-deflate"),
  ];
  for (const one of cases) await one.append(log(one.name, 9000));
  return cases;
}

/** A blank card, partitioned and written through the command line and the whole simulated stack. */
function cardThroughTheCommandLine(): string {
  const card = join(dir, "card.img");
  const run = (...args: string[]): void =>
    void execFileSync(process.execPath, [
      "dist/cli/main.js",
      "-d",
      `sim:${card}${args[0] === "part" ? "?create=64MiB" : ""}`,
      ...args,
    ]);
  run("part", "create", "--label", "pstore", "--size", "1MiB", "--yes");
  run("pstore", "write", "examples/panic.log");
  run("pstore", "write", "--compress", "--reason", "oops", "examples/panic.log");
  return card;
}

judged("a real kernel reads what we wrote", () => {
  let cases: Case[] = [];
  let output = "";
  let card = "";

  beforeAll(async () => {
    cases = await writtenCases();
    card = cardThroughTheCommandLine();
    const disks = cases.map((one) => one.save());
    const jobs = cases.map(
      (one, at) =>
        `pstore_open ${device(at)} kmsg_size=${one.kmsgSize / KIB}\npstore_files\npstore_close\n`,
    );
    const sd =
      "wait_disk /dev/mmcblk0p1\npstore_open /dev/mmcblk0p1 kmsg_size=64\npstore_files\npstore_close\n";
    const job = `wait_disk ${device(cases.length - 1)}\n${jobs.join("")}${sd}`;
    output = (await runGuest({ job, disks: [...disks, { image: card, bus: "sd" }] })).text;
  });

  test.each([
    "raw records",
    "compressed records",
    "a log larger than its zone",
    "after an erase",
    "after a wrap-around",
    "zones of 4 KiB",
    "mixed, wrap4-unlinked",
    "mixed, k4",
    "mixed, one-deflate",
  ])("%s: names, bytes and times as pstore extract gives them", async (name) => {
    const at = cases.findIndex((one) => one.name === name);
    const shown = parsePstoreFiles(section(output, device(at)));
    expect(shown.length).toBeGreaterThan(0);
    expect(shown).toEqual(
      (await ours(await (cases[at] as Case).scanFile())).sort((a, b) => (a.name < b.name ? -1 : 1)),
    );
  });

  test("after part create on a blank card, on the SD bus", async () => {
    const image = await openImage(card, { readOnly: true, clock: new RealClock() });
    const { view } = await openPart(image, undefined);
    const expected = await ours(await scanPartition(view, geometry(64 * KIB)));
    await image.close();
    expect(expected).toHaveLength(2);
    expect(parsePstoreFiles(section(output, "/dev/mmcblk0p1"))).toEqual(expected);
  });
});

judged("a real kernel goes on behind our record", () => {
  const fresh = new Case("one record of ours", 16 * KIB, 64 * KIB);
  const full = new Case("a full ring of ours", 16 * KIB, 64 * KIB);
  const mixed = new Case("ours behind its own", 16 * KIB, "wrap4-unlinked");
  const unlinked = new Case("a record to unlink", 16 * KIB, 64 * KIB);
  const oopsing = [fresh, full, mixed];
  const written = new Map<Case, string>();

  beforeAll(async () => {
    written.set(fresh, await fresh.append(log("q", 9000), { reason: OOPS }));
    for (const name of ["r", "s", "t", "u", "v"])
      written.set(full, await full.append(log(name, 9000), { reason: OOPS }));
    written.set(mixed, await mixed.append(log("w", 9000), { reason: OOPS }));
    for (const name of ["x", "y"]) await unlinked.append(log(name, 9000));
    const all = [...oopsing, unlinked];
    const disks = all.map((one) => one.save());
    const oopses = oopsing.map(
      (_, at) => `pstore_open ${device(at)} kmsg_size=16\noops judge\npstore_close\n`,
    );
    const unlink = `pstore_open ${device(3)} kmsg_size=16\nrm /sys/fs/pstore/dmesg-pstore_blk-0\npstore_close\n`;
    await runGuest({ job: `wait_disk ${device(3)}\n${oopses.join("")}${unlink}`, disks });
  });

  test.each(["one record of ours", "a full ring of ours", "ours behind its own"])(
    "%s: its next oops is in the next zone, with the next counter, and ours is whole",
    async (name) => {
      const one = oopsing.find((some) => some.name === name) as Case;
      const scan = await one.scanFile();
      const own = scan.records.find((record) => record.name === written.get(one));
      expect(own?.state).toBe("verified");
      const next = scan.records.find(
        ({ zone }) => zone.index === ((own?.zone.index ?? 0) + 1) % scan.layout.dmesg.length,
      );
      expect(next).toMatchObject({ reason: "Oops", state: "ok" });
      expect(next?.header?.counter).toBe((own?.header?.counter ?? 0) + 1);
      const contents =
        next === undefined ? "" : Buffer.from(await scan.contents(next)).toString("latin1");
      expect(contents).toContain("oops judge");
    },
  );

  test("its unlink leaves the very bytes that our erase leaves", async () => {
    await unlinked.store.erase(["dmesg-pstore_blk-0"]);
    expect(Buffer.compare(readFileSync(unlinked.file), unlinked.bytes)).toBe(0);
  });
});
