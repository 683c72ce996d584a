import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { serveUsbip } from "../../src/sim/usbip/server.js";
import { RealClock } from "../../src/util/clock.js";
import { FLASH_BYTES, FLASH_NAME, SpiFlash } from "./support/spi-flash.js";
import { hasTool } from "./support/tools.js";
import { Bench, makeCard } from "./usb/bench.js";
import { type BenchModel, BRIDGES, type BridgeRow } from "./usb/bridges.js";
import { UsbGuest } from "./usb/guest.js";
import * as models from "./usb/models.js";

const tools = [
  hasTool("qemu-system-x86_64", "qemu-system-x86"),
  hasTool("flashrom", "flashrom"),
].every(Boolean);
const judged = tools ? describe : describe.skip;
const READ_ID = 0x9f;
const HUB_PORT = 0;
const report: string[] = [];
let dir: string;
let guest: UsbGuest;

/** A bridge as a programmer of flashrom. */
const PROGRAMMERS: readonly Programmer[] = [
  // To a flash chip the level of MOSI while it answers is all the same.
  { bridge: "FT232H", programmer: "ft2232_spi:type=232H", allowed: ["mosi-low"] },
  {
    bridge: "FT2232H channel B",
    programmer: "ft2232_spi:type=2232H,port=B",
    allowed: ["mosi-low"],
  },
  // It asks for just as many bytes as an answer has: good with the real chip too.
  {
    bridge: "CH341A",
    programmer: "ch341a_spi",
    allowed: ["in-length"],
    // It relies on its 32 IN transfers being posted again in time, which an emulated kernel does not do.
    make: (clock, spi) => models.ch341(clock, spi, FLASH_BYTES),
  },
  { bridge: "serprog over CDC-ACM", programmer: "serprog:dev=/dev/ttyACM0:115200", allowed: [] },
];

interface Programmer {
  readonly bridge: string;
  /** `-p` of flashrom. */
  readonly programmer: string;
  /** Rules of our models that flashrom may break. */
  readonly allowed: readonly string[];
  readonly make?: BridgeRow["make"];
}

/** flashrom looks for every chip it knows, also for those that a programmer cannot map: that is about the chip. */
const NOT_MAPPABLE = /^serprog: requested mapping .* is incompatible: .*\n/gm;

/** flashrom in the guest, on a device that is plugged in just for it. */
async function flashrom(row: BridgeRow, port: number, words: readonly string[]): Promise<Seen> {
  const agent = await guest.agent();
  try {
    await agent.attach(port, "1-1", HUB_PORT);
    await agent.until(row.settled);
    const { exit, out, err: all } = await agent.exec("flashrom", words);
    const read =
      exit === 0 && words.includes("-r") ? await agent.read("/run/flash.bin") : undefined;
    const err = all.replaceAll(NOT_MAPPABLE, "");
    await agent.detach(HUB_PORT);
    await agent.until(row.settled, false);
    return { exit, out, err, read };
  } finally {
    await agent.quit();
  }
}

interface Seen {
  readonly exit: number | string;
  readonly out: string;
  readonly err: string;
  readonly read: Buffer | undefined;
}

judged("flashrom on exported bridges", () => {
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), "mmcpstore-flashrom-"));
    guest = await UsbGuest.boot();
  });

  afterAll(async () => {
    await guest?.close();
    rmSync(dir, { recursive: true, force: true });
    process.stdout.write(`\nflashrom over vhci_hcd of Debian's kernel:\n${report.join("\n")}\n`);
  });

  describe.each(PROGRAMMERS)("$bridge as $programmer", ({ bridge, programmer, allowed, make }) => {
    const broken = ({ violations }: BenchModel): string[] =>
      violations.map(({ rule }) => rule).filter((rule) => !allowed.includes(rule));
    const found = BRIDGES.find(({ name }) => name === bridge) as BridgeRow;
    const row = make === undefined ? found : { ...found, make };

    test("opens it, probes, and finds no flash chip in a card", async () => {
      const bench = await Bench.start(row, makeCard(dir, bridge.replaceAll(/\W/g, "")));
      const seen = await flashrom(row, bench.port, ["-p", programmer]);
      await bench.stop();
      expect(seen).toMatchObject({ exit: 1, err: "" });
      expect(seen.out).toContain("No EEPROM/flash device found.");
      expect(broken(bench.model)).toEqual([]);
      report.push(`  ${bridge} as ${programmer}: probed, nothing to find`);
    });

    test("finds the chip that is there, and reads all of it", async () => {
      const flash = new SpiFlash();
      const clock = new RealClock();
      const { model, exported } = row.make(clock, flash);
      const server = await serveUsbip({ devices: [exported], clock, port: 0 });
      const words = ["-p", programmer, "-c", FLASH_NAME, "-r", "/run/flash.bin"];
      const seen = await flashrom(row, server.port, words);
      await server.close();
      expect(seen).toMatchObject({ exit: 0, err: "" });
      expect(seen.out).toContain(`Found Macronix flash chip "${FLASH_NAME}"`);
      expect(flash.opcodes).toContain(READ_ID);
      expect(seen.read).toHaveLength(FLASH_BYTES);
      expect(seen.read?.equals(flash.content)).toBe(true);
      expect(broken(model)).toEqual([]);
      report.push(`  ${bridge} as ${programmer}: ${FLASH_NAME} found, ${FLASH_BYTES} bytes read`);
    });
  });
});
