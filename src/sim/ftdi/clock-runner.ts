import type { MpsseDecoder } from "../../bridge/ftdi/decoder.js";
import { type ClockJob, reversed, reversedBytes } from "./clock-job.js";
import type { Blocked, EngineParts } from "./engine-types.js";

const BYTE_BITS = 8;
/** Time is added up in floating point: a byte that ends this little after the limit ends at it. */
const SLACK = 1e-6;

export interface ClockRunContext {
  readonly atUs: number;
  readonly untilUs: number;
  readonly usPerBit: number;
  readonly loopback: boolean;
  readonly decoder: MpsseDecoder;
}

export interface ClockRunResult {
  readonly atUs: number;
  /** Something was clocked: there may be more to do at once. */
  readonly moved: boolean;
  readonly blocked: Blocked;
  readonly clockedBytes: number;
}

/** Bits that a job clocks until something can be seen from outside: a transfer completes, it blocks, or it ends. */
export function untilVisible(job: ClockJob, parts: EngineParts): number {
  if (job.bytesLeft === 0) return job.bitsLeft;
  let bytes = job.bytesLeft;
  if (job.read) bytes = Math.min(bytes, parts.in.room);
  if (job.write) bytes = Math.min(bytes, parts.out.available, parts.out.untilTaken);
  return Math.max(1, bytes) * BYTE_BITS;
}

/** Runs one piece of a job: as far as time, input and room for its reply go. */
export function runClockJob(
  job: ClockJob,
  parts: EngineParts,
  context: ClockRunContext,
): ClockRunResult {
  const { atUs } = context;
  const blocked = blockedBy(job, parts);
  if (blocked !== undefined) return { atUs, moved: false, blocked, clockedBytes: 0 };
  const bits = Math.floor((context.untilUs - atUs) / context.usPerBit + SLACK);
  const clocked =
    job.bytesLeft > 0 ? runBytes(job, parts, context, bits) : runBits(job, parts, context, bits);
  return {
    atUs: atUs + clocked * context.usPerBit,
    moved: clocked > 0,
    blocked: undefined,
    clockedBytes: job.drives ? clocked / BYTE_BITS : 0,
  };
}

function blockedBy(job: ClockJob, parts: EngineParts): Blocked {
  if (job.write && parts.out.empty) return "input";
  return job.read && parts.in.room === 0 ? "output" : undefined;
}

/** Returns the bits clocked. */
function runBytes(
  job: ClockJob,
  parts: EngineParts,
  context: ClockRunContext,
  bits: number,
): number {
  let count = Math.min(job.bytesLeft, Math.floor(bits / BYTE_BITS));
  if (job.write) count = Math.min(count, parts.out.available, Math.max(1, parts.out.untilTaken));
  if (job.read) count = Math.min(count, parts.in.room);
  if (count === 0) return 0;
  const reply = job.read ? parts.in.reserve(count) : undefined;
  count = reply?.length ?? count;
  const mosi = job.write ? parts.out.front().subarray(0, count) : undefined;
  exchange(job, parts, context, mosi, reply, count);
  job.bytesLeft -= count;
  const endUs = context.atUs + count * BYTE_BITS * context.usPerBit;
  if (mosi !== undefined) takePayload(parts, context, mosi, endUs);
  if (reply !== undefined) parts.in.commit(count, endUs);
  return count * BYTE_BITS;
}

function takePayload(
  parts: EngineParts,
  context: ClockRunContext,
  mosi: Uint8Array,
  endUs: number,
): void {
  context.decoder.read(mosi, 0, mosi.length);
  parts.out.consume(mosi.length, endUs);
}

function exchange(
  job: ClockJob,
  { wire }: EngineParts,
  { atUs, usPerBit, loopback }: ClockRunContext,
  mosi: Uint8Array | undefined,
  reply: Uint8Array | undefined,
  count: number,
): void {
  const out = job.lsbFirst && mosi !== undefined ? reversedBytes(mosi) : mosi;
  const level = wire.dataOut ? 0xff : 0;
  if (job.drives) wire.bytes(out, loopback ? undefined : reply, count, { atUs, usPerBit });
  else reply?.fill(0xff);
  if (reply === undefined) return;
  if (loopback && mosi !== undefined) reply.set(mosi);
  else if (loopback) reply.fill(level);
  else if (job.lsbFirst) reply.set(reversedBytes(reply));
}

/** A bit-wise shift is one piece: it is short. Returns the bits clocked. */
function runBits(
  job: ClockJob,
  parts: EngineParts,
  context: ClockRunContext,
  bits: number,
): number {
  const count = job.bitsLeft;
  if (count > bits) return 0;
  const endUs = context.atUs + count * context.usPerBit;
  const payload = job.write ? parts.out.front().subarray(0, 1) : undefined;
  const got = exchangeBits(job, parts, context, payload?.[0]);
  job.bitsLeft = 0;
  if (payload !== undefined) takePayload(parts, context, payload, endUs);
  if (job.read) parts.in.put([got], endUs);
  return count;
}

function exchangeBits(
  job: ClockJob,
  { wire }: EngineParts,
  { atUs, usPerBit, loopback }: ClockRunContext,
  payload: number | undefined,
): number {
  const count = job.bitsLeft;
  const out = payload !== undefined && job.lsbFirst ? reversed(payload) : payload;
  const level = wire.dataOut ? 0xff : 0;
  const seen = job.drives ? wire.bits(out, count, { atUs, usPerBit }) : (1 << count) - 1;
  const got = loopback ? (out ?? level) >> (BYTE_BITS - count) : seen;
  return job.lsbFirst ? reversed(got) : got;
}
