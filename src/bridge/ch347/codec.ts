import { type ClockRun, runsOf } from "../../spi/clock-runs.js";
import type { CsPin } from "../../spi/cs-trail.js";
import type { BusOp } from "../../spi/plan.js";
import { viewOf } from "../../util/bytes.js";
import {
  CLOCK_SHIFT,
  COMMAND,
  COUNT_BYTES,
  CS_BIT,
  CS_BYTES,
  clockHz,
  HEAD_BYTES,
  PAYLOAD_BYTES,
  SETTING,
  SETTINGS_BYTES,
  SLOWEST_CLOCK_INDEX,
  WORD,
} from "./wire.js";

/** A stretch of an answer that belongs to the reply of its script. */
export interface Kept {
  readonly from: number;
  readonly to: number;
  /** Where `from` belongs. */
  readonly at: number;
}

/** What a command is answered with. */
export type Answer =
  /** `length` bytes of MISO: an exchange's in one frame, a read's in as many as it takes. */
  | {
      readonly command: typeof COMMAND.exchange | typeof COMMAND.read;
      readonly length: number;
      readonly keep: readonly Kept[];
    }
  /** One byte, 0 if all is well. */
  | { readonly command: typeof COMMAND.write | typeof COMMAND.writeSettings }
  | { readonly command: typeof COMMAND.readSettings };

/** One command: one OUT transfer. */
export interface Command {
  readonly bytes: Uint8Array;
  readonly answer: Answer | undefined;
}

/** Commands in order, and what they bring back together. */
export interface Ch347Script {
  readonly commands: readonly Command[];
  readonly replyBytes: number;
  /** Levels that CS goes through. */
  readonly csLevels: readonly CsPin[];
}

/** A read cannot be taken back, and its rest has to be fetched after an abort: none takes longer than this. */
const LONGEST_READ_SECONDS = 0.05;

/** Asks for the settings: changes nothing, and is always answered. */
export function encodeReadSettings(): Command {
  const bytes = framed(COMMAND.readSettings, Uint8Array.of(1));
  return { bytes, answer: { command: COMMAND.readSettings } };
}

/** SPI master, mode 0, 8 bits, highest first, CS by command; all ones on MOSI while reading. */
export function encodeSettings(clockIndex: number): Command {
  const payload = new Uint8Array(SETTINGS_BYTES);
  const view = viewOf(payload);
  view.setUint16(SETTING.mode, WORD.master, true);
  view.setUint16(SETTING.nss, WORD.softwareCs, true);
  view.setUint16(SETTING.prescaler, clockIndex << CLOCK_SHIFT, true);
  view.setUint16(SETTING.crcPolynomial, WORD.crcPolynomial, true);
  payload[SETTING.idleByte] = 0xff;
  return {
    bytes: framed(COMMAND.writeSettings, payload),
    answer: { command: COMMAND.writeSettings },
  };
}

/** CS1; CS2 is left to whom it belongs. */
export function encodeChipSelect(level: CsPin): Command {
  const payload = new Uint8Array(CS_BYTES);
  payload[0] = CS_BIT.change | (level === "high" ? CS_BIT.release : 0);
  return { bytes: framed(COMMAND.chipSelect, payload), answer: undefined };
}

/** Index of the fastest clock that is not above `frequencyHz`; undefined below the slowest. */
export function clockIndexFor(frequencyHz: number): number | undefined {
  for (let index = 0; index <= SLOWEST_CLOCK_INDEX; index++)
    if (clockHz(index) <= frequencyHz) return index;
  return undefined;
}

/** A step of the planner at the given clock. */
export function encodeStep(ops: readonly BusOp[], frequencyHz: number): Ch347Script {
  const commands: Command[] = [];
  const csLevels: CsPin[] = [];
  let replyBytes = 0;
  for (const run of runsOf(ops)) {
    if (run.kind === "cs") {
      commands.push(encodeChipSelect(run.level));
      csLevels.push(run.level);
      continue;
    }
    commands.push(...encodeClocks(run, replyBytes, mostReadAt(frequencyHz)));
    replyBytes += run.reply.reduce((sum, { from, to }) => sum + to - from, 0);
  }
  return { commands, replyBytes, csLevels };
}

/** Whole frames, so that a read in several costs no answer more. */
function mostReadAt(frequencyHz: number): number {
  const frames = Math.floor(((frequencyHz / 8) * LONGEST_READ_SECONDS) / PAYLOAD_BYTES);
  return Math.max(1, frames) * PAYLOAD_BYTES;
}

/**
 * Reads of any length where MOSI is all ones up to the end and MISO is wanted, otherwise as few packets as it takes: both
 * directions where MISO is wanted, else written only, which is answered with four bytes.
 */
function encodeClocks({ mosi, reply }: ClockRun, replyAt: number, mostRead: number): Command[] {
  const commands: Command[] = [];
  const onesFrom = endOfData(mosi);
  for (let from = 0; from < mosi.length; ) {
    const rest = mosi.length - from;
    const isRead = from >= onesFrom && keptOf(reply, from, mosi.length, replyAt).length > 0;
    const to = from + Math.min(rest, isRead ? mostRead : PAYLOAD_BYTES);
    const keep = keptOf(reply, from, to, replyAt);
    if (isRead) commands.push(encodeRead(to - from, keep));
    else commands.push(encodeData(mosi.subarray(from, to), keep));
    from = to;
  }
  return commands;
}

/** From here on `mosi` is all ones. */
function endOfData(mosi: Uint8Array): number {
  let end = mosi.length;
  while (end > 0 && mosi[end - 1] === 0xff) end--;
  return end;
}

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

function encodeRead(length: number, keep: readonly Kept[]): Command {
  const count = new Uint8Array(COUNT_BYTES);
  viewOf(count).setUint32(0, length, true);
  return {
    bytes: framed(COMMAND.read, count),
    answer: { command: COMMAND.read, length, keep },
  };
}

function encodeData(mosi: Uint8Array, keep: readonly Kept[]): Command {
  if (keep.length === 0)
    return { bytes: framed(COMMAND.write, mosi), answer: { command: COMMAND.write } };
  const answer = { command: COMMAND.exchange, length: mosi.length, keep };
  return { bytes: framed(COMMAND.exchange, mosi), answer };
}

function framed(command: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEAD_BYTES + payload.length);
  bytes[0] = command;
  viewOf(bytes).setUint16(1, payload.length, true);
  bytes.set(payload, HEAD_BYTES);
  return bytes;
}

/** Puts `data`, which is an answer from its byte `offset` on, where it belongs in the reply. */
export function unpackAnswer(
  keep: readonly Kept[],
  data: Uint8Array,
  offset: number,
  reply: Uint8Array,
): void {
  for (const { from, to, at } of keep) {
    const first = Math.max(from, offset);
    const end = Math.min(to, offset + data.length);
    if (first < end) reply.set(data.subarray(first - offset, end - offset), at + first - from);
  }
}
