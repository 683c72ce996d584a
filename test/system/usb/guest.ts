import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { gzipSync } from "node:zlib";
import { type CpioEntry, encodeCpio } from "../guest/cpio.js";
import { fetchKernel, type KernelFiles } from "../guest/kernel.js";
import { prefer } from "../support/priority.js";
import { Agent } from "./agent.js";

/** In the order in which they need each other. */
const MODULES = [
  "drivers/virtio/virtio_ring",
  "drivers/virtio/virtio",
  "drivers/virtio/virtio_pci_modern_dev",
  "drivers/virtio/virtio_pci_legacy_dev",
  "drivers/virtio/virtio_pci",
  "net/9p/9pnet",
  "net/9p/9pnet_virtio",
  "fs/netfs/netfs",
  "fs/fscache/fscache",
  "fs/9p/9p",
  "net/core/failover",
  "drivers/net/net_failover",
  "drivers/net/virtio_net",
  "drivers/usb/common/usb-common",
  "drivers/usb/core/usbcore",
  "drivers/usb/usbip/usbip-core",
  "drivers/usb/usbip/vhci-hcd",
  "drivers/usb/serial/usbserial",
  "drivers/usb/serial/ftdi_sio",
  "drivers/usb/serial/ch341",
  "drivers/usb/class/cdc-acm",
  "drivers/hid/hid",
  "drivers/hid/hid-generic",
  "drivers/hid/usbhid/usbhid",
];

const HOST_IN_GUEST = "10.0.2.2";
const EXECUTABLE = 0o100755;
const DIRECTORY = 0o040755;
const BOOT_LIMIT_MS = 150_000;
const TRIES = 3;

/**
 * A Debian kernel under QEMU with USB/IP's virtual host controller, whose root is this machine's own file system, read-only. One
 * node process after the other runs in it and does what the test tells it ({@link Agent}).
 */
export class UsbGuest {
  readonly #dir: string;
  readonly #control: Server;
  readonly #arrived: Agent[] = [];
  readonly #awaiting: ((agent: Agent) => void)[] = [];
  #qemu: ChildProcess | undefined;

  private constructor() {
    this.#dir = mkdtempSync(join(tmpdir(), "mmcpstore-usb-guest-"));
    this.#control = createServer({ noDelay: true }, (socket) => this.#arrive(socket));
  }

  /** Resolves with the guest and its first agent. On a busy host a kernel sometimes dies in early boot: tried again. */
  static async boot(): Promise<UsbGuest> {
    const guest = new UsbGuest();
    await new Promise<void>((resolve) => guest.#control.listen(0, "127.0.0.1", resolve));
    for (let attempt = 1; ; attempt++) {
      try {
        await guest.#start();
        return guest;
      } catch (error) {
        if (attempt === TRIES) {
          await guest.close();
          throw error;
        }
      }
    }
  }

  /** The next node process in the guest. */
  async agent(): Promise<Agent> {
    const arrived = this.#arrived.shift();
    if (arrived !== undefined) return arrived;
    return new Promise((resolve, reject) => {
      const late = setTimeout(
        () => reject(new Error(`no agent came\n${this.console.slice(-3000)}`)),
        BOOT_LIMIT_MS,
      );
      this.#awaiting.push((agent) => {
        clearTimeout(late);
        resolve(agent);
      });
    });
  }

  /** What the kernel and the shell printed. */
  get console(): string {
    const path = join(this.#dir, "console.out");
    return existsSync(path) ? readFileSync(path, "latin1").replaceAll("\r", "") : "";
  }

  async close(): Promise<void> {
    await this.#stop();
    for (const agent of this.#arrived) agent.drop();
    await new Promise((resolve) => this.#control.close(resolve));
    rmSync(this.#dir, { recursive: true, force: true });
  }

  #arrive(socket: Socket): void {
    const agent = new Agent(socket);
    const next = this.#awaiting.shift();
    if (next === undefined) this.#arrived.push(agent);
    else next(agent);
  }

  async #start(): Promise<void> {
    const kernel = fetchKernel();
    const { port } = this.#control.address() as { port: number };
    const initrd = join(this.#dir, "initrd");
    writeFileSync(initrd, gzipSync(encodeCpio(initramfs(kernel, port)), { level: 1 }));
    const qemu = spawn("qemu-system-x86_64", qemuArguments(kernel, initrd, this.#dir), {
      stdio: ["ignore", "ignore", "inherit"],
    });
    this.#qemu = qemu;
    prefer(qemu.pid);
    const killed = (): void => void qemu.kill("SIGKILL");
    process.once("exit", killed);
    qemu.once("exit", () => process.off("exit", killed));
    const died = new Promise<never>((_, reject) => {
      qemu.once("error", reject);
      qemu.once("exit", () => reject(new Error(`the guest died:\n${this.console.slice(-3000)}`)));
    });
    died.catch(() => undefined);
    const first = await Promise.race([this.agent(), died]);
    this.#arrived.unshift(first);
  }

  async #stop(): Promise<void> {
    const qemu = this.#qemu;
    if (qemu === undefined || qemu.exitCode !== null || qemu.signalCode !== null) return;
    const exited = new Promise((resolve) => qemu.once("exit", resolve));
    qemu.kill("SIGKILL");
    await exited;
  }
}

/** Agents one after the other, until one does not end well. */
function job(port: number): string {
  const root = process.cwd();
  const agent = join(root, "test/system/usb/guest-agent.mjs");
  return `export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/run TMPDIR=/run XDG_RUNTIME_DIR=/run XDG_CONFIG_HOME=/run/config
cd /run
while '${process.execPath}' '${agent}' ${HOST_IN_GUEST} ${port} '${root}'; do :; done
echo GUEST-DONE
echo o > /proc/sysrq-trigger
sleep 60
`;
}

function initramfs(kernel: KernelFiles, port: number): CpioEntry[] {
  const file = (path: string, data: Uint8Array | string): CpioEntry => ({
    path,
    mode: EXECUTABLE,
    data: Buffer.from(data as string),
  });
  const folders = ["bin", "dev", "mod", "proc", "r", "sys"];
  return [
    ...folders.map((path) => ({ path, mode: DIRECTORY, data: new Uint8Array(0) })),
    file("bin/busybox", readFileSync(kernel.busybox)),
    file("init", readFileSync(join(process.cwd(), "test/system/usb/init.sh"))),
    file("job.sh", job(port)),
    file("mod/order", MODULES.map((name) => basename(name)).join("\n")),
    ...MODULES.map((name) =>
      file(`mod/${basename(name)}.ko`, readFileSync(join(kernel.modules, `${name}.ko`))),
    ),
  ];
}

function qemuArguments(kernel: KernelFiles, initrd: string, dir: string): string[] {
  const words = (text: string): string[] => text.split(" ");
  return [
    ...words("-nodefaults -no-user-config -machine pc -accel tcg,thread=multi -cpu max -smp 2"),
    ...words("-m 1024 -display none -monitor none -no-reboot"),
    ...words("-fsdev local,id=host,path=/,security_model=none,readonly=on,multidevs=remap"),
    ...words("-device virtio-9p-pci,fsdev=host,mount_tag=host"),
    ...words("-netdev user,id=net -device virtio-net-pci,netdev=net"),
    ...["-serial", `file:${join(dir, "console.out")}`],
    ...["-kernel", kernel.vmlinuz, "-initrd", initrd, "-append"],
    "console=ttyS0 quiet loglevel=6 panic=-1 mitigations=off no_timer_check tsc=unstable nokaslr rdinit=/init",
  ];
}
