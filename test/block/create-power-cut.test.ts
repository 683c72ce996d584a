import { describe, expect, test } from "@jest/globals";
import { applyCreate, type CreatePlan, planCreate } from "../../src/block/create.js";
import { type PartitionEntry, readTable } from "../../src/block/table.js";
import { errorOf, fixedRandom, fixtureDevice, SparseDevice, TORN_STATES } from "./support.js";

const MIB = 1024 * 1024;

interface Scene {
  readonly what: string;
  readonly device: () => SparseDevice;
}

const SCENES: readonly Scene[] = [
  { what: "a blank device", device: () => new SparseDevice(131_072) },
  { what: "a GPT", device: () => fixtureDevice("gpt-128") },
  { what: "a GPT of 16 entries with holes", device: () => fixtureDevice("gpt-16") },
  { what: "a GPT with a hybrid MBR", device: () => fixtureDevice("gpt-hybrid") },
  { what: "a GPT whose primary is damaged", device: () => damaged(1) },
  { what: "a GPT whose backup is damaged", device: () => damaged(131_071) },
  {
    what: "a GPT on an image that has grown",
    device: () => fixtureDevice("gpt-128").copy({ blockCount: 262_144 }),
  },
  {
    what: "a GPT on an image that has grown by less than a table",
    device: () => fixtureDevice("gpt-128").copy({ blockCount: 131_080 }),
  },
  {
    what: "a GPT without its MBR",
    device: () => {
      const device = fixtureDevice("gpt-128");
      device.set(0, new Uint8Array(512));
      return device;
    },
  },
  { what: "an MBR with logical partitions", device: () => fixtureDevice("mbr-logical") },
];

function damaged(lba: number): SparseDevice {
  const device = fixtureDevice("gpt-128");
  device.set(lba, new Uint8Array(512));
  return device;
}

const planFor = (device: SparseDevice): Promise<CreatePlan> =>
  planCreate(device, { label: "new", sizeBytes: MIB, random: fixedRandom() });

async function entriesOn(device: SparseDevice): Promise<readonly PartitionEntry[]> {
  return (await readTable(device)).entries;
}

describe("the power cut at every sector, in every state of the sector in flight", () => {
  test.each(SCENES)("$what: the old partitions, or the new ones", async ({ device: scene }) => {
    const before = await entriesOn(scene());
    const whole = scene();
    const plan = await planFor(whole);
    await applyCreate(whole, plan);
    const after = await entriesOn(whole);
    expect(after).toHaveLength(before.length + 1);
    for (let cut = 0; cut < whole.written; cut++)
      for (const state of TORN_STATES) {
        const device = scene();
        device.cutPower(cut, state);
        await errorOf(applyCreate(device, plan));
        const found = await entriesOn(device);
        const wanted = found.length === before.length ? before : after;
        expect({ cut, state, found }).toEqual({ cut, state, found: wanted });
        await finishLater({ cut, state }, device, after);
      }
  });

  /** What was cut can be done again, and ends with both copies good. */
  async function finishLater(
    id: object,
    cut: SparseDevice,
    after: readonly PartitionEntry[],
  ): Promise<void> {
    const device = cut.copy();
    if ((await entriesOn(device)).length === after.length) return;
    await applyCreate(device, await planFor(device));
    const codes = (await readTable(device)).findings.map(({ code }) => code);
    expect({ id, codes: codes.filter((code) => code !== "hybrid-mbr") }).toEqual({ id, codes: [] });
    expect({ id, numbers: (await entriesOn(device)).map(({ number }) => number) }).toEqual({
      id,
      numbers: after.map(({ number }) => number),
    });
  }
});
