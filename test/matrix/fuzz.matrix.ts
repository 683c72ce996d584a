import { describe, expect, it } from "@jest/globals";
import { answerBytes, decodePacket, decodeRequest } from "../../src/bridge/ch341/decoder.js";
import { AnswerReader, decodeSettings, decodeTransfer } from "../../src/bridge/ch347/decoder.js";
import { decodeSio, MpsseDecoder, stripStatus } from "../../src/bridge/ftdi/decoder.js";
import { decodeAnswer, decodeCommand } from "../../src/bridge/mcp2210/decoder.js";
import { replyBytes, SerprogAnswers, SerprogDecoder } from "../../src/bridge/serprog/decoder.js";
import { CardDecoder } from "../../src/card/decoder.js";
import { MAX_TRANSFER_BYTES, UsbipError, UsbipReader } from "../../src/sim/usbip/reader.js";

/** Inputs for each target. */
const INPUTS = Number(process.env["MMCPSTORE_FUZZ_INPUTS"] ?? 1_000_000);
/** `MMCPSTORE_FUZZ_ONE=17` runs that input alone. */
const ONE = process.env["MMCPSTORE_FUZZ_ONE"];
const MAX_BYTES = 48;

/** Mulberry32: quick, repeatable, any seed. */
class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = Math.imul(seed + 1, 0x9e3779b1) >>> 0;
  }

  below(bound: number): number {
    return this.#next() % bound;
  }

  /** Any bytes; half of the inputs have many of those that mean something to the target. */
  bytes(meaningful: readonly number[]): Uint8Array {
    const bytes = new Uint8Array(this.below(MAX_BYTES));
    const isMeant = meaningful.length > 0 && this.below(2) === 0;
    for (let at = 0; at < bytes.length; at++) {
      const random = this.#next();
      bytes[at] =
        isMeant && (random & 3) > 0
          ? (meaningful[(random >>> 8) % meaningful.length] as number)
          : random >>> 24;
    }
    return bytes;
  }

  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }
}

interface Target {
  readonly name: string;
  /** Bytes that mean something to it. */
  readonly bytes: readonly number[];
  /** Throws where something is wrong with it. */
  run(bytes: Uint8Array, random: Random): void;
}

/** Whatever the cuts, the same must come out. */
function inChunks(bytes: Uint8Array, random: Random, push: (chunk: Uint8Array) => void): void {
  for (let at = 0; at < bytes.length; ) {
    const to = Math.min(bytes.length, at + 1 + random.below(bytes.length));
    push(bytes.subarray(at, to));
    at = to;
  }
}

function claim(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

/** Events of a stream decoder, payloads joined: what does not depend on how the stream is cut. */
function story(events: readonly { readonly kind: string; readonly bytes?: Uint8Array }[]): string {
  let text = "";
  for (const event of events)
    text +=
      event.kind === "payload"
        ? Buffer.from(event.bytes ?? []).toString("hex")
        : `|${JSON.stringify(event)}|`;
  return text;
}

const TARGETS: readonly Target[] = [
  {
    name: "MPSSE",
    bytes: [
      0x10, 0x11, 0x19, 0x20, 0x24, 0x31, 0x33, 0x80, 0x81, 0x87, 0x88, 0x94, 0x9c, 0xaa, 0, 1,
    ],
    run: (bytes, random) => {
      const decode = (push: (decoder: MpsseDecoder) => void): MpsseDecoder => {
        const decoder = new MpsseDecoder("ft232h");
        push(decoder);
        claim(decoder.offset === bytes.length, "every byte is taken once");
        return decoder;
      };
      const whole: Parameters<typeof story>[0][number][] = [];
      const cut: typeof whole = [];
      const one = decode((decoder) => decoder.push(bytes, (event) => void whole.push(event)));
      const other = decode((decoder) =>
        inChunks(bytes, random, (chunk) => decoder.push(chunk, (event) => void cut.push(event))),
      );
      claim(story(whole) === story(cut), "cuts change nothing");
      claim(one.payloadLeft === other.payloadLeft, "nor what is still to come");
    },
  },
  {
    name: "FTDI status bytes and vendor requests",
    bytes: [0x32, 0x60, 0x31, 0x01],
    run: (bytes, random) => {
      const packetSize = [64, 512][random.below(2)] as number;
      const isShort = bytes.length % packetSize === 1;
      try {
        const payload = stripStatus(bytes, packetSize, new Uint8Array(bytes.length), 0);
        claim(!isShort && payload <= bytes.length, "no more than came");
      } catch (error) {
        // A packet that is shorter than its status bytes, and nothing else.
        claim(isShort && error instanceof RangeError, "what fits is taken");
      }
      const [requestType = 0, request = 0, value = 0, index = 0] = bytes;
      decodeSio({ requestType, request, value: value * 257, index: index * 257 });
    },
  },
  {
    name: "CH341",
    bytes: [0xaa, 0xab, 0xa8, 0x20, 0x40, 0x80, 0xc0, 0x00, 0xb7, 0xb6],
    run: (bytes, random) => {
      const packet = bytes.subarray(0, 32);
      claim(answerBytes(decodePacket(packet)) <= 32 * 32, "an answer that the chip can give");
      const [requestType = 0, request = 0, value = 0] = bytes;
      decodeRequest({ requestType, request, value: value * 257, index: random.below(65_536) });
    },
  },
  {
    name: "CH347",
    bytes: [0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xca, 0x00, 0x01, 0x1a, 0xff],
    run: (bytes, random) => {
      decodeTransfer(bytes);
      decodeSettings(bytes);
      const frames = new AnswerReader().push(bytes);
      const reader = new AnswerReader();
      const cut: unknown[] = [];
      inChunks(bytes, random, (chunk) => void cut.push(...reader.push(chunk)));
      claim(JSON.stringify(cut) === JSON.stringify(frames), "cuts change nothing");
    },
  },
  {
    name: "MCP2210",
    bytes: [0x10, 0x11, 0x20, 0x21, 0x30, 0x31, 0x40, 0x41, 0x42, 0x00, 0xf7, 0xf8],
    run: (bytes, random) => {
      const report = new Uint8Array(random.below(4) === 0 ? bytes.length : 64);
      report.set(bytes.subarray(0, report.length));
      decodeCommand(report);
      decodeAnswer(report);
    },
  },
  {
    name: "serprog, from the host",
    bytes: [0x00, 0x01, 0x02, 0x03, 0x10, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18],
    run: (bytes, random) => {
      const whole: Parameters<typeof story>[0][number][] = [];
      const cut: typeof whole = [];
      new SerprogDecoder().push(bytes, (event) => {
        claim(replyBytes(event) < 2 ** 25, "an answer has a bound");
        whole.push(event);
      });
      const decoder = new SerprogDecoder();
      inChunks(bytes, random, (chunk) => decoder.push(chunk, (event) => void cut.push(event)));
      claim(decoder.offset === bytes.length, "every byte is taken once");
      claim(story(whole) === story(cut), "cuts change nothing");
    },
  },
  {
    name: "serprog, from the programmer",
    bytes: [0x06, 0x15, 0x06, 0x00, 0xff],
    run: (bytes, random) => {
      const answers = new SerprogAnswers();
      let settled = 0;
      let data = 0;
      const count = random.below(6);
      for (let one = 0; one < count; one++)
        answers.expect([0x10, 0x13, 0x01][random.below(3)] as number, random.below(9), (answer) => {
          settled++;
          data += answer.kind === "acknowledged" ? answer.data.length : 0;
        });
      inChunks(bytes, random, (chunk) => answers.push(chunk));
      claim(settled <= count && answers.open <= count, "each is answered once");
      claim(data + answers.droppedBytes <= bytes.length, "no byte counts twice");
    },
  },
  {
    name: "USB/IP",
    bytes: [0x01, 0x11, 0x80, 0x05, 0x03, 0x00, 0x00, 0x00, 0x02],
    run: (bytes, random) => {
      const reader = new UsbipReader();
      let urbs = random.below(2) === 0;
      const message = usbipMessage(bytes, random, urbs);
      try {
        inChunks(message, random, (chunk) => {
          reader.push(chunk);
          for (;;) {
            const taken = urbs ? reader.command() : reader.operation();
            if (taken === undefined) break;
            if (taken.kind === "import") urbs = true;
            if (taken.kind === "submit")
              claim(taken.length <= MAX_TRANSFER_BYTES, "a transfer has a bound");
          }
        });
      } catch (error) {
        if (!(error instanceof UsbipError)) throw error;
      }
      claim(reader.held <= message.length, "it holds no more than came");
    },
  },
  {
    name: "card protocol",
    bytes: [0x40, 0x48, 0x51, 0x52, 0x58, 0x59, 0x4c, 0xfe, 0xfc, 0xfd, 0xff, 0x00, 0x01, 0x05],
    run: (bytes, random) => {
      const other = random.bytes([0xff, 0x00, 0x01, 0xfe, 0x05, 0xe5]);
      const length = Math.min(bytes.length, other.length);
      const decoder = new CardDecoder(() => undefined);
      decoder.push(bytes.subarray(0, length), other.subarray(0, length));
      if (random.below(2) === 0) decoder.deselect();
      decoder.push(bytes.subarray(0, length), other.subarray(0, length));
      decoder.finish();
    },
  },
];

/** Random bytes rarely get past a header of 48: most inputs have a plausible one. */
function usbipMessage(bytes: Uint8Array, random: Random, urbs: boolean): Uint8Array {
  if (random.below(4) === 0) return bytes;
  const head = Buffer.alloc(urbs ? 48 : 8);
  if (urbs) {
    head.writeUInt32BE(1 + random.below(3), 0);
    head.writeUInt32BE(random.below(1000), 4);
    head.writeUInt32BE(random.below(3), 12);
    head.writeUInt32BE(random.below(20), 16);
    head.writeUInt32BE(random.below(8) === 0 ? random.below(2 ** 31) : random.below(90), 24);
    head.writeUInt32BE(random.below(3) === 0 ? 0xffffffff : random.below(3), 32);
  } else {
    head.writeUInt16BE(0x0111, 0);
    head.writeUInt16BE([0x8005, 0x8003, 0x8004][random.below(3)] as number, 2);
  }
  return Buffer.concat([head, bytes]);
}

describe("decoders and parsers take any bytes", () => {
  it.each(TARGETS.map((target) => [target.name, target] as const))("%s", (name, { bytes, run }) => {
    const indexes = ONE === undefined ? { from: 0, to: INPUTS } : { from: +ONE, to: +ONE + 1 };
    let ran = 0;
    for (let index = indexes.from; index < indexes.to; index++) {
      const random = new Random(index);
      try {
        run(random.bytes(bytes), random);
      } catch (cause) {
        const message = `${name}: input ${index} (MMCPSTORE_FUZZ_ONE=${index} runs it alone)`;
        throw new Error(`${message}: ${String(cause)}`, { cause });
      }
      ran++;
    }
    process.stdout.write(`${name}: ${ran} inputs\n`);
    expect(ran).toBe(indexes.to - indexes.from);
  });
});
