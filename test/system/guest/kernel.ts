import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { runTool } from "../support/tools.js";
import { type CpioEntry, encodeCpio } from "./cpio.js";

const MODULES = [
  "drivers/virtio/virtio_ring",
  "drivers/virtio/virtio",
  "drivers/virtio/virtio_pci_legacy_dev",
  "drivers/virtio/virtio_pci_modern_dev",
  "drivers/virtio/virtio_pci",
  "drivers/block/virtio_blk",
  "drivers/mmc/core/mmc_core",
  "drivers/mmc/core/mmc_block",
  "drivers/mmc/host/cqhci",
  "drivers/mmc/host/sdhci",
  "drivers/mmc/host/sdhci-pci",
  "fs/pstore/pstore_zone",
  "fs/pstore/pstore_blk",
];

const EXECUTABLE = 0o100755;
const DIRECTORY = 0o040755;

/** A Debian kernel, unpacked and with an initramfs, ready to boot. */
export interface GuestKernel {
  readonly version: string;
  readonly vmlinuz: string;
  /** All of the initramfs but the job: append an archive with `job.sh`. */
  readonly initramfs: Buffer;
}

/** Where downloads and builds are kept between runs. */
export function cacheDir(): string {
  const dir = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "mmcpstore-system");
  mkdirSync(dir, { recursive: true });
  return dir;
}

/** A Debian kernel and a static busybox, unpacked. */
export interface KernelFiles {
  readonly version: string;
  readonly vmlinuz: string;
  /** Folder of the modules: `drivers/...`, `fs/...`. */
  readonly modules: string;
  readonly busybox: string;
}

/** Downloads (once) the kernel that Debian's linux-image-amd64 stands for, and busybox. */
export function fetchKernel(): KernelFiles {
  const cache = cacheDir();
  const version = kernelVersion();
  const root = unpacked(cache, `kernel-${version}`, [`linux-image-${version}`]);
  return {
    version,
    vmlinuz: join(root, `boot/vmlinuz-${version}`),
    modules: join(root, "lib/modules", version, "kernel"),
    busybox: join(unpacked(cache, "busybox", ["busybox-static"]), "bin/busybox"),
  };
}

/** The same, with the oops module built, and the initramfs made. */
export function prepareKernel(): GuestKernel {
  const { version, vmlinuz, modules, busybox } = fetchKernel();
  const oops = oopsModule(cacheDir(), version);
  return { version, vmlinuz, initramfs: encodeCpio(initramfsEntries(modules, busybox, oops)) };
}

function kernelVersion(): string {
  const depends = runTool("apt-cache", ["depends", "linux-image-amd64"]);
  const version = /Depends: linux-image-(\d\S*)/.exec(depends)?.[1];
  if (version === undefined)
    throw new Error("apt knows no linux-image-amd64: run 'apt-get update' first");
  return version;
}

/** Unpacks Debian packages into a folder of the cache without installing them. */
export function unpacked(cache: string, name: string, packages: readonly string[]): string {
  const dir = join(cache, name);
  if (existsSync(dir)) return dir;
  const work = `${dir}.${process.pid}`;
  rmSync(work, { recursive: true, force: true });
  mkdirSync(join(work, "deb"), { recursive: true });
  runTool("apt-get", ["download", "-qq", ...packages], join(work, "deb"));
  runTool("sh", ["-c", 'for d in deb/*.deb; do dpkg -x "$d" .; done; rm -r deb'], work);
  renameSync(work, dir);
  return dir;
}

function oopsModule(cache: string, version: string): string {
  const built = join(cache, `oops-${version}.ko`);
  const source = join(process.cwd(), "test/system/guest/oops_module.c");
  const stamp = `${built}.source`;
  if (
    existsSync(built) &&
    existsSync(stamp) &&
    readFileSync(stamp, "utf8") === readFileSync(source, "utf8")
  ) {
    return built;
  }
  const series = version.split(".").slice(0, 2).join(".");
  const headers = unpacked(cache, `headers-${version}`, [
    `linux-headers-${version}`,
    `linux-headers-${version.replace(/-[^-]*$/, "-common")}`,
    `linux-kbuild-${series}`,
  ]);
  buildModule(headers, version, source, built);
  writeFileSync(stamp, readFileSync(source));
  return built;
}

function buildModule(headers: string, version: string, source: string, built: string): void {
  const tree = join(headers, "usr/src", `linux-headers-${version}`);
  const makefile = join(tree, "Makefile");
  writeFileSync(
    makefile,
    readFileSync(makefile, "utf8").replaceAll(/ \/usr\/src\//g, ` ${headers}/usr/src/`),
  );
  const work = `${built}.build`;
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work);
  writeFileSync(join(work, "oops_module.c"), readFileSync(source));
  writeFileSync(join(work, "Makefile"), "obj-m := oops_module.o\n");
  runTool("make", ["-s", "-C", tree, `M=${work}`, "modules"]);
  renameSync(join(work, "oops_module.ko"), built);
  rmSync(work, { recursive: true });
}

function initramfsEntries(modules: string, busybox: string, oops: string): CpioEntry[] {
  const empty = new Uint8Array(0);
  const directories = ["bin", "dev", "m", "proc", "sys"].map((path) => ({
    path,
    mode: DIRECTORY,
    data: empty,
  }));
  const file = (path: string, from: string): CpioEntry => ({
    path,
    mode: EXECUTABLE,
    data: readFileSync(from),
  });
  return [
    ...directories,
    file("bin/busybox", busybox),
    file("init", join(process.cwd(), "test/system/guest/init.sh")),
    file("m/oops_module.ko", oops),
    ...MODULES.filter((name) => existsSync(join(modules, `${name}.ko`))).map((name) =>
      file(`m/${name.replace(/.*\//, "")}.ko`, join(modules, `${name}.ko`)),
    ),
  ];
}
