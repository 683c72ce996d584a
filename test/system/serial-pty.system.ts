import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import { FileFlash } from "../../src/sim/card/flash.js";
import { createCardModel, type SdCardModel } from "../../src/sim/card/model.js";
import {
  createSerprogModel,
  type SerprogBoardName,
  type SerprogModel,
} from "../../src/sim/serprog/model.js";
import type { SpiDevice } from "../../src/sim/spi-device.js";
import { RealClock } from "../../src/util/clock.js";
import { carryEcho, carrySilence, Pty } from "./serial/pty.js";
import { FLASH_NAME, SpiFlash } from "./support/spi-flash.js";
import { hasTool, toolEnv } from "./support/tools.js";
import { KMSG_SIZE, makeCard } from "./usb/bench.js";

const tools = [hasTool("socat", "socat"), hasTool("flashrom", "flashrom")].every(Boolean);
const judged = tools ? describe : describe.skip;
const OOPS = "BUG: it is dead\n";
const READ = "0+1M";
/** Longer than anything here takes: whoever runs into it ends with exit 10. */
const TIMEOUT = ["--timeout", "60s"];
let dir: string;
let pty: Pty | undefined;
let flash: FileFlash | undefined;

interface Run {
  readonly exit: number | string;
  readonly out: string;
  readonly err: string;
}

function run(file: string, words: readonly string[], stdin: string = ""): Promise<Run> {
  return new Promise((resolve) => {
    const options = { env: { ...toolEnv, XDG_RUNTIME_DIR: dir }, maxBuffer: 1 << 24 };
    const child = execFile(file, words, options, (error, out, err) => {
      resolve({ exit: error === null ? 0 : (error.code ?? String(error.signal)), out, err });
    });
    child.stdin?.end(stdin);
  });
}

/** The command line in a process of its own, with the real package `serialport`. */
function cli(words: readonly string[], stdin?: string): Promise<Run> {
  const device = ["-d", `serprog:${pty?.path}`, ...TIMEOUT];
  return run(process.execPath, ["dist/cli/main.js", ...device, ...words], stdin);
}

function codeOf({ err }: Run): unknown {
  return (JSON.parse(err.trim().split("\n").at(-1) ?? "") as { code: unknown }).code;
}

/** A board behind the terminal. */
async function plug(board: SerprogBoardName, spi: SpiDevice): Promise<SerprogModel> {
  const clock = new RealClock();
  const model = createSerprogModel({ clock, spi, board, roundTripUs: 0 });
  pty = await Pty.open(dir, "tty", { board: () => model.transport(), clock });
  return model;
}

/** `requireStartUpClocks`: half-duplex firmware cannot give them, and not every card insists. */
function cardOf(name: string, requireStartUpClocks: boolean): SdCardModel {
  flash = new FileFlash(makeCard(dir, name), { readOnly: false });
  return createCardModel(flash, { requireStartUpClocks });
}

judged("serprog behind a pseudo terminal", () => {
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), "mmcpstore-pty-"));
  });

  afterEach(async () => {
    await pty?.close();
    flash?.close();
    [pty, flash] = [undefined, undefined];
  });

  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  test.each([
    ["full", true],
    ["stm32-vserprog", false],
    ["pico-serprog", false],
  ] as const)("%s: info, a record written and read back, blocks", async (board, isFull) => {
    const card = cardOf(board, isFull);
    const model = await plug(board, card);
    const info = await cli(["info", "--json"]);
    expect(info).toMatchObject({ exit: 0 });
    expect(JSON.parse(info.out)).toMatchObject({
      adapter: { chip: expect.stringMatching(/serprog/) },
      table: { entries: [{ label: "pstore" }] },
    });
    const kmsg = ["--kmsg-size", KMSG_SIZE];
    expect(await cli(["-y", "pstore", "write", "-", ...kmsg], OOPS)).toMatchObject({ exit: 0 });
    const shown = await cli(["pstore", "show", "dmesg-pstore_blk-0", ...kmsg]);
    expect(shown).toMatchObject({ exit: 0 });
    expect(shown.out).toContain(OOPS);
    const file = join(dir, "read.bin");
    expect(await cli(["read", "4M+8K", file])).toMatchObject({ exit: 0 });
    const bytes = readFileSync(join(dir, `${board}.img`)).subarray(8192 * 512, 8192 * 512 + 8192);
    expect(readFileSync(file).equals(bytes)).toBe(true);
    expect(model.violations).toEqual([]);
    // Half duplex keeps no rule of SPI mode to the letter: CS rises behind each operation, and its filler is 00.
    if (isFull) expect(card.violations).toEqual([]);
  });

  test.each([50, 150, 250, 350])(
    "the port vanishes %d transfers after the start of a read: exit 4, and it works when it is back",
    async (transfers) => {
      const model = await plug("full", cardOf(`vanishing-${transfers}`, true));
      const reading = cli(["read", READ, join(dir, "long.bin"), "--json"]);
      while (model.submitted < transfers) await delay(1);
      await pty?.close();
      const cut = await reading;
      expect({ exit: cut.exit, code: codeOf(cut) }).toEqual({
        exit: 4,
        code: "TRANSPORT_DISCONNECTED",
      });
      pty = await Pty.open(dir, "tty", { board: () => model.transport(), clock: new RealClock() });
      expect(await cli(["info"])).toMatchObject({ exit: 0 });
    },
  );

  test("a port that another process uses: exit 4, and the other one goes on", async () => {
    const model = await plug("full", cardOf("busy", true));
    const reading = cli(["read", READ, join(dir, "long.bin")]);
    while (model.submitted < 50) await delay(1);
    expect(await cli(["info", "--json"])).toMatchObject({ exit: 4 });
    expect(await reading).toMatchObject({ exit: 0 });
  });

  test.each([
    ["echoes", carryEcho],
    ["stays silent", carrySilence],
  ])("a port that %s is no programmer: exit 6", async (_, carry) => {
    pty = await Pty.open(dir, "tty", carry);
    const info = await cli(["info", "--json"]);
    expect(info).toMatchObject({ exit: 6, err: expect.stringContaining('"BRIDGE_SYNC"') });
  });

  test("no such port: exit 3", async () => {
    const info = await run(process.execPath, ["dist/cli/main.js", "-d", "serprog:/dev/no", "info"]);
    expect(info).toMatchObject({ exit: 3 });
  });

  test.each<SerprogBoardName>(["full", "stm32-vserprog"])(
    "flashrom finds a flash chip behind %s, and reads it",
    async (board) => {
      const chip = new SpiFlash();
      const model = await plug(board, chip);
      const [file, programmer] = [join(dir, "flash.bin"), `serprog:dev=${pty?.path}:115200`];
      const seen = await run("flashrom", ["-p", programmer, "-c", FLASH_NAME, "-r", file]);
      expect(seen).toMatchObject({ exit: 0, err: "" });
      expect(seen.out).toContain(`Found Macronix flash chip "${FLASH_NAME}"`);
      expect(readFileSync(file).equals(chip.content)).toBe(true);
      expect(model.violations).toEqual([]);
    },
  );
});
