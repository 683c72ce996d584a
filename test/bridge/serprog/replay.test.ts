import { describe, expect, test } from "@jest/globals";
import { openPlainSerprog } from "../../../src/bridge/serprog/driver.js";
import { openCard } from "../../../src/card/sd-card.js";
import { createSpiModeBus } from "../../../src/card/spi-mode/spi-mode-bus.js";
import { MemoryFlash } from "../../../src/sim/card/flash.js";
import { createCardModel } from "../../../src/sim/card/model.js";
import { SimClock } from "../../../src/sim/clock.js";
import {
  createSerprogModel,
  type SerprogBoardName,
  type SerprogModel,
} from "../../../src/sim/serprog/model.js";
import type { SpiDevice } from "../../../src/sim/spi-device.js";
import { decodeCard } from "../../../src/trace/card-log.js";
import { decodeCassette, explainerOf } from "../../../src/trace/chips.js";
import { type CassetteHeader, parseCassette } from "../../../src/transport/cassette.js";
import { CassettePlayer } from "../../../src/transport/player.js";
import { SerialPlayer } from "../../../src/transport/player-faces.js";
import { SerialRecorder } from "../../../src/transport/recorder.js";
import type { SerialTransport } from "../../../src/transport/types.js";
import type { Clock } from "../../../src/util/clock.js";
import { crc32 } from "../../../src/util/crc.js";
import { deadlineIn } from "../../../src/util/deadline.js";
import { errorCode } from "../../../src/util/errors.js";

const PORT = { path: "/dev/ttyACM0" };
const HEADER: CassetteHeader = {
  cassette: 1,
  transport: "serial",
  bridge: "serprog",
  tool: "0.0.0",
  zlib: "1.3",
  device: PORT,
  deviceString: "serprog:/dev/ttyACM0",
  packetSizes: {},
  capabilities: {},
  arguments: [],
  wallTimeMs: 1_767_323_045_000,
  randomSeed: "00",
};

/** What the card was clocked with: CS as text, bytes of both wires. */
interface Tap {
  text: string;
}

function tapped(card: SpiDevice, tap: Tap): SpiDevice {
  let low = false;
  return {
    setCs(level) {
      if ((level === "low") !== low) tap.text += `\n${level} `;
      low = level === "low";
      card.setCs(level);
    },
    exchange(mosi, miso, length, timing) {
      const into = miso ?? new Uint8Array(length);
      card.exchange(mosi, into, length, timing);
      for (let at = 0; at < length; at++) tap.text += hex(mosi?.[at] ?? 0xff);
    },
    peek: (atUs) => card.peek(atUs),
  };
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}

interface Rig {
  readonly tap: Tap;
  readonly model: SerprogModel;
  readonly clock: SimClock;
  readonly recorder: SerialRecorder;
  text(): string;
}

function rig(board: SerprogBoardName): Rig {
  const clock = new SimClock();
  const tap: Tap = { text: "" };
  const card = createCardModel(new MemoryFlash(131_072), {
    requireStartUpClocks: false,
    initialisationUs: 3000,
  });
  const spi = tapped(card, tap);
  const model = createSerprogModel({ clock, spi, board, options: { filler: 0xff } });
  let text = "";
  const recorder = new SerialRecorder(model.transport(), clock, HEADER, (line) => {
    text += line;
  });
  return { tap, model, clock, recorder, text: () => text };
}

function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => (at * 7 + (at >> 9)) & 0xff);
}

/** A card used as anybody would. */
async function session(transport: SerialTransport, clock: Clock, seed = 0): Promise<unknown[]> {
  const bridge = await openPlainSerprog({ transport, clock });
  const card = await openCard({ bus: createSpiModeBus({ bridge, clock }), clock });
  const data = pattern(6 * 512);
  data[0] = seed;
  await card.write(77, data);
  const into = new Uint8Array(data.length);
  await card.read(77, into);
  await card.read(5, new Uint8Array(512));
  await card.close();
  return [bridge.chip.name, crc32(into), card.identity.blockCount];
}

/** Long reads that are aborted, one that comes too late, one after that. */
async function aborts(transport: SerialTransport, clock: Clock): Promise<unknown[]> {
  const seen: unknown[] = [];
  const bridge = await openPlainSerprog({ transport, clock });
  const read = (length: number, ms: number): Promise<unknown> => {
    const segments = [{ kind: "select" }, { kind: "read", into: new Uint8Array(length) }] as const;
    const label = `${length} bytes`;
    return bridge
      .submit({ label, segments }, deadlineIn(clock, ms))
      .then(({ status }) => status, errorCode);
  };
  const cut = read(90_000, 5000);
  await clock.sleep(7000);
  seen.push(await bridge.abort(deadlineIn(clock, 2000)), await cut);
  seen.push(await read(50_000, 20), await bridge.abort(deadlineIn(clock, 2000)));
  seen.push(await read(5000, 1000));
  await bridge.close();
  return seen;
}

function player(text: string): { transport: SerialTransport; clock: CassettePlayer } {
  const clock = new CassettePlayer(parseCassette(text));
  return { transport: new SerialPlayer(clock, PORT), clock };
}

describe("a recorded session", () => {
  test.each(["full", "stm32-vserprog"] as const)(
    "%s: replays to the same end with no board, and a changed byte is a mismatch",
    async (board) => {
      const { recorder, text } = rig(board);
      const recorded = await session(recorder, recorder.clock);
      const again = player(text());
      expect(await session(again.transport, again.clock)).toEqual(recorded);
      expect(again.clock.mismatch).toBeUndefined();
      const other = player(text());
      await expect(session(other.transport, other.clock, 9)).rejects.toMatchObject({
        code: "CASSETTE_MISMATCH",
      });
    },
  );

  test("aborts and time-outs replay too", async () => {
    const { recorder, text } = rig("full");
    const recorded = await aborts(recorder, recorder.clock);
    expect(recorded.slice(1)).toEqual(["BRIDGE_CANCELLED", "BRIDGE_TIMEOUT", "low", "done"]);
    const again = player(text());
    expect(await aborts(again.transport, again.clock)).toEqual(recorded);
    expect(again.clock.mismatch).toBeUndefined();
  });

  test("an unplug replays too", async () => {
    const { recorder, text, model } = rig("full");
    model.unplug({ operation: 30 });
    const recorded = await session(recorder, recorder.clock).catch(errorCode);
    expect(recorded).toBe("TRANSPORT_DISCONNECTED");
    const again = player(text());
    expect(await session(again.transport, again.clock).catch(errorCode)).toBe(recorded);
  });
});

describe("the trace of a recording", () => {
  test.each(["full", "stm32-vserprog"] as const)(
    "%s: has the very bytes that the card was clocked with",
    async (board) => {
      const { recorder, text, tap } = rig(board);
      await session(recorder, recorder.clock);
      const cassette = parseCassette(text());
      let seen = "";
      for (const item of decodeCassette(cassette).spi) {
        if (item.kind === "cs") seen += `\n${item.level} `;
        else seen += Buffer.from(item.mosi).toString("hex");
      }
      expect(seen).toBe(tap.text);
      const events = decodeCard(decodeCassette(cassette).spi).map(({ event }) => event);
      const blocks = events.flatMap((event) => (event.kind === "block" ? [event] : []));
      expect(blocks.filter(({ crc16, crc16Expected }) => crc16 !== crc16Expected)).toEqual([]);
      const read = blocks.filter(
        ({ direction, data }) => direction === "read" && data.length === 512,
      );
      const all = Buffer.concat(read.map(({ data }) => data));
      expect(all.subarray(0, 6 * 512).equals(pattern(6 * 512))).toBe(true);
      // A half-duplex programmer throws away the R1 that tells a block that is written from noise.
      const written = blocks.filter(({ direction }) => direction === "write");
      const told = Buffer.concat(written.map(({ data }) => data));
      expect(told.equals(board === "full" ? pattern(6 * 512) : new Uint8Array(0))).toBe(true);
    },
  );

  test("says what the programmer was told, and what a write means", async () => {
    const { recorder, text } = rig("full");
    await session(recorder, recorder.clock);
    const cassette = parseCassette(text());
    const told = decodeCassette(cassette).chip.map((item) => item.text);
    expect(told).toEqual(
      expect.arrayContaining([
        '0x03 Q_PGMNAME: "serprog full"',
        "0x04 Q_SERBUF: 65535",
        "0x08 Q_WRNMAXLEN: 4096",
        "0x14 S_SPI_FREQ 400000: 375000",
        "0x17 S_SPI_MODE 1",
        "0x18 S_CS_MODE 2",
      ]),
    );
    const explain = explainerOf(cassette.header);
    const meanings = cassette.events.map(explain).filter((meaning) => meaning !== "");
    expect(meanings.join("\n")).toContain("CMD17_READ_SINGLE_BLOCK argument 0x00000005");
    expect(meanings[0]).toContain("0x00 NOP");
  });

  test("operations that were refused, or whose answer never came, are not on the wires", async () => {
    const { recorder, text, model } = rig("full");
    model.unplug({ operation: 40 });
    await session(recorder, recorder.clock).catch(() => undefined);
    const { chip } = decodeCassette(parseCassette(text()));
    expect(chip.filter((item) => item.text.includes("O_SPIOP"))).toHaveLength(40);
  });
});
