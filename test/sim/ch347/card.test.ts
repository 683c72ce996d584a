import { describe, expect, test } from "@jest/globals";
import type { SdCard } from "../../../src/card/sd-card.js";
import type { Ch347ModelOptions, UsbCounts } from "../../../src/sim/ch347/model.js";
import { deadlineIn } from "../../../src/util/deadline.js";
import { errorCode } from "../../../src/util/errors.js";
import { pattern } from "../../support/bench-card.js";
import { type CardRig, cardRig, openOver } from "./support.js";

const BLOCK = 512;
const KIB_64: number = 128 * BLOCK;

/** What `work` adds to the counters. */
async function counted({ model }: CardRig, work: () => Promise<void>): Promise<UsbCounts> {
  const before = model.counters;
  await work();
  const after = model.counters;
  const names = Object.keys(after) as (keyof UsbCounts)[];
  return Object.fromEntries(
    names.map((name) => [name, after[name] - before[name]]),
  ) as unknown as UsbCounts;
}

describe("a card behind a CH347", () => {
  test.each<[string, string, Partial<Ch347ModelOptions>]>([
    ["T", "CH347T", {}],
    ["F", "CH347F", { part: "ch347f" }],
    ["T behind a full-speed hub", "CH347T", { packetSize: 64 }],
    ["T there, without empty packets", "CH347T", { packetSize: 64, zeroLengthPackets: false }],
    ["T that splits its answers", "CH347T", { splitBytes: 100 }],
  ])("%s is identified, written, read, and left alone", async (_, name, chip) => {
    const { clock, model, card } = cardRig({ chip });
    const { bridge, device } = await openOver(model.transport(), clock);
    expect(bridge.chip.name).toBe(name);
    const data = pattern(9 * BLOCK);
    await device.write(100, data);
    const back = new Uint8Array(data.length);
    await device.read(100, back);
    expect(Buffer.from(back).equals(Buffer.from(data))).toBe(true);
    await device.close();
    expect(card.violations).toEqual([]);
    expect(model.violations).toEqual([]);
    expect(model.engine.cs).toBe("high");
    expect(card.inTransferState).toBe(true);
  });

  test("that insists on 400 kHz has something to say, and works", async () => {
    const { clock, model, card } = cardRig({ card: { maxIdentificationHz: 400_000 } });
    const { device } = await openOver(model.transport(), clock);
    await device.read(0, new Uint8Array(BLOCK));
    await device.close();
    expect(new Set(card.violations.map(({ rule }) => rule))).toEqual(
      new Set(["identification-clock"]),
    );
  });

  test("gives 64 KiB in 140 IN transfers, all of them the first time too", async () => {
    const rig = cardRig();
    const { device } = await openOver(rig.model.transport(), rig.clock);
    const into = new Uint8Array(KIB_64);
    for (const count of [1, 2, 3]) {
      const { inTransfers, inPackets } = await counted(rig, () => device.read(0, into));
      expect([count, inTransfers <= 140 ? "few" : inTransfers]).toEqual([count, "few"]);
      expect(inPackets).toBe(inTransfers);
    }
    await device.close();
  });

  test("reads at 1.5 MB/s or more at 15 MHz, and 4 MB/s at 60 MHz", async () => {
    for (const [frequencyHz, least] of [
      [15e6, 1.4e6],
      [60e6, 3.9e6],
    ] as const) {
      const { clock, model } = cardRig();
      const options = { speedHz: frequencyHz };
      const { device } = await openOver(model.transport(), clock, options);
      expect(model.engine.frequencyHz).toBe(frequencyHz);
      const into = new Uint8Array(4 * KIB_64);
      await device.read(0, into);
      const startUs = clock.nowUs();
      await device.read(0, into);
      expect((into.length * 1e6) / (clock.nowUs() - startUs)).toBeGreaterThan(least);
      await device.close();
    }
  });
});

interface Outcome {
  readonly code: string;
  /** Transfers until the use of the card was over, if it came to that. */
  readonly used: number;
}

/** Opens the card and uses it; what went wrong, by its code. */
async function outcomeOf(
  { clock, model }: CardRig,
  use: (card: SdCard) => Promise<unknown>,
): Promise<Outcome> {
  let used = Infinity;
  try {
    const { device } = await openOver(model.transport(), clock);
    try {
      await use(device);
      used = model.submitted;
    } finally {
      await device.close();
    }
    return { code: "done", used };
  } catch (error) {
    return { code: errorCode(error) ?? String(error), used };
  }
}

/** Unplugs at every transfer from `from` on, up to the last one; returns how many there are. */
async function unplugEverywhere(
  use: (card: SdCard) => Promise<unknown>,
  from: number,
): Promise<number> {
  for (let index = from; ; index++) {
    const rig = cardRig();
    rig.model.unplug(index);
    const { code, used } = await outcomeOf(rig, use);
    if (rig.model.submitted <= index) return index;
    // A close does not fail; nothing before it is lost without a word.
    const wanted = index < used ? "TRANSPORT_DISCONNECTED" : "done";
    if (code !== wanted) throw new Error(`unplugged at transfer ${index}: ${code}`);
    if (rig.clock.nowUs() > 3e6) throw new Error(`unplugged at transfer ${index}: took too long`);
  }
}

async function transfersUntilOpen(): Promise<number> {
  const { clock, model } = cardRig();
  await openOver(model.transport(), clock);
  return model.submitted;
}

describe("an adapter pulled out", () => {
  test("at any transfer of opening, identifying and reading a block is told at once", async () => {
    const read = (card: SdCard): Promise<void> => card.read(7, new Uint8Array(BLOCK));
    const transfers = await unplugEverywhere(read, 0);
    expect(transfers).toBeGreaterThan(await transfersUntilOpen());
  });

  test("at any transfer of a write of 4 KiB is told at once", async () => {
    const data = pattern(8 * BLOCK);
    const from = await transfersUntilOpen();
    const transfers = await unplugEverywhere((card) => card.write(50, data), from);
    expect(transfers - from).toBeGreaterThan(2 * 8);
  });

  test("and put back in is opened again, the card as it was written", async () => {
    const { clock, model } = cardRig();
    const { device } = await openOver(model.transport(), clock);
    await device.write(9, pattern(BLOCK));
    const reading = device.read(0, new Uint8Array(KIB_64)).catch(errorCode);
    await clock.sleep(10_000);
    model.unplug();
    expect(await reading).toBe("TRANSPORT_DISCONNECTED");
    await device.close();
    model.replug();
    const again = await openOver(model.transport(), clock);
    const into = new Uint8Array(BLOCK);
    await again.device.read(9, into);
    expect(Buffer.from(into).equals(Buffer.from(pattern(BLOCK)))).toBe(true);
    await again.device.close();
  });
});

describe("a card operation", () => {
  test("ends at its deadline, and the next one works", async () => {
    const { clock, model } = cardRig();
    const { device, bridge } = await openOver(model.transport(), clock);
    const late = device.read(0, new Uint8Array(KIB_64), deadlineIn(clock, 20)).catch(errorCode);
    expect(["BRIDGE_TIMEOUT", "CARD_TIMEOUT"]).toContain(await late);
    await device.read(0, new Uint8Array(BLOCK));
    await bridge.abort(deadlineIn(clock, 1000));
    await device.close();
    expect(model.violations).toEqual([]);
  });
});
