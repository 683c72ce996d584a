import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import {
  decodeAborted,
  decodeInfo,
  decodeResult,
  encodeAbortPayload,
  encodeCommandPayload,
  encodeControlPayload,
  encodeInfo,
  encodeTransferPayload,
} from "../../../../src/bridge/serprog/sdx/codec.js";
import {
  encodeCredit,
  encodePart,
  encodeReply,
  encodeRequest,
} from "../../../../src/bridge/serprog/sdx/frames.js";
import { SDX } from "../../../../src/bridge/serprog/sdx/protocol.js";
import { type SdxMessage, SdxReplyDecoder } from "../../../../src/bridge/serprog/sdx/replies.js";
import { buildCommand } from "../../../../src/card/commands.js";
import { fromHex, toHex } from "../../../../src/util/bytes.js";
import { INFO, NONCE, REPLIES, REQUESTS } from "./vectors.js";

const NOTHING = new Uint8Array(0);
const READ = {
  flags: SDX.OPEN_ENDED,
  deadlineMs: 10_000,
  blockLength: 512,
  blocks: 128,
  tokenMs: 600,
};
const WRITE = { flags: 0, deadlineMs: 2000, blockLength: 512, blocks: 1, tokenMs: 0 };
const RECOVER = { crcProved: true, mayBeReading: true };

const BUILT = [
  [
    SDX.COMMAND,
    1,
    encodeCommandPayload(buildCommand("CMD13_SEND_STATUS"), { flags: 0, deadlineMs: 1000 }),
  ],
  [
    SDX.COMMAND,
    2,
    encodeCommandPayload(buildCommand("ACMD41_SD_SEND_OP_COND", 0x4000_0000), {
      flags: 0,
      deadlineMs: 2000,
    }),
  ],
  [
    SDX.COMMAND,
    3,
    encodeCommandPayload(buildCommand("CMD59_CRC_ON_OFF", 1), {
      flags: SDX.WRONG_CRC,
      deadlineMs: 1000,
    }),
  ],
  [SDX.READ, 4, encodeTransferPayload(buildCommand("CMD18_READ_MULTIPLE_BLOCK", 0x800), READ)],
  [SDX.WRITE, 5, encodeTransferPayload(buildCommand("CMD24_WRITE_BLOCK", 0x800), WRITE)],
  [SDX.ABORT, 1, encodeAbortPayload(3000, RECOVER)],
  [SDX.ABORT, 2, encodeAbortPayload(1000, undefined)],
  [SDX.STATS, 3, NOTHING],
  [SDX.CONTROL, 255, encodeControlPayload(SDX.SET_FREQUENCY, 400_000)],
  [SDX.CONTROL, 0, encodeControlPayload(SDX.SET_SILENCE, 5)],
] as const;

function decoded(hex: string, blockLength = 0): SdxMessage[] {
  const decoder = new SdxReplyDecoder(NONCE, 512);
  decoder.reset(blockLength);
  const messages: SdxMessage[] = [];
  decoder.push(fromHex(hex), (message) => messages.push(message));
  return messages;
}

function payloadOf(hex: string): Uint8Array {
  const [message] = decoded(hex);
  return message?.kind === "reply" ? message.reply.payload : NOTHING;
}

describe("requests", () => {
  it.each(REQUESTS.map(({ what, frame }, index) => ({ what, frame, index })))(
    "$what",
    ({ frame, index }) => {
      const [opcode, sequence, payload] = BUILT[index] as (typeof BUILT)[number];
      expect(toHex(encodeRequest(opcode, sequence, payload, NONCE))).toBe(
        frame.replaceAll(" ", ""),
      );
    },
  );

  it("numbers a deadline that does not fit as the longest", () => {
    const payload = encodeAbortPayload(1e12, undefined);
    expect(toHex(payload)).toBe("00ffffff");
  });

  it("puts a block with its own CRC16 into a part", () => {
    const part = encodePart(3, new Uint8Array(1024).fill(0xff), 512, 512);
    expect(toHex(part.subarray(0, 3))).toBe("da03ff");
    // 512 times FF: 7FA1 (SD Physical Layer 4.5).
    expect(toHex(part.subarray(514))).toBe("7fa1");
    expect(toHex(encodeCredit(3))).toBe("ce03fc");
  });
});

describe("replies", () => {
  it("to a command", () => {
    const result = decodeResult(payloadOf(REPLIES.commandDone));
    expect(result).toMatchObject({
      r1: 0,
      cardKnown: true,
      blocksDone: 0,
      bytesClocked: 12,
      waitBytes: 2,
    });
    expect(decoded(REPLIES.commandDone)).toMatchObject([
      { kind: "reply", reply: { sequence: 1, status: 0 } },
    ]);
  });

  it("to a write that the card rejected", () => {
    const [message] = decoded(REPLIES.writeRejected);
    expect(message).toMatchObject({ reply: { sequence: 5, status: SDX.WRITE_REJECTED } });
    expect(decodeResult(payloadOf(REPLIES.writeRejected))).toMatchObject({
      detail: 0x0d,
      blocksDone: 3,
    });
  });

  it("to SDX_ABORT", () => {
    expect(decodeAborted(payloadOf(REPLIES.aborted))).toEqual({
      sequence: 5,
      opcode: SDX.WRITE,
      status: SDX.DATA_LOST,
      cardKnown: true,
      blocksDone: 2,
      outcome: SDX.READY,
      probe: [0, 0],
      steps: [SDX.STEP_BRIDGE, SDX.STEP_DRAIN, SDX.STEP_PROBE],
      bytesClocked: 0x220,
      waitBytes: 8,
    });
  });

  it("without a payload, and NAK, and a credit", () => {
    expect(decoded(`${REPLIES.badSequence} 15 ce05fa`)).toMatchObject([
      { kind: "reply", reply: { sequence: 2, status: SDX.BAD_SEQUENCE } },
      { kind: "nak" },
      { kind: "credit", parts: 5 },
    ]);
  });

  it("to SDX_INFO", () => {
    const info = decodeInfo(fromHex(INFO));
    expect(info).toEqual({
      version: 1,
      target: SDX.TARGET_RP2040,
      nonce: 0x1234,
      powerSwitch: true,
      deadman: true,
      buses: SDX.BUS_BIT_SPI,
      window: 0,
      maxPayload: 1024,
      silenceMs: 50,
      deadmanBytes: 32_768,
      minHz: 250_000,
      maxHz: 25_000_000,
      maxBlockLength: 2048,
    });
    if (info !== undefined) expect(toHex(encodeInfo(info))).toBe(INFO.replaceAll(" ", ""));
  });

  it("takes a data part only where one may come", () => {
    const part = `da00${"00".repeat(4)}0000`;
    expect(decoded(part, 4)).toMatchObject([{ kind: "part", number: 0, crc: 0, computed: 0 }]);
    expect(decoded(part, 0)).toMatchObject([{ kind: "damage" }]);
  });

  it.each([
    ["a damaged credit", "ce05fb"],
    ["a byte that begins nothing", "42"],
    ["a length that no reply has", "06 01 00 00 40"],
    ["a wrong CRC16", "06 02 0d 00 00 c47c"],
  ])("understands nothing behind %s", (_, hex) => {
    expect(decoded(`${hex}${REPLIES.badSequence}`)).toMatchObject([{ kind: "damage" }]);
  });
});

describe("properties", () => {
  it("any reply comes back, however it is cut", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.integer({ min: 0, max: 255 }),
        fc.integer({ min: 0, max: 0xffff }),
        fc.integer({ min: 1, max: 40 }),
        (payload, sequence, nonce, cut) => {
          const bytes = encodeReply({ sequence, status: 3, payload }, nonce);
          const decoder = new SdxReplyDecoder(nonce, 512);
          const messages: SdxMessage[] = [];
          for (let at = 0; at < bytes.length; at += cut)
            decoder.push(bytes.subarray(at, at + cut), (message) => messages.push(message));
          expect(messages).toEqual([{ kind: "reply", reply: { sequence, status: 3, payload } }]);
          expect(decoder.midway).toBe(false);
        },
      ),
    );
  });

  it("one wrong bit anywhere is never taken for the reply", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(), (payload, at) => {
        const bytes = encodeReply({ sequence: 9, status: 0, payload }, NONCE);
        const bit = at % (bytes.length * 8);
        bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
        const messages = decoded(toHex(bytes));
        expect(messages.filter(({ kind }) => kind === "reply")).toEqual([]);
      }),
    );
  });
});
