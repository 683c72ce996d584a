import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import {
  decodeCommandMap,
  decodeMaxLength,
  decodeName,
  decodeNumber,
  encodeCommand,
  encodeSpiOperation,
  SERPROG,
} from "../../../src/bridge/serprog/codec.js";
import { SerprogDecoder, type SerprogEvent } from "../../../src/bridge/serprog/decoder.js";
import { factsOf } from "../../../src/bridge/serprog/opcodes.js";
import { fromHex, toHex } from "../../../src/util/bytes.js";
import { VECTORS } from "./vectors.js";

function host(what: string): string {
  const found = VECTORS.find((vector) => vector.what.startsWith(what));
  if (found === undefined) throw new Error(`no vector ${what}`);
  return found.host.replaceAll(" ", "");
}

function answer(what: string): Uint8Array {
  const found = VECTORS.find((vector) => vector.what.startsWith(what));
  if (found === undefined) throw new Error(`no vector ${what}`);
  return fromHex(found.answer).subarray(1);
}

describe("commands as bytes", () => {
  test.each([
    ["NOP", encodeCommand("nop")],
    ["Q_IFACE", encodeCommand("queryInterface")],
    ["Q_CMDMAP", encodeCommand("queryCommandMap")],
    ["Q_PGMNAME", encodeCommand("queryName")],
    ["Q_SERBUF", encodeCommand("querySerialBuffer")],
    ["Q_BUSTYPE", encodeCommand("queryBusTypes")],
    ["Q_WRNMAXLEN", encodeCommand("queryMaxWrite")],
    ["SYNCNOP", encodeCommand("syncNop")],
    ["Q_RDNMAXLEN", encodeCommand("queryMaxRead")],
    ["S_BUSTYPE", encodeCommand("setBusType", 8)],
    ["O_SPIOP", encodeSpiOperation(Uint8Array.of(0x9f), 3)],
    ["S_SPI_FREQ", encodeCommand("setSpiFrequency", 400_000)],
    ["S_PIN_STATE", encodeCommand("setPinState", 1)],
    ["S_SPI_CS", encodeCommand("setChipSelect", 2)],
    ["S_SPI_MODE", encodeCommand("setSpiMode", 1)],
    ["S_CS_MODE selected", encodeCommand("setCsMode", 1)],
    ["S_CS_MODE deselected", encodeCommand("setCsMode", 2)],
  ])("%s", (what, command) => {
    expect(toHex(command.bytes)).toBe(host(what));
    if (what !== "SYNCNOP" && what !== "S_SPI_CS")
      expect(command.replyBytes).toBe(answer(what).length);
  });

  test("lengths of an operation are 24 bits wide, little-endian", () => {
    const { bytes, replyBytes } = encodeSpiOperation(new Uint8Array(0x010203), 0xfffefd);
    expect(toHex(bytes.subarray(0, 7))).toBe("13030201fdfeff");
    expect([bytes.length, replyBytes]).toEqual([7 + 0x010203, 0xfffefd]);
    expect(() => encodeSpiOperation(new Uint8Array(0), 2 ** 24)).toThrow(RangeError);
  });
});

describe("answers as values", () => {
  test("the command map", () => {
    const commands = [...decodeCommandMap(answer("Q_CMDMAP"))];
    expect(commands).toEqual([0, 1, 2, 3, 4, 5, 0x10, 0x12, 0x13, 0x14, 0x15]);
    const full = decodeCommandMap(fromHex(`3f003d${"00".repeat(28)}80`));
    expect(full.has(255)).toBe(true);
    // bridges.md 5: (map[2] & 0x80) is 0x17, (map[3] & 0x01) is 0x18.
    expect([...decodeCommandMap(fromHex("00008001"))]).toEqual([0x17, 0x18]);
  });

  test("numbers, lengths and names", () => {
    expect(decodeNumber(answer("S_SPI_FREQ"))).toBe(375_000);
    expect(decodeNumber(answer("Q_SERBUF"))).toBe(0xffff);
    expect(decodeMaxLength(answer("Q_WRNMAXLEN"))).toBe(4096);
    expect(decodeMaxLength(answer("Q_RDNMAXLEN"))).toBe(0xffffff);
    expect(decodeName(answer("Q_PGMNAME"))).toBe("stm32-vserprog");
    expect(decodeName(new Uint8Array(16))).toBe("");
    expect(decodeName(fromHex("1b5b41c3a9202d31323334353637383930"))).toBe("[A -1234567890");
  });
});

describe("codec and decoder", () => {
  const commands = Object.keys(SERPROG).filter(
    (name) => name !== "spiOperation" && name !== "writeBytes",
  ) as Exclude<keyof typeof SERPROG, "spiOperation" | "writeBytes">[];

  test("agree on every command, however the stream is cut", () => {
    const command = fc.oneof(
      fc.tuple(fc.constantFrom(...commands), fc.nat(0xffffffff)).map(([name, raw]) => {
        const { parameters = 0 } = factsOf(SERPROG[name]) ?? {};
        const value = raw % 256 ** parameters;
        return { bytes: encodeCommand(name, value).bytes, expected: `${name} ${value}` };
      }),
      fc.tuple(fc.uint8Array({ maxLength: 300 }), fc.nat(0xffffff)).map(([data, length]) => ({
        bytes: encodeSpiOperation(data, length).bytes,
        expected: `spi ${toHex(data)} ${length}`,
      })),
    );
    fc.assert(
      fc.property(fc.array(command), fc.integer({ min: 1, max: 50 }), (list, chunk) => {
        const stream = Buffer.concat(list.map(({ bytes }) => bytes));
        const decoder = new SerprogDecoder();
        const events: SerprogEvent[] = [];
        for (let at = 0; at < stream.length; at += chunk)
          decoder.push(stream.subarray(at, at + chunk), (event) => events.push(event));
        expect(joined(events)).toEqual(list.map(({ expected }) => expected));
        expect([decoder.betweenCommands, decoder.offset]).toEqual([true, stream.length]);
      }),
    );
  });
});

function joined(events: readonly SerprogEvent[]): string[] {
  const seen: string[] = [];
  let data = "";
  for (const event of events) {
    if (event.kind === "command") seen.push(`${event.name} ${event.value}`);
    if (event.kind === "spiOperation" && event.writeLength === 0)
      seen.push(`spi  ${event.readLength}`);
    else if (event.kind === "spiOperation") data = `${event.readLength}`;
    if (event.kind === "payload") {
      const [length, hex = ""] = data.split(" ");
      data = `${length} ${hex}${toHex(event.bytes)}`;
      if (event.last) seen.push(`spi ${hex}${toHex(event.bytes)} ${length}`);
    }
  }
  return seen;
}
