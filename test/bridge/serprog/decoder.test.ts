import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import {
  replyBytes,
  type SerprogAnswer,
  SerprogAnswers,
  SerprogDecoder,
  type SerprogEvent,
} from "../../../src/bridge/serprog/decoder.js";
import { fromHex, toHex } from "../../../src/util/bytes.js";
import { VECTORS } from "./vectors.js";

function decode(hex: string, supports?: (opcode: number) => boolean): SerprogEvent[] {
  const events: SerprogEvent[] = [];
  new SerprogDecoder(supports).push(fromHex(hex), (event) => events.push(event));
  return events;
}

describe("what the host says", () => {
  test("every command of the protocol document", () => {
    const events = decode(VECTORS.map(({ host }) => host).join(""));
    const told = events.map((event) =>
      event.kind === "command" ? `${event.name} ${event.value}` : event.kind,
    );
    expect(told).toEqual([
      "nop 0",
      "queryInterface 0",
      "queryCommandMap 0",
      "queryName 0",
      "querySerialBuffer 0",
      "queryBusTypes 0",
      "queryMaxWrite 0",
      "syncNop 0",
      "queryMaxRead 0",
      "setBusType 8",
      "spiOperation",
      "payload",
      "setSpiFrequency 400000",
      "setPinState 1",
      "setChipSelect 2",
      "setSpiMode 1",
      "setCsMode 1",
      "setCsMode 2",
    ]);
    expect(events[10]).toMatchObject({ offset: 11, writeLength: 1, readLength: 3 });
    expect(events[11]).toMatchObject({ offset: 18, bytes: Uint8Array.of(0x9f), last: true });
  });

  test("the length of each answer", () => {
    for (const { what, host, answer } of VECTORS) {
      const [event] = decode(host);
      if (event === undefined || answer.startsWith("15")) continue;
      expect([what, replyBytes(event)]).toEqual([what, fromHex(answer).length - 1]);
    }
    const [readBytes] = decode("0a 00 00 10 34 12 00");
    expect(readBytes).toMatchObject({ name: "readBytes" });
    expect(replyBytes(readBytes as SerprogEvent)).toBe(0x1234);
    expect(decode("0d 02 00 00 00 00 10 aa bb 00").map(({ kind }) => kind)).toEqual([
      "writeBytes",
      "payload",
      "command",
    ]);
  });

  test("an opcode that is not there takes no parameters", () => {
    expect(decode("17 01 60", (opcode) => opcode < 0x17)).toEqual([
      { kind: "unknown", offset: 0, opcode: 0x17 },
      { kind: "command", offset: 1, opcode: 1, name: "queryInterface", value: 0 },
      { kind: "unknown", offset: 2, opcode: 0x60 },
    ]);
    expect(decode("ff a0")).toEqual([
      { kind: "unknown", offset: 0, opcode: 0xff },
      { kind: "unknown", offset: 1, opcode: 0xa0 },
    ]);
  });

  test("a reset forgets half a command", () => {
    const decoder = new SerprogDecoder();
    const events: SerprogEvent[] = [];
    decoder.push(fromHex("13 ff ff ff"), (event) => events.push(event));
    expect(decoder.betweenCommands).toBe(false);
    decoder.reset();
    decoder.push(fromHex("00"), (event) => events.push(event));
    expect(events).toMatchObject([{ kind: "command", name: "nop", offset: 4 }]);
  });

  test("any bytes: all are taken, each belongs to one event", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        const decoder = new SerprogDecoder();
        let end = 0;
        decoder.push(bytes, (event) => {
          expect(event.offset).toBe(end);
          end = decoder.offset;
        });
        expect(decoder.offset).toBe(bytes.length);
      }),
    );
  });
});

describe("what the programmer answers", () => {
  function matched(commands: readonly [number, number][], hex: string): string[] {
    const answers = new SerprogAnswers();
    const told: string[] = [];
    const tell = (opcode: number, answer: SerprogAnswer): void => {
      const data = answer.kind === "refused" ? "refused" : toHex(answer.data);
      told.push(`${opcode.toString(16)}:${data}`);
    };
    for (const [opcode, length] of commands)
      answers.expect(opcode, length, (answer) => tell(opcode, answer));
    for (const byte of fromHex(hex)) answers.push(Uint8Array.of(byte));
    told.push(`open ${answers.open} dropped ${answers.droppedBytes}`);
    return told;
  }

  test("the vectors, one behind the other", () => {
    const commands = VECTORS.filter(({ host }) => host !== "10").map(
      ({ host, answer }): [number, number] => [
        fromHex(host)[0] as number,
        fromHex(answer).length - 1,
      ],
    );
    const bytes = VECTORS.filter(({ host }) => host !== "10").map(({ answer }) => answer);
    const told = matched(commands, bytes.join(""));
    expect(told.at(-1)).toBe("open 0 dropped 0");
    expect(told).toContain("13:ef4018");
    expect(told).toContain("14:d8b80500");
    expect(told).toContain("16:refused");
  });

  test("rubbish in front of the answer to SYNCNOP is dropped, with all that was open", () => {
    expect(
      matched(
        [
          [0x13, 4],
          [0x10, 0],
        ],
        "06 ff 15 15 06 06",
      ),
    ).toEqual(["10:", "open 0 dropped 4"]);
  });

  test("bytes that are neither ACK nor NAK are dropped", () => {
    expect(matched([[0x01, 2]], "aa bb 06 01 00 cc")).toEqual(["1:0100", "open 0 dropped 3"]);
  });

  test("a reply of any announced length costs nothing before it comes", () => {
    const answers = new SerprogAnswers();
    for (let at = 0; at < 10_000; at++) answers.expect(0x13, 0xffffff, () => undefined);
    expect(answers.open).toBe(10_000);
  });

  test("any bytes", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(0x1f), fc.nat(40)), { maxLength: 30 }),
        fc.uint8Array({ maxLength: 200 }),
        (commands, bytes) => {
          const answers = new SerprogAnswers();
          let settled = 0;
          for (const [opcode, length] of commands)
            answers.expect(opcode, length, () => {
              settled++;
            });
          const before = answers.open;
          answers.push(bytes);
          expect(answers.open).toBe(before - settled);
        },
      ),
    );
  });
});
