// Makes the tables in this folder with sgdisk (gdisk 1.0.9) and sfdisk (util-linux 2.38.1): node make.mjs
// Each file holds the blocks that are not zero, and what `sfdisk --json` says about the table: an opinion that is not ours.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const MIB = 1024 * 1024;
const here = dirname(fileURLToPath(import.meta.url));
const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin`, LC_ALL: "C.UTF-8" };
const guid = (n) => `6d6d6370-7374-4f72-8000-${String(n).padStart(12, "0")}`;
const LINUX = "0FC63DAF-8483-4772-8E79-3D69D8477DE4";

const sgdisk = (...args) => ({ tool: "sgdisk", args });
const sfdisk = (script) => ({ tool: "sfdisk", script });

const tables = {
  "gpt-128": {
    mib: 64,
    steps: [
      sgdisk("-U", guid(1), "-n", "1:2048:+8M", "-t", "1:ef00", "-c", "1:boot", "-u", `1:${guid(11)}`,
        "-n", "2:24576:+4M", "-c", "2:pstore", "-u", `2:${guid(12)}`,
        "-n", "3:40960:+16M", "-c", "3:rootfs", "-u", `3:${guid(13)}`, "-A", "3:set:2", "-A", "3:set:63"),
    ],
  },
  "gpt-16": {
    mib: 64,
    steps: [
      sfdisk(`label: gpt
label-id: ${guid(2)}
table-length: 16
1: start=2048, size=16384, type=${LINUX}, uuid=${guid(21)}, name="a"
3: start=40960, size=8192, type=${LINUX}, uuid=${guid(23)}, name="c"
`),
    ],
  },
  "gpt-holes": {
    mib: 64,
    steps: [
      sgdisk("-U", guid(3), "-n", "1:2048:+2M", "-c", "1:größe-π", "-u", `1:${guid(31)}`,
        "-n", "5:32768:+2M", "-c", "5:emoji-😀", "-u", `5:${guid(35)}`,
        "-n", "128:65536:+2M", "-c", "128:last", "-u", `128:${guid(38)}`),
    ],
  },
  "gpt-moved": {
    mib: 64,
    steps: [
      sgdisk("-U", guid(4), "-j", "1024", "-n", "1:8192:+2M", "-c", "1:first", "-u", `1:${guid(41)}`),
    ],
  },
  "gpt-hybrid": {
    mib: 64,
    steps: [
      sgdisk("-U", guid(5), "-n", "1:2048:+2M", "-c", "1:one", "-u", `1:${guid(51)}`,
        "-n", "2:8192:+2M", "-c", "2:two", "-u", `2:${guid(52)}`),
      sgdisk("-h", "1"),
    ],
  },
  "gpt-full": {
    mib: 64,
    steps: [
      sfdisk(`label: gpt
label-id: ${guid(6)}
table-length: 4
${[1, 2, 3, 4].map((n) => `${n}: start=${n * 8192}, size=2048, type=${LINUX}, uuid=${guid(60 + n)}, name="n${n}"`).join("\n")}
`),
    ],
  },
  "mbr-logical": {
    mib: 64,
    steps: [
      sfdisk(`label: dos
label-id: 0xdeadbeef
start=2048, size=6144, type=c, bootable
start=8192, size=40960, type=5
start=10240, size=2048, type=83
start=14336, size=2048, type=da
start=18432, size=2048, type=82
`),
    ],
  },
  "mbr-deleted-logical": {
    mib: 64,
    steps: [
      sfdisk(`label: dos
label-id: 0x00000042
1: start=2048, size=6144, type=c
3: start=8192, size=40960, type=f
5: start=10240, size=2048, type=83
6: start=14336, size=2048, type=da
7: start=18432, size=2048, type=82
`),
      { tool: "sfdisk", args: ["--delete", "6"] },
    ],
  },
  "mbr-full": {
    mib: 64,
    steps: [
      sfdisk(`label: dos
label-id: 0x12345678
start=2048, size=2048, type=c
start=8192, size=2048, type=83
start=16384, size=2048, type=83
start=24576, size=2048, type=82
`),
    ],
  },
  "mbr-large": {
    mib: 16384,
    steps: [
      sfdisk(`label: dos
label-id: 0x0badcafe
start=2048, size=2048, type=c, bootable
start=8192, size=8192, type=83
start=16450550, size=100, type=83
start=16452000, size=4000000, type=da
`),
    ],
  },
};

function run({ tool, args, script }, image) {
  const argv = args === undefined ? ["-q", image] : tool === "sfdisk" ? ["-q", ...args.slice(0, 1), image, ...args.slice(1)] : [...args, image];
  execFileSync(tool, argv, { env, input: script ?? "", stdio: ["pipe", "ignore", "inherit"] });
}

/** The blocks that are not zero, in hex without the zeros at the end. */
function sectorsOf(image, bytes) {
  const fd = readFileSync(image);
  const sectors = {};
  for (let lba = 0; lba * 512 < bytes; lba++) {
    const sector = fd.subarray(lba * 512, lba * 512 + 512);
    if (sector.some((byte) => byte !== 0)) sectors[lba] = sector.toString("hex").replace(/(00)+$/, "");
  }
  return sectors;
}

const folder = mkdtempSync(join(tmpdir(), "tables-"));
for (const [name, { mib, steps }] of Object.entries(tables)) {
  const image = join(folder, `${name}.img`);
  const bytes = mib * MIB;
  writeFileSync(image, "");
  truncateSync(image, bytes);
  for (const step of steps) run(step, image);
  const { partitiontable } = JSON.parse(execFileSync("sfdisk", ["--json", image], { env, encoding: "utf8" }));
  const partitions = partitiontable.partitions.map(({ node, ...rest }) => ({ number: Number(/img(\d+)$/.exec(node)[1]), ...rest }));
  // Of a large image only the start is kept (and read: the file is sparse, but memory is not).
  const kept = mib > 1024 ? 64 * MIB : bytes;
  if (kept < bytes) truncateSync(image, kept);
  const out = { blockCount: bytes / 512, sfdisk: { label: partitiontable.label, id: partitiontable.id, partitions }, sectors: sectorsOf(image, kept) };
  writeFileSync(join(here, `${name}.json`), `${JSON.stringify(out, null, 1)}\n`);
}
rmSync(folder, { recursive: true });
