import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "@jest/globals";
import { MemoryFlash } from "../../src/sim/card/flash.js";
import { createCardModel } from "../../src/sim/card/model.js";
import { type Answers, runScript } from "./card/protocol-script.js";
import { QemuCard } from "./card/qemu-card.js";
import { hasTool } from "./support/tools.js";

const judged = hasTool("qemu-system-arm", "qemu-system-arm") ? describe : describe.skip;
const MIB = 2 ** 20;

/** Where QEMU 7.2 differs from our model: the step, our answer, its answer, and why. Anything else is a failure. */
type Known = readonly [step: string, ours: string, theirs: string, why: string];
const BOTH: readonly Known[] = [
  ["CMD55", "01", "00", "QEMU is ready after the first ACMD41 although its R1 was idle"],
  [
    "ACMD22",
    "00 00000003 crc right",
    "00 03000000 crc right",
    "QEMU's count is little endian; the specification's is big endian",
  ],
  [
    "CMD18 erased",
    "00 512 x 00 crc right 512 x 00 crc right 512 x 44 crc right stop 00",
    "00 512 x ff crc right 512 x ff crc right 512 x 44 crc right stop 00",
    "QEMU erases to FF although its SCR says 0",
  ],
  [
    "ACMD13",
    `0000 80000000000000000404900008050000${"00".repeat(48)} crc right`,
    `0000 ${"00".repeat(64)} crc right`,
    "QEMU's SD status is empty",
  ],
  ["CMD13 after illegal", "0000", "0400", "QEMU shows the illegal command bit once more"],
];
const KNOWN: Readonly<Record<"sdsc" | "sdhc", readonly Known[]>> = {
  sdsc: [
    ...BOTH,
    [
      "ACMD51",
      "00 0125000000000000 crc right",
      "00 0225000000000000 crc right",
      "SCR: our SDSC card is version 1.x, QEMU's 2.0",
    ],
    ["CMD8", "05ffffffff", "01000001aa", "our SDSC card is of version 1, QEMU's of version 2"],
    ["CMD58", "0080ff8000", "0180ffff00", "QEMU's R1 is always idle; other voltages"],
    [
      "CMD9",
      "00 002600325f59803fc003ff9f8a40009d crc right",
      "00 002600325f59e03fffffdfff926000d5 crc right",
      "CSD: other currents, erase and write groups; the same capacity",
    ],
    [
      "CMD10",
      "00 6d4d5053494d3120105a1eca4d01ab33 crc right",
      "00 aa585951454d552101deadbeef006219 crc right",
      "each has its own CID",
    ],
  ],
  sdhc: [
    ...BOTH,
    [
      "ACMD51",
      "00 0235800000000000 crc right",
      "00 0225000000000000 crc right",
      "SCR: QEMU has other SD_SECURITY and no SD_SPEC3",
    ],
    ["CMD58", "00c0ff8000", "01c0ffff00", "QEMU's R1 is always idle; other voltages"],
    [
      "CMD10",
      "00 6d4d5053494d3220105a1eca4d01abbd crc right",
      "00 aa585951454d552101deadbeef006219 crc right",
      "each has its own CID",
    ],
  ],
};
const cleanUp: (() => Promise<void> | void)[] = [];

async function askQemu(mib: number, unit: 1 | 512): Promise<Answers> {
  const dir = mkdtempSync(join(tmpdir(), "mmcpstore-qemu-compare-"));
  cleanUp.push(() => rmSync(dir, { recursive: true, force: true }));
  const image = join(dir, "card.img");
  writeFileSync(image, "");
  truncateSync(image, mib * MIB);
  const qemu = QemuCard.open(image);
  cleanUp.push(() => qemu.close());
  return runScript(qemu, unit);
}

function shorten(answer: string | undefined): string | undefined {
  return answer?.replace(/([0-9a-f]{2})\1{511}/g, "512 x $1");
}

judged("our card model beside QEMU's", () => {
  afterEach(async () => {
    for (let undo = cleanUp.pop(); undo !== undefined; undo = cleanUp.pop()) await undo();
  });

  test.each([
    ["sdsc", 64, 512],
    ["sdhc", 4096, 1],
  ] as const)("%s of %d MiB", async (kind, mib, unit) => {
    const model = createCardModel(new MemoryFlash(mib * 2048), { kind, initialisationUs: 1 });
    const ours = runScript(model, unit);
    const theirs = await askQemu(mib, unit);
    expect(model.violations).toEqual([]);
    const different = [...ours]
      .map(([name, answer]) => [name, shorten(answer), shorten(theirs.get(name))] as const)
      .filter(([, our, their]) => our !== their);
    const known = KNOWN[kind].map(([name, our, their]) => [name, our, their]);
    expect([...ours.keys()].sort()).toEqual([...theirs.keys()].sort());
    expect(different.map(String).sort()).toEqual(known.map(String).sort());
  });
});
