import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import {
  encodeProbe,
  encodeReadPins,
  encodeRelease,
  encodeSetUp,
  encodeStep,
  type Packet,
  type Ch341Script as Script,
  SLOW_HZ,
  toTransfers,
  unpackAnswer,
} from "../../../src/bridge/ch341/codec.js";
import { answerBytes, decodePacket, reversed } from "../../../src/bridge/ch341/decoder.js";
import type { BusOp } from "../../../src/spi/plan.js";
import { fromHex, toHex } from "../../../src/util/bytes.js";

const hexOf = (packets: readonly Packet[]): string[] => packets.map(({ bytes }) => toHex(bytes));
const noSpace = (text: string): string => text.replaceAll(" ", "");

describe("scripts, byte by byte", () => {
  test("set-up, release, probe and pins are flashrom's", () => {
    expect(hexOf(encodeSetUp("high").packets)).toEqual(["aa6100", "abb77f20"]);
    expect(hexOf(encodeSetUp("low").packets)).toEqual(["aa6100", "abb67f20"]);
    expect(hexOf(encodeRelease().packets)).toEqual(["abb74020"]);
    expect(hexOf([encodeProbe(), encodeReadPins()])).toEqual(["a8ff", "ab0020"]);
  });

  test("CMD0 in a frame of its own, 8 bytes read behind it", () => {
    const ops: BusOp[] = [
      { kind: "cs", level: "low" },
      { kind: "write", data: fromHex("400000000095") },
      { kind: "read", length: 8 },
      { kind: "cs", level: "high" },
      { kind: "idle", bytes: 1 },
    ];
    const script = encodeStep(ops, "high", "stream");
    expect(hexOf(script.packets)).toEqual([
      "abb620",
      `a80200000000a9${"ff".repeat(8)}`,
      "abb720",
      "a8ff",
    ]);
    expect(script).toMatchObject({ replyBytes: 8, csLevels: ["low", "high"] });
    expect(script.packets[1]?.answer).toEqual({
      kind: "stream",
      length: 14,
      keep: [{ from: 6, to: 14, at: 0 }],
    });
  });

  test("CS that goes up and down again stays up for three steps", () => {
    const ops: BusOp[] = [
      { kind: "cs", level: "high" },
      { kind: "cs", level: "low" },
    ];
    expect(hexOf(encodeStep(ops, "low", "stream").packets)).toEqual([noSpace("ab b7 b7 b7 b6 20")]);
  });

  test("a byte bit by bit: two packets of four bits, MOSI set before SCK rises, SCK low at the end", () => {
    const low = { kind: "cs", level: "low" } as const;
    const script = encodeStep(
      [low, { kind: "exchange", data: Uint8Array.of(0xa5) }],
      "high",
      "slow",
    );
    const one = "b6 b6 b6 be be be 00";
    const zero = "96 96 96 9e 9e 9e 00";
    expect(hexOf(script.packets)).toEqual(
      [
        "ab b6 20",
        `ab ${one} ${zero} ${one} ${zero} b6 20`,
        `ab ${zero} ${one} ${zero} ${one} b6 20`,
      ].map(noSpace),
    );
    expect(script.packets.map(({ answer }) => answer)).toEqual([
      undefined,
      { kind: "samples", length: 4, bit: 0 },
      { kind: "samples", length: 4, bit: 4 },
    ]);
  });

  test("what is not wanted is not sampled", () => {
    const script = encodeStep([{ kind: "idle", bytes: 1 }], "high", "slow");
    const one = "b7 b7 b7 bf bf bf bf";
    expect(hexOf(script.packets)).toEqual(
      new Array(2).fill(noSpace(`ab ${one} ${one} ${one} ${one} b7 20`)),
    );
    expect(script.packets.every(({ answer }) => answer === undefined)).toBe(true);
  });

  test("seven steps of 0.75 µs are less than 400 kHz, even if steps take half of that", () => {
    expect(SLOW_HZ).toBe(190_476);
    expect(2 * SLOW_HZ).toBeLessThanOrEqual(400_000);
  });
});

describe("transfers", () => {
  const full: Packet = encodeStep([{ kind: "idle", bytes: 31 }], "low", "stream")
    .packets[0] as Packet;
  const short = encodeProbe();
  const pins = encodeReadPins();

  test("all packets but the last are 32 bytes long", () => {
    const [transfer, ...rest] = toTransfers([pins, full, pins], 32);
    expect(rest).toEqual([]);
    expect(toHex(transfer?.bytes ?? new Uint8Array())).toBe(
      `ab0020${"00".repeat(29)}a8${"ff".repeat(31)}ab0020`,
    );
    expect(transfer?.answers).toHaveLength(3);
  });

  test("an SPI packet that is not full is the last of its transfer", () => {
    const lengths = toTransfers([short, pins, short, full], 32).map(({ bytes }) => bytes.length);
    expect(lengths).toEqual([2, 34, 32]);
  });

  test("no transfer has more packets than allowed", () => {
    const packets = new Array<Packet>(70).fill(full);
    expect(toTransfers(packets, 32).map(({ bytes }) => bytes.length / 32)).toEqual([32, 32, 6]);
    expect(toTransfers([], 32)).toEqual([]);
  });
});

const bytesOf = fc.uint8Array({ minLength: 0, maxLength: 90 });
const opOf: fc.Arbitrary<BusOp> = fc.oneof(
  fc.constantFrom<BusOp>({ kind: "cs", level: "high" }, { kind: "cs", level: "low" }),
  bytesOf.map((data): BusOp => ({ kind: "write", data })),
  bytesOf.map((data): BusOp => ({ kind: "exchange", data })),
  fc.nat(90).map((length): BusOp => ({ kind: "read", length })),
  fc.nat(90).map((bytes): BusOp => ({ kind: "idle", bytes })),
);

/** What an op puts on MOSI. */
function clockedBy(op: BusOp): Iterable<number> {
  if (op.kind === "write" || op.kind === "exchange") return op.data;
  if (op.kind === "cs" || op.kind === "waitReady") return [];
  return new Uint8Array(op.kind === "read" ? op.length : op.bytes).fill(0xff);
}

/** What a device that answers byte n since the beginning with `n * 29 + 3` gives, by the ops alone. */
function expected(ops: readonly BusOp[]): { mosi: number[]; reply: number[] } {
  const mosi: number[] = [];
  const reply: number[] = [];
  for (const op of ops) {
    const answered = op.kind === "read" || op.kind === "exchange";
    for (const byte of clockedBy(op)) {
      if (answered) reply.push(misoOf(mosi.length));
      mosi.push(byte);
    }
  }
  return { mosi, reply };
}

const misoOf = (at: number): number => (at * 29 + 3) & 0xff;

/** Clocks a streamed script through the decoder; fills `reply` as a driver would. @returns bytes on MOSI */
function clockStreams(script: Script, reply: Uint8Array): number[] {
  const mosi: number[] = [];
  for (const { bytes, answer } of script.packets) {
    const events = decodePacket(bytes);
    expect(answerBytes(events)).toBe(answer?.length ?? 0);
    for (const event of events) {
      if (event.kind !== "stream") continue;
      const miso = event.mosi.map((_, at) => misoOf(mosi.length + at));
      mosi.push(...event.mosi);
      if (answer !== undefined) unpackAnswer(answer, reversed(miso), reply);
    }
  }
  return mosi;
}

/** The state of pins that are moved one by one: bits taken over at rising clock edges. */
class Pins {
  bits = "";
  sck = false;

  out(value: number): void {
    const high = (value & 0x08) !== 0;
    if (high && !this.sck) this.bits += (value & 0x20) === 0 ? "0" : "1";
    this.sck = high;
  }

  /** What a status read answers: the bit of MISO, beside other pins. */
  sample(): number {
    const at = this.bits.length - 1;
    return ((misoOf(at >> 3) << (at & 7)) & 0x80) | 0x37;
  }
}

/** The same for a script that moves pins. */
function clockPins(script: Script, reply: Uint8Array): number[] {
  const pins = new Pins();
  for (const { bytes, answer } of script.packets) {
    const samples: number[] = [];
    for (const event of decodePacket(bytes)) {
      if (event.kind === "read") samples.push(pins.sample());
      if (event.kind === "out") pins.out(event.value);
    }
    expect(pins.sck).toBe(false);
    expect(samples).toHaveLength(answer?.length ?? 0);
    if (answer !== undefined) unpackAnswer(answer, Uint8Array.from(samples), reply);
  }
  return (pins.bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2));
}

describe("a script read back by the decoder", () => {
  test.each([
    ["streams clock the very bytes of the ops, and answers find their way", "stream", clockStreams],
    ["so do pins moved one by one", "slow", clockPins],
  ] as const)("%s", (_, mode, clock) => {
    fc.assert(
      fc.property(fc.array(opOf, { maxLength: 6 }), (ops) => {
        const script = encodeStep(ops, "high", mode);
        const reply = new Uint8Array(script.replyBytes);
        const mosi = clock(script, reply);
        expect({ mosi, reply: [...reply] }).toEqual(expected(ops));
      }),
      { numRuns: 60 },
    );
  });
});
