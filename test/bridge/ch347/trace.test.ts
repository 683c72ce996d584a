import { describe, expect, it } from "@jest/globals";
import type { Ch347ModelOptions } from "../../../src/sim/ch347/model.js";
import type { SpiDevice } from "../../../src/sim/spi-device.js";
import { decodeCard } from "../../../src/trace/card-log.js";
import { decodeCassette, explainerOf } from "../../../src/trace/chips.js";
import type { SpiItem } from "../../../src/trace/spi-log.js";
import { type Cassette, parseCassette } from "../../../src/transport/cassette.js";
import { UsbRecorder } from "../../../src/transport/recorder.js";
import { toHex } from "../../../src/util/bytes.js";
import { cardRig, openOver } from "../../sim/ch347/support.js";
import { pattern } from "../../support/bench-card.js";
import { headerOf } from "../bulk-bench.js";

type Wire = Extract<SpiItem, { kind: "bytes" }>;

/** What happened between two moves of chip select: both wires. */
interface Frame {
  readonly cs: string;
  mosi: string;
  miso: string;
}

function bytesOn(frames: Frame[], mosi: Uint8Array, miso: Uint8Array): void {
  const frame = frames.at(-1) as Frame;
  frame.mosi += toHex(mosi);
  frame.miso += toHex(miso);
}

/** The wires as the card sees them. */
function tapped(card: SpiDevice, frames: Frame[]): SpiDevice {
  return {
    setCs: (level) => {
      frames.push({ cs: level, mosi: "", miso: "" });
      card.setCs(level);
    },
    exchange: (mosi, miso, length, timing) => {
      const into = miso ?? new Uint8Array(length);
      card.exchange(mosi, into, length, timing);
      const sent = mosi?.subarray(0, length) ?? new Uint8Array(length).fill(0xff);
      bytesOn(frames, sent, into.subarray(0, length));
    },
    peek: (atUs) => card.peek(atUs),
  };
}

/** Moves of chip select that change nothing join what is before and behind them. */
function joined(frames: readonly Frame[]): Frame[] {
  const all: Frame[] = [{ cs: "high", mosi: "", miso: "" }];
  for (const { cs, mosi, miso } of frames) {
    if (all.at(-1)?.cs !== cs) all.push({ cs, mosi: "", miso: "" });
    const last = all.at(-1) as Frame;
    last.mosi += mosi;
    last.miso += miso;
  }
  return all;
}

function framesOf(items: readonly SpiItem[]): Frame[] {
  const frames: Frame[] = [{ cs: "high", mosi: "", miso: "" }];
  for (const item of items) {
    if (item.kind === "cs") frames.push({ cs: item.level, mosi: "", miso: "" });
    else bytesOn(frames, item.mosi, item.miso);
  }
  return frames;
}

async function session(
  chip: Partial<Ch347ModelOptions> = {},
): Promise<{ cassette: Cassette; frames: Frame[]; data: Uint8Array }> {
  const frames: Frame[] = [];
  const { clock, model } = cardRig({ chip, wire: (card) => tapped(card, frames) });
  let text = "";
  const recorder = new UsbRecorder(model.transport(), clock, headerOf("ch347", model), (line) => {
    text += line;
  });
  const { device } = await openOver(recorder, recorder.clock);
  const data = pattern(1536);
  await device.write(77, data);
  await device.read(77, new Uint8Array(1536));
  await device.read(5, new Uint8Array(512));
  await device.close();
  return { cassette: parseCassette(text), frames: joined(frames), data };
}

describe("the trace of a CH347", () => {
  it.each<[string, Partial<Ch347ModelOptions>]>([
    ["as documented", {}],
    ["with answers split", { splitBytes: 100 }],
    ["behind a full-speed hub", { packetSize: 64 }],
  ])("has every byte that the card was clocked with: %s", async (_, chip) => {
    const { cassette, frames } = await session(chip);
    expect(framesOf(decodeCassette(cassette).spi)).toEqual(frames);
  });

  it("has their times in order, at the clock that was set", async () => {
    const { cassette } = await session();
    const { spi } = decodeCassette(cassette);
    const bytes = spi.filter((item): item is Wire => item.kind === "bytes");
    expect(bytes[0]?.usPerByte).toBeCloseTo(8 / 0.46875);
    expect(bytes.at(-1)?.usPerByte).toBeCloseTo(8 / 15);
    let lastUs = 0;
    for (const item of spi) {
      expect(item.atUs).toBeGreaterThanOrEqual(lastUs);
      lastUs = item.kind === "bytes" ? item.atUs + item.mosi.length * item.usPerByte : item.atUs;
    }
  });

  it("decodes to the card's commands and blocks", async () => {
    const { cassette, data } = await session();
    const events = decodeCard(decodeCassette(cassette).spi).map(({ event }) => event);
    const names = events.flatMap((event) => (event.kind === "command" ? [event.name] : []));
    expect(names).toEqual(
      expect.arrayContaining([
        "CMD0_GO_IDLE_STATE",
        "CMD25_WRITE_MULTIPLE_BLOCK",
        "CMD17_READ_SINGLE_BLOCK",
      ]),
    );
    const blocks = events.flatMap((event) => (event.kind === "block" ? [event] : []));
    expect(blocks.filter(({ crc16, crc16Expected }) => crc16 !== crc16Expected)).toEqual([]);
    const written = blocks.filter(({ direction }) => direction === "write");
    expect(Buffer.concat(written.map((block) => block.data))).toEqual(Buffer.from(data));
  });

  it("says what the chip was told, and of each command what it means", async () => {
    const { cassette } = await session();
    const told = decodeCassette(cassette).chip.map(({ text }) => text);
    expect(told.slice(0, 3)).toEqual([
      "read the settings",
      "settings 468750 Hz, idle byte 0xff",
      "cs high",
    ]);
    expect(told).toContain("settings 15000000 Hz, idle byte 0xff");
    const said = cassette.events.map(explainerOf(cassette.header));
    expect(said).toContain("CMD17_READ_SINGLE_BLOCK argument 0x00000005");
    expect(said).toContain("cs low");
  });
});
