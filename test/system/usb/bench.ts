import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { join } from "node:path";
import { FileFlash } from "../../../src/sim/card/flash.js";
import { createCardModel, type SdCardModel } from "../../../src/sim/card/model.js";
import { serveUsbip, type UsbipServer } from "../../../src/sim/usbip/server.js";
import { RealClock } from "../../../src/util/clock.js";
import { prefer } from "../support/priority.js";
import type { BenchModel, BridgeRow } from "./bridges.js";

export const KMSG_SIZE = "4K";

/** An image of a card with a small pstore partition, made by the command line on this machine. */
export function makeCard(dir: string, name: string): string {
  const path = join(dir, `${name}.img`);
  const device = `sim:${path}?create=16MiB`;
  const words = ["-d", device, "-y", "part", "create", "--label", "pstore", "--size", "16K"];
  execFileSync(process.execPath, ["dist/cli/main.js", ...words], { stdio: "pipe" });
  return path;
}

/** The product itself serves: a child process with `sim serve --usbip`. */
export class ServingProcess {
  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
  }

  static start(exports: readonly string[]): Promise<ServingProcess> {
    const words = [
      "-q",
      "sim",
      "serve",
      "--usbip",
      "127.0.0.1:0",
      "--json",
      "--export",
      ...exports,
    ];
    const child = spawn(process.execPath, ["dist/cli/main.js", ...words], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    prefer(child.pid);
    const killed = (): void => void child.kill("SIGKILL");
    process.once("exit", killed);
    child.once("exit", () => process.off("exit", killed));
    return new Promise((resolve, reject) => {
      let text = "";
      child.once("exit", (code) => reject(new Error(`sim serve ended with ${code}`)));
      child.stdout?.on("data", (chunk: Buffer) => {
        text += chunk.toString();
        if (!text.endsWith("}\n")) return;
        resolve(new ServingProcess(child, (JSON.parse(text) as { port: number }).port));
      });
    });
  }

  /** Ctrl-C; the exit code. Idempotent. */
  stop(): Promise<number | null> {
    if (this.#child.exitCode !== null) return Promise.resolve(this.#child.exitCode);
    const exited = new Promise<number | null>((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGINT");
    return exited;
  }
}

/** A chip model with a card behind it in this process, exported: the test sees what happens to the chip. */
export class Bench {
  readonly model: BenchModel;
  readonly card: SdCardModel;
  readonly server: UsbipServer;
  readonly #flash: FileFlash;

  private constructor(model: BenchModel, card: SdCardModel, server: UsbipServer, flash: FileFlash) {
    this.model = model;
    this.card = card;
    this.server = server;
    this.#flash = flash;
  }

  static async start(row: Pick<BridgeRow, "make" | "card">, image: string): Promise<Bench> {
    const clock = new RealClock();
    const flash = new FileFlash(image, { readOnly: false });
    const card = createCardModel(flash, row.card ?? {});
    const { model, exported } = row.make(clock, card);
    const server = await serveUsbip({ devices: [exported], clock, port: 0 });
    return new Bench(model, card, server, flash);
  }

  get port(): number {
    return this.server.port;
  }

  async stop(): Promise<void> {
    await this.server.close();
    this.#flash.close();
  }
}
