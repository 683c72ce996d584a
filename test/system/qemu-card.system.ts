import {
  closeSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import { openFtdi } from "../../src/bridge/ftdi/driver.js";
import { openCard, type SdCard } from "../../src/card/sd-card.js";
import { createSpiModeBus } from "../../src/card/spi-mode/spi-mode-bus.js";
import { SimClock } from "../../src/sim/clock.js";
import { createFtdiModel } from "../../src/sim/ftdi/model.js";
import type { SpiDevice } from "../../src/sim/spi-device.js";
import type { SpiBridge } from "../../src/spi/bridge.js";
import type { Clock } from "../../src/util/clock.js";
import { createDirectBridge, ManualClock } from "../support/direct-bridge.js";
import { QemuCard } from "./card/qemu-card.js";
import { hasTool, runTool } from "./support/tools.js";

const judged = hasTool("qemu-system-arm", "qemu-system-arm") ? describe : describe.skip;
const BLOCK = 512;
const MIB = 2 ** 20;
const FREQUENCY_HZ = 400_000;

interface Rig {
  readonly clock: Clock;
  readonly bridge: SpiBridge;
}
/** The chip looks at MISO without clocking once CS is high; the bus's pull-up is what it would see. */
function deselectable(device: QemuCard): SpiDevice {
  let level: "high" | "low" = "high";
  return {
    setCs: (next) => {
      level = next;
      device.setCs(next);
    },
    exchange: (mosi, miso, length, timing) => device.exchange(mosi, miso, length, timing),
    peek: () => (level === "high" ? 0xff : device.peek()),
  };
}

type Wiring = (device: QemuCard) => Promise<Rig>;

const WIRINGS: readonly (readonly [string, Wiring])[] = [
  [
    "a direct bridge",
    async (device) => {
      const clock = new ManualClock();
      return { clock, bridge: createDirectBridge({ device, clock, frequencyHz: FREQUENCY_HZ }) };
    },
  ],
  [
    "an FT232H, driver and model",
    async (device) => {
      const clock = new SimClock();
      const model = createFtdiModel({ clock, spi: deselectable(device) });
      return { clock, bridge: await openFtdi({ transport: model.transport(0), clock }) };
    },
  ],
];
const CARDS = [
  ["SDSC", 64],
  ["SDSC", 2048],
  ["SDHC", 4096],
] as const;
const CASES = CARDS.flatMap(([kind, mib]) =>
  WIRINGS.map(([name, wire]) => [kind, mib, name, wire] as const),
);

const pattern = (blocks: number, seed: number): Uint8Array =>
  Uint8Array.from({ length: blocks * BLOCK }, (_, at) => (at * 7 + (at >> 9) * 31 + seed) & 0xff);

/** What must be done after a test, whether it passed or not, last first. */
const cleanUp: (() => Promise<void> | void)[] = [];

function startCard(mib: number): { readonly image: string; readonly qemu: QemuCard } {
  const dir = mkdtempSync(join(tmpdir(), "mmcpstore-qemu-card-"));
  cleanUp.push(() => rmSync(dir, { recursive: true, force: true }));
  const image = join(dir, "card.img");
  writeFileSync(image, "");
  truncateSync(image, mib * MIB);
  const qemu = QemuCard.open(image);
  cleanUp.push(() => qemu.close());
  return { image, qemu };
}

function inImage(image: string, lba: number, blocks: number): Uint8Array {
  const file = openSync(image, "r");
  try {
    const into = new Uint8Array(blocks * BLOCK);
    expect(readSync(file, into, 0, into.length, lba * BLOCK)).toBe(into.length);
    return into;
  } finally {
    closeSync(file);
  }
}

async function readBack(card: SdCard, lba: number, blocks: number): Promise<Uint8Array> {
  const into = new Uint8Array(blocks * BLOCK).fill(0x5a);
  await card.read(lba, into);
  return into;
}

function same(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0;
}

judged("QEMU's SD card judges the card layer", () => {
  beforeAll(() => {
    process.stderr.write(`${runTool("qemu-system-arm", ["--version"]).split("\n")[0]}\n`);
  });

  afterEach(async () => {
    for (let undo = cleanUp.pop(); undo !== undefined; undo = cleanUp.pop()) await undo();
  });

  test.each(CASES)("%s of %d MiB behind %s", async (kind, mib, _name, wire) => {
    const { image, qemu } = startCard(mib);
    const { clock, bridge } = await wire(qemu);
    const card = await openCard({ bus: createSpiModeBus({ bridge, clock }), clock });
    const last = (mib * MIB) / BLOCK - 1;
    const written = [
      [5, pattern(1, 1)],
      [100, pattern(37, 2)],
      [last, pattern(1, 3)],
    ] as const;

    expect(card.identity.kind).toBe(kind);
    expect(card.blockCount).toBe(last + 1);
    expect(card.identity.cid.raw).toMatch(/^aa585951454d5521/i);
    expect(card.identity.integrityClass).toBe("B");
    for (const [lba, data] of written) {
      await card.write(lba, data);
      expect(same(await readBack(card, lba, data.length / BLOCK), data)).toBe(true);
    }
    const around = pattern(66, 4);
    await card.write(2000, around);
    await card.erase?.(2001, 64);
    const erased = await readBack(card, 2000, 66);
    expect(card.counters).toEqual({ crcErrors: 0, clockStepsDown: 0, recoveries: 0 });
    expect(card.stateKnown).toBe(true);
    await card.close();
    await qemu.close();

    for (const [lba, data] of written)
      expect(same(inImage(image, lba, data.length / BLOCK), data)).toBe(true);
    expect(same(inImage(image, 2000, 66), erased)).toBe(true);
    expect(same(erased.subarray(0, BLOCK), around.subarray(0, BLOCK))).toBe(true);
    expect(same(erased.subarray(65 * BLOCK), around.subarray(65 * BLOCK))).toBe(true);
    const middle = new Set(erased.subarray(BLOCK, 65 * BLOCK));
    expect(middle.size).toBe(1);
    expect([0x00, 0xff]).toContain([...middle][0]);
  });
});
