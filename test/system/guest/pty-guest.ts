import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { exitOf, type GuestRun, qemuArguments, writeInitrd } from "./guest.js";
import { prepareKernel } from "./kernel.js";

/** QEMU says `char device redirected to /dev/pts/4 (label serial0)` on stdout or stderr. */
const REDIRECTED = /redirected to (\S+)/;

/** A guest whose first serial port, the kernel's console, is a pseudo terminal of this machine. */
export class PtyGuest {
  /** `/dev/pts/4` */
  readonly path: string;
  /** Resolves when the guest is over. */
  readonly exited: Promise<void>;
  readonly #child: ChildProcess;
  readonly #dir: string;

  private constructor(path: string, child: ChildProcess, exited: Promise<void>, dir: string) {
    this.path = path;
    this.exited = exited;
    this.#child = child;
    this.#dir = dir;
  }

  /** Stands still until {@link start}: nothing is said before somebody listens. */
  static async boot(run: GuestRun, parent: string): Promise<PtyGuest> {
    const kernel = prepareKernel();
    const dir = mkdtempSync(join(parent, "guest-"));
    const initrd = writeInitrd(kernel, run.job, dir);
    const files = { text: join(dir, "job.out"), console: "chardev:console", initrd };
    const console = ["-chardev", `pty,id=console,logfile=${join(dir, "console.raw")}`];
    // The monitor on stdio: stdout tells the terminal's name, stdin starts the machine.
    const args = [...console, ...qemuArguments(kernel, run, files), "-S", "-monitor", "stdio"];
    const child = spawn("qemu-system-x86_64", args, { stdio: ["pipe", "pipe", "pipe"] });
    const exited = exitOf(child);
    return new PtyGuest(await ptyOf(child, exited), child, exited, dir);
  }

  start(): void {
    this.#child.stdin?.write("cont\n");
  }

  /** What the job printed. */
  get text(): string {
    return readFileSync(join(this.#dir, "job.out"), "latin1").replaceAll("\r", "");
  }

  /** Every byte that went through the serial port. */
  get console(): Buffer {
    return readFileSync(join(this.#dir, "console.raw"));
  }

  /** Ends it if it still runs, and takes its files away. */
  async dispose(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null)
      this.#child.kill("SIGKILL");
    await this.exited;
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

function ptyOf(child: ChildProcess, exited: Promise<void>): Promise<string> {
  let said = "";
  return new Promise((resolve, reject) => {
    const hear = (bytes: Buffer): void => {
      said += bytes.toString("latin1");
      const path = REDIRECTED.exec(said)?.[1];
      if (path !== undefined) resolve(path);
    };
    child.stdout?.on("data", hear);
    child.stderr?.on("data", hear);
    exited.then(() => reject(new Error(`QEMU gave no terminal:\n${said}`)), reject);
  });
}
