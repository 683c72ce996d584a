import { describe, expect, it } from "@jest/globals";
import { openMcp2210 } from "../../../src/bridge/mcp2210/driver.js";
import { openCard } from "../../../src/card/sd-card.js";
import { createSpiModeBus } from "../../../src/card/spi-mode/spi-mode-bus.js";
import { MemoryFlash } from "../../../src/sim/card/flash.js";
import { createCardModel } from "../../../src/sim/card/model.js";
import { SimClock } from "../../../src/sim/clock.js";
import { createMcp2210Model } from "../../../src/sim/mcp2210/model.js";
import type { SpiDevice } from "../../../src/sim/spi-device.js";
import { decodeCard } from "../../../src/trace/card-log.js";
import { decodeCassette, explainerOf } from "../../../src/trace/chips.js";
import type { SpiItem } from "../../../src/trace/spi-log.js";
import { type Cassette, parseCassette } from "../../../src/transport/cassette.js";
import { HidRecorder } from "../../../src/transport/recorder.js";
import { toHex } from "../../../src/util/bytes.js";
import { HEADER } from "./support.js";

type Wire = Extract<SpiItem, { kind: "bytes" }>;

/** Both wires as the card saw them, as items of a trace. */
function tapped(card: SpiDevice, wires: string[]): SpiDevice {
  return {
    setCs: (level) => {
      if (wires.length > 0 || level === "low") wires.push(`cs ${level}`);
      card.setCs(level);
    },
    exchange: (mosi, miso, length, timing) => {
      const into = miso ?? new Uint8Array(length);
      card.exchange(mosi, into, length, timing);
      const sent = mosi?.subarray(0, length) ?? new Uint8Array(length).fill(0xff);
      wires.push(`${toHex(sent)} ${toHex(into.subarray(0, length))}`);
    },
    peek: (atUs) => card.peek(atUs),
  };
}

/** As {@link tapped} says it. */
function wiresOf(items: readonly SpiItem[]): string[] {
  return items.map((item) =>
    item.kind === "cs" ? `cs ${item.level}` : `${toHex(item.mosi)} ${toHex(item.miso)}`,
  );
}

async function session(
  busyUs = 0,
): Promise<{ cassette: Cassette; wires: string[]; data: Uint8Array }> {
  const clock = new SimClock();
  const wires: string[] = [];
  const spi = tapped(createCardModel(new MemoryFlash(131_072)), wires);
  const model = createMcp2210Model({ clock, spi, busyUs });
  let text = "";
  const transport = new HidRecorder(model.transport(), clock, HEADER, (line) => {
    text += line;
  });
  const bridge = await openMcp2210({ transport, clock: transport.clock });
  const bus = createSpiModeBus({ bridge, clock: transport.clock });
  const card = await openCard({ bus, clock: transport.clock });
  const data = Uint8Array.from({ length: 1536 }, (_, at) => (at * 31) & 0xff);
  await card.write(77, data);
  await card.read(77, new Uint8Array(1536));
  await card.read(5, new Uint8Array(512));
  await card.close();
  return { cassette: parseCassette(text), wires, data };
}

describe("the trace of an MCP2210", () => {
  it.each([0, 3000])(
    "has every byte that the card was clocked with (busy for %d µs)",
    async (busyUs) => {
      const { cassette, wires } = await session(busyUs);
      const { spi } = decodeCassette(cassette);
      expect(wiresOf(spi)).toEqual(wires);
    },
  );

  it("has their times in order, at the clock that was set", async () => {
    const { cassette } = await session();
    const { spi } = decodeCassette(cassette);
    const bytes = spi.filter((item): item is Wire => item.kind === "bytes");
    expect(bytes[0]?.usPerByte).toBe(20);
    expect(bytes.at(-1)?.usPerByte).toBeCloseTo(8 / 12);
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

  it("says what the chip was told, and of each report what it means", async () => {
    const { cassette } = await session(3000);
    const told = decodeCassette(cassette).chip.map(({ text }) => text);
    expect(told.slice(0, 2)).toEqual(["cancel", "status"]);
    expect(told).toContain("setPins levels=0x1fe");
    expect(told).toContain("0x42 transfer: status 0xf8");
    expect(told.some((text) => text.startsWith("setSpiSettings bitRateHz=400000"))).toBe(true);
    const said = cassette.events.map(explainerOf(cassette.header));
    expect(said).toContain("CMD17_READ_SINGLE_BLOCK argument 0x00000005");
    expect(said).toContain("transfer, for what was received");
    expect(said.some((text) => text.startsWith("transfer ff"))).toBe(true);
  });
});
