import { join } from "node:path";
import { expect } from "@jest/globals";
import { cli } from "../../support/fake-io.js";
import { TempFolder } from "../../support/temp-images.js";

/** A card with a pstore partition behind simulated adapters, and what the command line records of them. */
export class RecordedRuns {
  readonly folder: TempFolder = new TempFolder();
  readonly #card: string = this.folder.at("card.img");

  async makeCard(): Promise<void> {
    const part = ["-y", "part", "create", "--label", "pstore", "--size", "1M"];
    await this.#done(["-d", `sim:${this.#card}?create=16MiB`, ...part]);
  }

  /** The cassette of one verb, and what it printed. */
  async record(bridge: string, verb: readonly string[]): Promise<{ path: string; out: string }> {
    const path = this.folder.at(`${bridge}.cassette`);
    const device = ["-d", `sim:${this.#card}?bridge=${bridge}`, "--i-checked-3v3"];
    return { path, out: await this.#done([...device, "record", "-o", path, "--", ...verb]) };
  }

  /** The cassette in another format. */
  async export(cassette: string, format: string): Promise<string> {
    const path = join(this.folder.path, `run.${format}`);
    await this.#done(["trace", "export", "--format", format, cassette, path]);
    return path;
  }

  remove(): void {
    this.folder.remove();
  }

  async #done(args: readonly string[]): Promise<string> {
    const { exit, out, err } = await cli(["-q", ...args]);
    expect([args, exit, err]).toEqual([args, 0, ""]);
    return out;
  }
}
