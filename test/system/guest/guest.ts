import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { encodeCpio } from "./cpio.js";
import { type GuestKernel, prepareKernel } from "./kernel.js";

const JOB_MODE = 0o100755;
const TRIES = 3;
const LIMIT_MS = 240_000;

/** A disk of the guest: SD cards are `/dev/mmcblk0`, ..., virtio disks `/dev/vda`, ..., each kind in order. */
export interface GuestDisk {
  readonly image: string;
  readonly bus: "sd" | "virtio";
}

export interface GuestRun {
  /** Shell commands; `wait_disk`, `pstore_open`, `pstore_close` and `pstore_files` are there (guest/init.sh). */
  readonly job: string;
  readonly disks: readonly GuestDisk[];
  /** Clock at power-on, `2026-01-02T03:04:05` (UTC). */
  readonly rtc?: string;
  readonly kernelArguments?: string;
}

export interface GuestOutput {
  /** What the job printed. */
  readonly text: string;
  /** The kernel's console. */
  readonly console: string;
}

/** A file that the guest's kernel showed in its pstore file system. */
export interface PstoreFile {
  readonly name: string;
  readonly bytes: Buffer;
  /** Seconds since 1970. */
  readonly mtime: number;
}

let kernel: GuestKernel | undefined;

/** Boots Debian's kernel under QEMU, runs the job, waits for power-off. Throws if the guest does not finish. */
export async function runGuest(run: GuestRun): Promise<GuestOutput> {
  kernel ??= prepareKernel();
  const dir = mkdtempSync(join(tmpdir(), "mmcpstore-guest-"));
  try {
    return await bootUntilUp(kernel, run, dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/**
 * On a busy host this kernel sometimes dies in early boot, before /init; the disks are untouched then, so
 * trying again is safe and hides nothing.
 */
async function bootUntilUp(booted: GuestKernel, run: GuestRun, dir: string): Promise<GuestOutput> {
  const initrd = writeInitrd(booted, run.job, dir);
  let output: GuestOutput = { text: "", console: "" };
  for (let attempt = 0; attempt < TRIES && output.text === ""; attempt++) {
    output = await boot(booted, run, dir, initrd);
  }
  if (output.text.includes("GUEST-DONE")) return output;
  throw new Error(
    `the guest did not finish:\n${output.text.slice(-2000)}\n--- console\n${output.console.slice(-3000)}`,
  );
}

/** The initramfs with the job in it, as a file. */
export function writeInitrd(booted: GuestKernel, text: string, dir: string): string {
  const job = encodeCpio([{ path: "job.sh", mode: JOB_MODE, data: Buffer.from(text) }]);
  const initrd = join(dir, "initrd");
  writeFileSync(initrd, gzipSync(Buffer.concat([booted.initramfs, job]), { level: 1 }));
  return initrd;
}

async function boot(
  booted: GuestKernel,
  run: GuestRun,
  dir: string,
  initrd: string,
): Promise<GuestOutput> {
  const [text, console] = [join(dir, "job.out"), join(dir, "console.out")];
  rmSync(text, { force: true });
  const files = { text, console: `file:${console}`, initrd };
  const child = spawn("qemu-system-x86_64", qemuArguments(booted, run, files), {
    stdio: ["ignore", "ignore", "inherit"],
  });
  await exitOf(child);
  const read = (path: string): string =>
    existsSync(path) ? readFileSync(path, "latin1").replaceAll("\r", "") : "";
  return { text: read(text), console: read(console) };
}

/** Resolves when it has ended; it is killed if it takes too long, or if this process ends. */
export function exitOf(child: ChildProcess): Promise<void> {
  const killer = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
  const killed = (): void => void child.kill("SIGKILL");
  process.once("exit", killed);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", () => {
      clearTimeout(killer);
      process.off("exit", killed);
      resolve();
    });
  });
}

export interface GuestFiles {
  /** File that the job's output goes to. */
  readonly text: string;
  /** QEMU's character device for the first serial port. */
  readonly console: string;
  readonly initrd: string;
}

export function qemuArguments(booted: GuestKernel, run: GuestRun, files: GuestFiles): string[] {
  const append =
    "console=ttyS0 quiet loglevel=7 panic=1 mitigations=off no_timer_check tsc=unstable nokaslr rdinit=/init ";
  return [
    ..."-nodefaults -no-user-config -machine pc -accel tcg -cpu max -m 256 -display none -monitor none".split(
      " ",
    ),
    ..."-no-reboot -net none".split(" "),
    "-rtc",
    `base=${run.rtc ?? "2026-01-02T03:04:05"}`,
    "-serial",
    files.console,
    "-serial",
    `file:${files.text}`,
    "-kernel",
    booted.vmlinuz,
    "-initrd",
    files.initrd,
    "-append",
    append + (run.kernelArguments ?? ""),
    ...run.disks.flatMap((disk, index) => diskArguments(disk, index)),
  ];
}

function diskArguments(disk: GuestDisk, index: number): string[] {
  const drive = ["-drive", `if=none,id=disk${index},format=raw,file=${disk.image}`];
  if (disk.bus === "virtio") return [...drive, "-device", `virtio-blk-pci,drive=disk${index}`];
  const size = statSync(disk.image).size;
  if ((size & (size - 1)) !== 0)
    throw new Error(`QEMU's SD card wants a power of two, ${disk.image} has ${size} bytes`);
  return [...drive, "-device", "sdhci-pci", "-device", `sd-card,drive=disk${index}`];
}

/** The files of each `pstore_files` call in a job's output, in order of the calls, keyed by the `MOUNTED` line before it. */
export function parsePstoreFiles(text: string): PstoreFile[] {
  const files: PstoreFile[] = [];
  for (const match of text.matchAll(/^FILE (\S+) (\d+) (-?\d+)\n([\s\S]*?)^FILE-END$/gm)) {
    const [, name = "", , mtime = "", base64 = ""] = match;
    files.push({ name, bytes: Buffer.from(base64, "base64"), mtime: Number(mtime) });
  }
  return files;
}
