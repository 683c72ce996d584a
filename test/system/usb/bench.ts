import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { join } from "node:path";
import { FileFlash } from "../../../src/sim/card/flash.js";
import { createCardModel } from "../../../src/sim/card/model.js";
import { createFtdiModel, type FtdiModel } from "../../../src/sim/ftdi/model.js";
import type { FtdiModelChip } from "../../../src/sim/ftdi/options.js";
import { exportFtdi } from "../../../src/sim/usbip/exported-device.js";
import { serveUsbip, type UsbipServer } from "../../../src/sim/usbip/server.js";
import { RealClock } from "../../../src/util/clock.js";

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
    const words = ["sim", "serve", "--usbip", "127.0.0.1:0", "--json", "--export", ...exports];
    const child = spawn(process.execPath, ["dist/cli/main.js", ...words], {
      stdio: ["ignore", "pipe", "inherit"],
    });
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

  /** Ctrl-C; the exit code. */
  stop(): Promise<number | null> {
    const exited = new Promise<number | null>((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGINT");
    return exited;
  }
}

/** FTDI models in this process, exported: the test sees what happens to the chips. */
export class FtdiBench {
  readonly models: readonly FtdiModel[];
  readonly server: UsbipServer;

  private constructor(models: readonly FtdiModel[], server: UsbipServer) {
    this.models = models;
    this.server = server;
  }

  static async start(chip: FtdiModelChip, cards: readonly string[]): Promise<FtdiBench> {
    const clock = new RealClock();
    const models = cards.map((card) => {
      const spi = createCardModel(new FileFlash(card, { readOnly: false }), {});
      return createFtdiModel({ clock, chip, spi, roundTripUs: 0 });
    });
    const devices = models.map((model) => exportFtdi(model));
    return new FtdiBench(models, await serveUsbip({ devices, clock, port: 0 }));
  }
}
