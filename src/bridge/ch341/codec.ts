import { type ClockRun, runsOf, type SpiRun } from "../../spi/clock-runs.js";
import type { CsPin } from "../../spi/cs-trail.js";
import type { BusOp } from "../../spi/plan.js";
import { concatBytes } from "../../util/bytes.js";
import {
  COMMAND,
  IDLE_PINS,
  OUTPUT_PINS,
  PACKET_BYTES,
  PAYLOAD_BYTES,
  PIN,
  reverseBits,
  reversed,
  UIO,
} from "./wire.js";

/**
 * The SPI stream's clock, which cannot be set. Nobody has published a measurement; sources say 1.4, 1.5 and 2 MHz (bridges.md 2.3),
 * and 1.5 MHz is the middle one. Nominal: it sizes polls and deadlines, no more.
 */
export const STREAM_HZ = 1_500_000;
/** Pin steps of one bit in {@link encodeSlow}, and how long each takes (flashrom's figure for OUT steps). */
const STEPS_PER_BIT = 7;
const UIO_STEP_US = 0.75;
/** The clock of bit-banging: far enough below 400 kHz that steps may even take half of the time. */
export const SLOW_HZ: number = Math.floor(1e6 / (STEPS_PER_BIT * UIO_STEP_US));

/** `stream`: the chip's shifter; `slow`: pins moved bit by bit. */
export type Clocking = "stream" | "slow";

/**
 * What the answer to one packet is, and where its parts belong in the reply of the script.
 * `samples`: pin levels, MISO of the bits from `bit` of the reply on (the highest of byte 0 is bit 0).
 */
export type Answer =
  | {
      readonly kind: "stream";
      readonly length: number;
      readonly keep: readonly { readonly from: number; readonly to: number; readonly at: number }[];
    }
  | { readonly kind: "samples"; readonly length: number; readonly bit: number }
  /** Levels of all pins, as they are, in byte 0 of the reply. */
  | { readonly kind: "pins"; readonly length: 1 };

/** One packet, at most {@link PACKET_BYTES} long. */
export interface Packet {
  readonly bytes: Uint8Array;
  readonly answer: Answer | undefined;
}

/** Packets in order, and what they bring back together. */
export interface Ch341Script {
  readonly packets: readonly Packet[];
  readonly replyBytes: number;
  /** Levels that CS goes through. */
  readonly csLevels: readonly CsPin[];
}

/** A CS pulse lasts so many pin steps: 2.25 µs, as flashrom has it. */
const CS_STEPS = 3;
const BITS_PER_PACKET = 4;

/** Speed 100 kHz of I2C, which nothing here uses, and single data lines (flashrom). */
const CONFIG = Uint8Array.of(COMMAND.i2cStream, 0x61, 0x00);

const silent = (...bytes: number[]): Packet => ({
  bytes: Uint8Array.from(bytes),
  answer: undefined,
});

function pinsFor(cs: CsPin): number {
  return cs === "high" ? IDLE_PINS : IDLE_PINS & ~PIN.cs0;
}

function script(packets: Packet[], replyBytes = 0, csLevels: CsPin[] = []): Ch341Script {
  return { packets, replyBytes, csLevels };
}

/** The chip set up, its pins driven: SCK low, MOSI high, CS as told. */
export function encodeSetUp(cs: CsPin): Ch341Script {
  const pins = silent(
    COMMAND.uioStream,
    UIO.out | pinsFor(cs),
    UIO.direction | OUTPUT_PINS,
    UIO.end,
  );
  return script([{ bytes: CONFIG, answer: undefined }, pins], 0, [cs]);
}

/** CS high, then all pins inputs. */
export function encodeRelease(): Ch341Script {
  const pins = silent(COMMAND.uioStream, UIO.out | IDLE_PINS, UIO.direction, UIO.end);
  return script([pins], 0, ["high"]);
}

/** Levels of the pins: one byte, D0 in bit 0. */
export function encodeReadPins(): Packet {
  const bytes = Uint8Array.of(COMMAND.uioStream, UIO.read, UIO.end);
  return { bytes, answer: { kind: "pins", length: 1 } };
}

/** One byte of ones clocked: proves that the chip answers. */
export function encodeProbe(): Packet {
  const keep = [{ from: 0, to: 1, at: 0 }];
  return {
    bytes: Uint8Array.of(COMMAND.spiStream, 0xff),
    answer: { kind: "stream", length: 1, keep },
  };
}

/** A step of the planner; `cs`: where it is before. */
export function encodeStep(ops: readonly BusOp[], cs: CsPin, clocking: Clocking): Ch341Script {
  const packets: Packet[] = [];
  const csLevels: CsPin[] = [];
  let level = cs;
  let reply = 0;
  for (const run of joinedLevels(runsOf(ops))) {
    if (run.kind === "levels") {
      packets.push(encodeLevels(run.levels));
      csLevels.push(...run.levels);
      level = run.levels.at(-1) ?? level;
      continue;
    }
    packets.push(
      ...(clocking === "stream" ? encodeStream(run, reply) : encodeSlow(run, reply, level)),
    );
    reply += run.reply.reduce((sum, { from, to }) => sum + to - from, 0);
  }
  return script(packets, reply, csLevels);
}

type Joined = ClockRun | { readonly kind: "levels"; readonly levels: CsPin[] };

/** Moves of CS with no clock between them go in one packet. */
function joinedLevels(runs: readonly SpiRun[]): Joined[] {
  const joined: Joined[] = [];
  for (const run of runs) {
    const last = joined.at(-1);
    if (run.kind === "clock") joined.push(run);
    else if (last?.kind === "levels") last.levels.push(run.level);
    else joined.push({ kind: "levels", levels: [run.level] });
  }
  return joined;
}

/** Each level but the last is held; CS that has moved needs no time before the next packet, which takes longer. */
function encodeLevels(levels: readonly CsPin[]): Packet {
  const steps = levels.flatMap((level, at) =>
    new Array<number>(at < levels.length - 1 ? CS_STEPS : 1).fill(UIO.out | pinsFor(level)),
  );
  return silent(COMMAND.uioStream, ...steps, UIO.end);
}

function encodeStream({ mosi, reply }: ClockRun, replyAt: number): Packet[] {
  const packets: Packet[] = [];
  for (let from = 0; from < mosi.length; from += PAYLOAD_BYTES) {
    const to = Math.min(mosi.length, from + PAYLOAD_BYTES);
    const bytes = new Uint8Array(1 + to - from);
    bytes[0] = COMMAND.spiStream;
    bytes.set(reversed(mosi.subarray(from, to)), 1);
    const keep = keptOf(reply, from, to, replyAt);
    packets.push({ bytes, answer: { kind: "stream", length: to - from, keep } });
  }
  return packets;
}

type Kept = Extract<Answer, { kind: "stream" }>["keep"][number];

/** The stretches of [from, to) that belong to the reply. */
function keptOf(reply: ClockRun["reply"], from: number, to: number, replyAt: number): Kept[] {
  const kept: Kept[] = [];
  let at = replyAt;
  for (const stretch of reply) {
    const first = Math.max(from, stretch.from);
    const end = Math.min(to, stretch.to);
    if (first < end)
      kept.push({ from: first - from, to: end - from, at: at + first - stretch.from });
    at += stretch.to - stretch.from;
  }
  return kept;
}

/** Half a byte a packet, seven pin steps a bit; MISO is sampled only where it is wanted. */
function encodeSlow({ mosi, reply }: ClockRun, replyAt: number, cs: CsPin): Packet[] {
  const packets: Packet[] = [];
  const positions = replyPositions(mosi.length, reply, replyAt);
  for (const [at, byte] of mosi.entries()) {
    const position = positions[at] as number;
    for (let half = 0; half < 2; half++) {
      const bits = half === 0 ? byte >> BITS_PER_PACKET : byte;
      const bit = position < 0 ? -1 : position * 8 + half * BITS_PER_PACKET;
      packets.push(encodeHalf(bits, bit, pinsFor(cs)));
    }
  }
  return packets;
}

/** Of each byte clocked, its place in the reply; -1 where it is dropped. */
function replyPositions(count: number, reply: ClockRun["reply"], replyAt: number): Int32Array {
  const positions = new Int32Array(count).fill(-1);
  let at = replyAt;
  for (const { from, to } of reply) for (let byte = from; byte < to; byte++) positions[byte] = at++;
  return positions;
}

/** MOSI changes while SCK is low and holds over its high phase; SCK ends low, MOSI high. */
function encodeHalf(bits: number, replyBit: number, idle: number): Packet {
  const steps: number[] = [COMMAND.uioStream];
  for (let bit = BITS_PER_PACKET - 1; bit >= 0; bit--) {
    const low = UIO.out | ((bits >> bit) & 1 ? idle : idle & ~PIN.mosi);
    const high = low | PIN.sck;
    steps.push(low, low, low, high, high, high, replyBit < 0 ? high : UIO.read);
  }
  steps.push(UIO.out | idle, UIO.end);
  if (replyBit < 0) return silent(...steps);
  return {
    bytes: Uint8Array.from(steps),
    answer: { kind: "samples", length: BITS_PER_PACKET, bit: replyBit },
  };
}

/** Puts the answer to a packet, exactly as long as expected, where it belongs in the reply (zeros so far). */
export function unpackAnswer(answer: Answer, data: Uint8Array, reply: Uint8Array): void {
  if (answer.kind === "stream") {
    for (const { from, to, at } of answer.keep)
      for (let byte = from; byte < to; byte++)
        reply[at + byte - from] = reverseBits(data[byte] as number);
    return;
  }
  if (answer.kind === "pins") {
    reply[0] = data[0] as number;
    return;
  }
  for (let index = 0; index < answer.length; index++) {
    if (((data[index] as number) & PIN.miso) === 0) continue;
    const bit = answer.bit + index;
    reply[bit >> 3] = (reply[bit >> 3] as number) | (0x80 >> (bit & 7));
  }
}

/** Packets that go out in one OUT transfer. */
export interface OutTransfer {
  /** Every packet but the last is filled up to {@link PACKET_BYTES}, which their `end` makes harmless. */
  readonly bytes: Uint8Array;
  readonly answers: readonly Answer[];
}

/**
 * Packs packets into transfers of at most `most` packets. An SPI packet that is not full ends its transfer: what it would be
 * filled up with would be clocked.
 */
export function toTransfers(packets: readonly Packet[], most: number): OutTransfer[] {
  const transfers: OutTransfer[] = [];
  let group: Packet[] = [];
  for (const [at, packet] of packets.entries()) {
    group.push(packet);
    const cannotBeFilled = packet.answer?.kind === "stream" && packet.bytes.length < PACKET_BYTES;
    if (!cannotBeFilled && group.length < most && at < packets.length - 1) continue;
    transfers.push(transferOf(group));
    group = [];
  }
  return transfers;
}

function transferOf(packets: readonly Packet[]): OutTransfer {
  const bytes = packets.map((packet, at) =>
    at === packets.length - 1 ? packet.bytes : filledUp(packet.bytes),
  );
  return {
    bytes: concatBytes(bytes),
    answers: packets.flatMap(({ answer }) => (answer === undefined ? [] : [answer])),
  };
}

function filledUp(bytes: Uint8Array): Uint8Array {
  if (bytes.length === PACKET_BYTES) return bytes;
  const filled = new Uint8Array(PACKET_BYTES);
  filled.set(bytes);
  return filled;
}
