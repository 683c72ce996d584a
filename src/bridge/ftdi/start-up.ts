import { isLate } from "../../spi/engine-errors.js";
import { BridgeError } from "../../spi/errors.js";
import { concatBytes } from "../../util/bytes.js";
import type { Clock } from "../../util/clock.js";
import { type Deadline, deadlineIn, earlier, expired } from "../../util/deadline.js";
import { encodeSyncProbe, MPSSE } from "./codec.js";
import type { FtdiPort } from "./ftdi-port.js";
import { payloadOf } from "./in-stream.js";

/** Between the mode change and the first byte (libmpsse waits 25 ms, AN_135 50 ms, OpenOCD not at all). */
const MODE_SETTLE_US = 25_000;
/** A chip that has nothing to say does not always say so: do not wait for long. */
const DRAIN_MS = 100;
/** After a purge there can be no more than what was on its way. */
const MAX_JUNK_BYTES = 65536;
const READ_BYTES = 4096;
const SYNC_TRY_MS = 100;
const MAX_SYNC_TRIES = 5;

/**
 * Brings a channel from any state into MPSSE mode: bit mode off (another program may have left a foreign one), FIFOs
 * empty, latency timer set, no special characters, flow control on (AN_135; bridges.md 1.4).
 */
export async function enterMpsse(
  port: FtdiPort,
  latencyMs: number,
  clock: Clock,
  deadline: Deadline,
): Promise<void> {
  const { sio } = port;
  const requests = [
    sio.reset,
    sio.modeReset,
    sio.purgeOut,
    sio.purgeIn,
    sio.latency(latencyMs),
    sio.noEventChar,
    sio.noErrorChar,
    sio.rtsCts,
    sio.modeMpsse,
  ];
  for (const request of requests) await port.control(request, deadline);
  await clock.sleep(MODE_SETTLE_US);
}

/** Ends whatever the engine does, a wait without end too. Its pins float from here to the next 80. */
export async function resetEngine(port: FtdiPort, deadline: Deadline): Promise<void> {
  const { sio } = port;
  for (const request of [sio.modeReset, sio.purgeOut, sio.purgeIn, sio.modeMpsse]) {
    await port.control(request, deadline);
  }
}

/**
 * Empties the IN path and makes sure that the engine is there and between two commands: it has to answer the
 * opcodes AA and AB, which do not exist, wherever in the stream.
 * @throws BridgeError BRIDGE_SYNC if it does not
 */
export async function synchronise(port: FtdiPort, clock: Clock, deadline: Deadline): Promise<void> {
  await drain(port, clock, deadline);
  for (const opcode of [MPSSE.badA, MPSSE.badB]) await find(port, opcode, clock, deadline);
}

async function drain(port: FtdiPort, clock: Clock, deadline: Deadline): Promise<void> {
  for (let junk = 0; junk <= MAX_JUNK_BYTES; ) {
    const until = earlier(deadline, deadlineIn(clock, DRAIN_MS));
    const transfer = await port.receive(READ_BYTES, until).done.catch(nothingIfLate);
    const { length } = payloadOf(transfer, port.packetSize);
    if (length === 0) return;
    junk += length;
  }
  throw noSync("sends without end", undefined);
}

function nothingIfLate(error: unknown): Uint8Array {
  if (isLate(error)) return new Uint8Array(0);
  throw error;
}

async function find(
  port: FtdiPort,
  opcode: number,
  clock: Clock,
  deadline: Deadline,
): Promise<void> {
  for (let tries = 0; tries < MAX_SYNC_TRIES && !expired(clock, deadline); tries++) {
    const until = earlier(deadline, deadlineIn(clock, SYNC_TRY_MS));
    if (await probe(port, opcode, clock, until)) return;
  }
  throw noSync("does not answer as an MPSSE does", opcode);
}

/** The IN transfer first: an engine with a full FIFO takes nothing. */
async function probe(
  port: FtdiPort,
  opcode: number,
  clock: Clock,
  until: Deadline,
): Promise<boolean> {
  const { bytes, answer } = encodeSyncProbe(opcode);
  const reading = port.receive(READ_BYTES, until);
  const sending = port.send(bytes, until);
  const outcomes = await Promise.allSettled([
    search(port, reading.done, answer, clock, until),
    sending.done.then(() => true),
  ]);
  for (const outcome of outcomes) {
    if (outcome.status === "rejected" && !isLate(outcome.reason)) throw outcome.reason;
  }
  return outcomes.every((outcome) => outcome.status === "fulfilled" && outcome.value);
}

/** True once `answer` has come, whatever came before it. */
async function search(
  port: FtdiPort,
  first: Promise<Uint8Array>,
  answer: Uint8Array,
  clock: Clock,
  until: Deadline,
): Promise<boolean> {
  let seen: Uint8Array = new Uint8Array(0);
  let reading = first;
  while (true) {
    const payload = payloadOf(await reading, port.packetSize);
    seen = concatBytes([seen.slice(-answer.length), payload]);
    if (Buffer.from(seen).includes(Buffer.from(answer))) return true;
    if (expired(clock, until)) return false;
    reading = port.receive(READ_BYTES, until).done;
  }
}

function noSync(what: string, opcode: number | undefined): BridgeError {
  return new BridgeError("BRIDGE_SYNC", `the adapter ${what}`, {
    details: opcode === undefined ? {} : { opcode },
    hint: "unplug it and plug it in again; make sure that no other program uses it",
  });
}
