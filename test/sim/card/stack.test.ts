import { describe, expect, test } from "@jest/globals";
import { openCard, type SdCard } from "../../../src/card/sd-card.js";
import { createSpiModeBus } from "../../../src/card/spi-mode/spi-mode-bus.js";
import { MemoryFlash } from "../../../src/sim/card/flash.js";
import { createCardModel, type SdCardModel } from "../../../src/sim/card/model.js";
import type { CardModelKind, CardModelOptions, Quirk } from "../../../src/sim/card/options.js";
import { createDirectBridge, ManualClock } from "../../support/direct-bridge.js";

const SECTORS: Readonly<Record<CardModelKind, number>> = {
  sdsc: 131_072,
  sdhc: 131_072,
  sdxc: 64 * 2 ** 21,
  mmc: 131_072,
};

interface Bench {
  readonly card: SdCard;
  readonly model: SdCardModel;
  readonly clock: ManualClock;
}

async function bench(kind: CardModelKind, options: Partial<CardModelOptions> = {}): Promise<Bench> {
  const clock = new ManualClock();
  const model = createCardModel(new MemoryFlash(SECTORS[kind]), { ...options, kind });
  const bridge = createDirectBridge({ device: model, clock, frequencyHz: 400_000 });
  const card = await openCard({ bus: createSpiModeBus({ bridge, clock }), clock });
  return { card, model, clock };
}

const KINDS = Object.keys(SECTORS) as CardModelKind[];
const pattern = (blocks: number, seed: number): Uint8Array =>
  Uint8Array.from({ length: blocks * 512 }, (_, at) => (at * 7 + (at >> 9) * 31 + seed) & 0xff);

describe.each(KINDS)("a card of kind %s behind the real card layer", (kind) => {
  test("is identified with CRC proved on, and the host breaks no rule", async () => {
    const { card, model } = await bench(kind);
    expect(card.identity.kind).toBe(kind.toUpperCase());
    expect(card.blockCount).toBe(SECTORS[kind]);
    expect(card.identity.integrityClass).toBe("A");
    expect(model.crcOn).toBe(true);
    expect(model.violations).toEqual([]);
  });

  test("gives back what was written, one block and many, and is left in transfer state", async () => {
    const { card, model } = await bench(kind);
    await card.write(5, pattern(1, 1));
    await card.write(100, pattern(37, 2));
    const [one, many] = [new Uint8Array(512), new Uint8Array(37 * 512)];
    await card.read(5, one);
    await card.read(100, many);
    expect(one).toEqual(pattern(1, 1));
    expect(many).toEqual(pattern(37, 2));
    await card.close();
    expect(model.violations).toEqual([]);
    expect(model.inTransferState).toBe(true);
  });

  test("reads and writes its last block, erases a range", async () => {
    const { card, model } = await bench(kind);
    const last = SECTORS[kind] - 1;
    await card.write(last, pattern(1, 9));
    const into = new Uint8Array(512);
    await card.read(last, into);
    expect(into).toEqual(pattern(1, 9));
    await card.erase?.(last, 1);
    await card.read(last, into);
    expect(into).toEqual(new Uint8Array(512));
    expect(model.violations).toEqual([]);
  });
});

const TIMINGS: Partial<CardModelOptions>[] = [
  {
    ncr: 0,
    nac: { bytes: 0 },
    gap: 0,
    busy: { bytes: 0 },
    stopBusy: { bytes: 0 },
    dataResponseUpperBits: 0,
  },
  {
    ncr: 8,
    nac: { us: 90_000 },
    gap: 5,
    busy: { us: 240_000 },
    stopBusy: { us: 100_000 },
    dataResponseDelay: 3,
  },
  {
    ncr: 3,
    nac: { bytes: 700 },
    gap: 2,
    busy: { bytes: 3000 },
    csRise: "freeze",
    commandsInReceive: "stop",
  },
  { initialisationUs: 900_000, erasedByte: 0xff },
];

test.each(TIMINGS.map((options) => [JSON.stringify(options), options] as const))(
  "timing %s",
  async (_name, options) => {
    const { card, model } = await bench("sdhc", options);
    await card.write(64, pattern(20, 3));
    const into = new Uint8Array(20 * 512);
    await card.read(64, into);
    expect(into).toEqual(pattern(20, 3));
    expect(model.violations).toEqual([]);
  },
);

const HARMLESS: Quirk[] = [
  "cmd59-first-fails",
  "cmd0-answers-00",
  "junk-after-stop",
  "register-zero-first",
  "idle-c0",
  "single-block-only",
  "needs-nrc",
  "busy-after-cmd55",
  "crc-always",
];

test.each(HARMLESS)("a card with the quirk %s works", async (quirk) => {
  const { card, model } = await bench("sdhc", { quirks: [quirk] });
  await card.write(64, pattern(5, 3));
  const into = new Uint8Array(5 * 512);
  await card.read(64, into);
  expect(into).toEqual(pattern(5, 3));
  expect(model.violations).toEqual([]);
});

const REFUSED: [Partial<CardModelOptions>, string][] = [
  [{ quirks: ["absent"] }, "CARD_ABSENT"],
  [{ quirks: ["stuck-low"] }, "CARD_ABSENT"],
  [{ quirks: ["uhs-left-on"] }, "CARD_ABSENT"],
  [{ quirks: ["crc-errors"] }, "CARD_CRC"],
  [{ locked: true }, "CARD_LOCKED"],
];

test.each(REFUSED.map(([options, code]) => [JSON.stringify(options), options, code] as const))(
  "%s ends in the right error",
  async (_name, options, code) => {
    await expect(bench("sdhc", options)).rejects.toMatchObject({ code });
  },
);

test("a card that refuses CMD59 is used in class B; a write-protected one is read-only", async () => {
  expect((await bench("sdhc", { quirks: ["cmd59-refused"] })).card.identity.integrityClass).toBe(
    "B",
  );
  const { card } = await bench("sdhc", { writeProtect: "temporary" });
  expect(card.readOnly).toBe(true);
  await expect(card.write(1, new Uint8Array(512))).rejects.toMatchObject({
    code: "CARD_WRITE_PROTECTED",
  });
});
