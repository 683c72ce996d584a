import { describe, expect, test } from "@jest/globals";
import { decodeCard } from "../../src/trace/card-log.js";
import { decodeCassette, explainerOf } from "../../src/trace/chips.js";
import { parseTraceLevel, renderTrace, TRACE_LEVELS } from "../../src/trace/render.js";
import { exportVcd } from "../../src/trace/vcd.js";
import { recordSession } from "../support/recorded.js";

/** MOSI bytes of a VCD: sampled at rising edges of the clock while CS is low; a rising CS begins a new byte. */
function sampleVcd(text: string): number[] {
  const level = new Map([...'!"#$'].map((wire) => [wire, 1]));
  const out: number[] = [];
  let bits = "";
  for (const [, value = "", wire = ""] of text.matchAll(/^([01])([!"#$])$/gm)) {
    const rising = value === "1" && level.get(wire) === 0;
    if (wire === "!" && rising) bits = "";
    if (wire === '"' && rising && level.get("!") === 0) bits += level.get("#");
    if (bits.length === 8) out.push(Number.parseInt(bits, 2));
    bits = bits.length === 8 ? "" : bits;
    level.set(wire, Number(value));
  }
  return out;
}

const data = Uint8Array.from({ length: 3 * 512 }, (_, at) => (at * 31) & 0xff);
const session = recordSession(async (card) => {
  await card.write(77, data);
  await card.read(77, new Uint8Array(3 * 512));
  await card.read(5, new Uint8Array(512));
});

describe("a recorded session", () => {
  test("decodes to the very bytes that the card model was clocked with", async () => {
    const { cassette, tap } = await session;
    const { spi } = decodeCassette(cassette);
    const selected = spi.flatMap((item) => (item.kind === "bytes" && item.selected ? [item] : []));
    expect(Buffer.concat(selected.map(({ mosi }) => mosi)).equals(Buffer.from(tap.mosi))).toBe(
      true,
    );
    const miso = Buffer.concat(selected.map((item) => item.miso));
    expect(miso).toHaveLength(tap.miso.length);
    for (const [at, byte] of miso.entries()) if (byte !== 0xff) expect(tap.miso[at]).toBe(byte);
  });

  test("decodes to the card commands of the session, all checksums right", async () => {
    const { cassette } = await session;
    const events = decodeCard(decodeCassette(cassette).spi).map(({ event }) => event);
    const names = events.flatMap((event) => (event.kind === "command" ? [event.name] : []));
    expect(names).toEqual(
      expect.arrayContaining([
        "CMD0_GO_IDLE_STATE",
        "CMD8_SEND_IF_COND",
        "ACMD41_SD_SEND_OP_COND",
        "CMD58_READ_OCR",
        "CMD9_SEND_CSD",
        "CMD25_WRITE_MULTIPLE_BLOCK",
        "CMD18_READ_MULTIPLE_BLOCK",
        "CMD17_READ_SINGLE_BLOCK",
        "CMD13_SEND_STATUS",
      ]),
    );
    const blocks = events.flatMap((event) => (event.kind === "block" ? [event] : []));
    expect(blocks.filter(({ crc16, crc16Expected }) => crc16 !== crc16Expected)).toEqual([]);
    const written = blocks
      .filter(({ direction }) => direction === "write")
      .map((block) => block.data);
    expect(Buffer.concat(written)).toEqual(Buffer.from(data));
  });

  test("renders at every level, times never going back by more than a transfer", async () => {
    const { cassette } = await session;
    for (const level of TRACE_LEVELS)
      expect(renderTrace(cassette, level).length).toBeGreaterThan(10);
    expect(
      renderTrace(cassette, "card")
        .map(({ text }) => text)
        .join("\n"),
    ).toContain("CMD17_READ_SINGLE_BLOCK argument 0x00000005");
    expect(() => parseTraceLevel("byte")).toThrow("no level");
  });

  test("says of a single transfer what it means", async () => {
    const { cassette } = await session;
    const said = cassette.events.map(explainerOf(cassette.header));
    expect(said.some((text) => text.includes("CMD17_READ_SINGLE_BLOCK argument 0x00000005"))).toBe(
      true,
    );
    expect(said.some((text) => text.startsWith("bitMode"))).toBe(true);
  });

  test("exports a VCD whose rising clock edges sample the same bytes", async () => {
    const { cassette, tap } = await session;
    const out = sampleVcd([...exportVcd(decodeCassette(cassette).spi)].join(""));
    expect(Buffer.from(out).equals(Buffer.from(tap.mosi))).toBe(true);
  });
});
