import { isLate } from "../../spi/engine-errors.js";
import type { SerialTransport } from "../../transport/types.js";
import { concatBytes, equalBytes } from "../../util/bytes.js";
import type { Clock } from "../../util/clock.js";
import { type Deadline, deadlineIn, earlier, expired } from "../../util/deadline.js";
import { ACK, NAK, SERPROG } from "./codec.js";
import { PortEvidence } from "./port-evidence.js";
import type { SerialReader } from "./serial-reader.js";

/**
 * NOPs of each try. The few find a programmer that waits for a command; the many fill up an operation that was cut off: one of 512
 * bytes, of 4096, and, more and more, one whose length was damaged.
 */
const FLOODS: readonly number[] = [8, 8, 600, 8, 4200, 8, 16_500, 8, 66_000];
const LARGEST_FLOOD = 262_144;
const LONGEST_FLOOD_S = 0.5;
/** Silence after which nothing more is to come: more than the 16 ms latency timer of a USB UART. */
const QUIET_MS = 40;
/** How long a stream without end is listened to before it is asked again. */
const RUSH_MS = 400;
const ANSWER_MS = 150;
const SYNC_ANSWER = Buffer.of(NAK, ACK);
const SYNC_PROBE = Uint8Array.of(SERPROG.syncNop);

export interface SyncParts {
  readonly transport: SerialTransport;
  readonly reader: SerialReader;
  readonly clock: Clock;
  /** What the line moves, bytes a second: how long an answer may take. */
  readonly bytesPerSecond: number;
}

export interface SyncOptions {
  /** The port has answered as a programmer before: for the error. */
  readonly isProgrammer: boolean;
}

/**
 * Brings a programmer to where it waits for a command, and its stream to where nothing is on its way: NOPs until they are answered, SYNCNOP until
 * 15 06 comes, and one more that must give exactly that (flashrom's way; lost bytes leave some programmers waiting for ever
 * for the rest of an operation).
 * @throws BridgeError BRIDGE_SYNC by the deadline, saying what came instead; TransportError
 */
export async function synchronise(
  parts: SyncParts,
  { isProgrammer }: SyncOptions,
  deadline: Deadline,
): Promise<void> {
  const sync = new Synchronisation(parts, deadline);
  for (let tries = 0; !expired(parts.clock, deadline); tries++) {
    if (await sync.attempt(floodOf(tries, parts.bytesPerSecond))) return;
  }
  throw sync.evidence.verdict(isProgrammer);
}

function floodOf(tries: number, bytesPerSecond: number): number {
  const flood = FLOODS[tries] ?? (tries % 2 === 0 ? LARGEST_FLOOD : 8);
  return Math.min(flood, Math.max(8, Math.floor(bytesPerSecond * LONGEST_FLOOD_S)));
}

class Synchronisation {
  readonly evidence: PortEvidence = new PortEvidence();
  readonly #parts: SyncParts;
  readonly #deadline: Deadline;

  constructor(parts: SyncParts, deadline: Deadline) {
    this.#parts = parts;
    this.#deadline = deadline;
  }

  async attempt(flood: number): Promise<boolean> {
    await this.#send(new Uint8Array(flood).fill(SERPROG.nop));
    const answers = await this.#collect(flood, this.#waitMs(flood));
    const isClean = equalBytes(answers, new Uint8Array(flood).fill(ACK));
    if (!isClean) await this.#drain();
    await this.#send(SYNC_PROBE);
    const first = await this.#collect(SYNC_ANSWER.length, this.#waitMs(1));
    if (!isClean || !equalBytes(first, SYNC_ANSWER)) {
      const rest = await this.#drain();
      if (!Buffer.from(concatBytes([first, rest])).includes(SYNC_ANSWER)) return false;
    }
    return this.#confirm(isClean);
  }

  /** One more must be answered with exactly 15 06. */
  async #confirm(isClean: boolean): Promise<boolean> {
    await this.#send(SYNC_PROBE);
    const answer = await this.#collect(SYNC_ANSWER.length, this.#waitMs(1));
    if (!equalBytes(answer, SYNC_ANSWER)) return false;
    return isClean || (await this.#drain()).length === 0;
  }

  #waitMs(bytes: number): number {
    return ANSWER_MS + (2 * bytes * 1000) / this.#parts.bytesPerSecond;
  }

  async #send(bytes: Uint8Array): Promise<void> {
    const { transport, clock } = this.#parts;
    this.evidence.sent(bytes);
    const within = deadlineIn(clock, this.#waitMs(bytes.length));
    await transport.write(bytes, earlier(this.#deadline, within)).catch(ignoreLate);
  }

  /** What comes within `ms`; not more than `length` bytes, if no more come with them. */
  async #collect(length: number, ms: number): Promise<Uint8Array> {
    const until = earlier(this.#deadline, deadlineIn(this.#parts.clock, ms));
    const parts: Uint8Array[] = [];
    for (let have = 0; have < length; ) {
      const bytes = await this.#some(until);
      if (bytes.length === 0) break;
      parts.push(bytes);
      have += bytes.length;
    }
    return concatBytes(parts);
  }

  /** Whatever comes until it is quiet, or until it is clear that it never is. */
  async #drain(): Promise<Uint8Array> {
    const { clock } = this.#parts;
    const end = earlier(this.#deadline, deadlineIn(clock, RUSH_MS));
    const parts: Uint8Array[] = [];
    while (!expired(clock, end)) {
      const bytes = await this.#some(earlier(this.#deadline, deadlineIn(clock, QUIET_MS)));
      if (bytes.length === 0) break;
      parts.push(bytes);
    }
    return concatBytes(parts);
  }

  /** Empty if nothing comes. */
  async #some(until: Deadline): Promise<Uint8Array> {
    const bytes = (await this.#parts.reader.some(until).catch(ignoreLate)) ?? new Uint8Array(0);
    this.evidence.received(bytes);
    return bytes;
  }
}

function ignoreLate(error: unknown): undefined {
  if (isLate(error)) return undefined;
  throw error;
}
