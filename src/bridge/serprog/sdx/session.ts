import { BridgeError } from "../../../spi/errors.js";
import type { Clock } from "../../../util/clock.js";
import type { Deadline } from "../../../util/deadline.js";
import type { Log } from "../../../util/log.js";
import type { WireParts } from "./ask.js";
import {
  decodeAborted,
  decodeControl,
  encodeAbortPayload,
  encodeControlPayload,
  type SdxAborted,
  type SdxInfo,
} from "./codec.js";
import { encodeRequest, type SdxReply } from "./frames.js";
import { Misunderstood } from "./misunderstood.js";
import { SDX } from "./protocol.js";
import { type SdxPart, SdxReplyDecoder } from "./replies.js";
import { type PartSource, SdxWire } from "./wire.js";

/** Times that one request is sent before the link is given up: more than that is no accident. */
const MAX_TRIES = 8;
const MAX_STARTS = 4;
/** Refusals in a row that mean that the firmware knows nothing of this session. */
const LOST_AFTER = 2;

/** One request, and what goes with it. */
export interface SdxRequest {
  readonly opcode: number;
  readonly payload: Uint8Array;
  /** Of data parts that come. */
  readonly blockLength?: number;
  readonly onPart?: (part: SdxPart) => void;
  /** Before each time that it is sent. */
  readonly onSend?: () => void;
  readonly parts?: PartSource;
  /** `always`: also where it may have been carried out; `in-session`: where the firmware would know; `never`: damage ends it. */
  readonly repeat: "always" | "in-session" | "never";
}

/** Requests that carry any number, and count nothing. */
const UNCOUNTED: readonly number[] = [SDX.ABORT, SDX.STATS];

const ASK_ONLY = encodeAbortPayload(0, undefined);

function isCounted({ opcode }: Pick<SdxRequest, "opcode">): boolean {
  return !UNCOUNTED.includes(opcode);
}

export interface SessionOptions {
  /** What the firmware shall take for a pause, ms; absent: its own. */
  readonly silenceMs?: number;
}

/**
 * A session with the firmware: sequence numbers, and requests sent again until they are understood. A request whose reply was lost is
 * sent with the same number, so that the firmware does not carry it out twice. One at a time; those given meanwhile wait.
 */
export class SdxSession {
  readonly wire: SdxWire;
  readonly clock: Clock;
  readonly #log: Log;
  readonly #options: SessionOptions;
  #info: SdxInfo;
  /** The last one that the firmware has counted. */
  #sequence = 0;
  /** False: a request may have been counted, or not. */
  #isSequenceKnown = true;
  #lastSent = 0;
  #uncounted = 0;
  #frequencyHz: number | undefined;
  #isStarting = false;
  #generation = 0;
  #tail: Promise<unknown> = Promise.resolve();

  constructor(parts: WireParts, info: SdxInfo, log: Log, options: SessionOptions = {}) {
    this.clock = parts.clock;
    this.#info = info;
    this.#log = log;
    this.#options = options;
    this.wire = new SdxWire(parts, decoderFor(info), info.window, info.silenceMs);
  }

  get info(): SdxInfo {
    return this.#info;
  }

  /**
   * Gets a request through.
   * @throws BridgeError BRIDGE_PROTOCOL ({@link Misunderstood}), BRIDGE_SYNC; TransportError; what {@link stop} is given
   */
  run(request: SdxRequest, deadline: Deadline): Promise<SdxReply> {
    return this.#enqueue(() => this.#getThrough(request, deadline));
  }

  /** SDX_ABORT: what became of the last request; whatever `payload` asks for besides. @throws as {@link run} */
  abort(payload: Uint8Array, deadline: Deadline): Promise<SdxAborted> {
    return this.#enqueue(() => this.#abort(payload, deadline));
  }

  /** The counted request that was sent last: its number. */
  get lastSent(): number {
    return this.#lastSent;
  }

  /** How often a session was begun: numbers are those of one. */
  get generation(): number {
    return this.#generation;
  }

  /** SDX_CONTROL. @throws as {@link run} */
  control(what: number, value: number, deadline: Deadline): Promise<SdxReply> {
    return this.#enqueue(() => this.#control(what, value, deadline));
  }

  /** Pins driven, clock set: now, and whenever the session has to be begun again. Gives the clock. */
  setUp(frequencyHz: number, deadline: Deadline): Promise<number> {
    this.#frequencyHz = frequencyHz;
    return this.#enqueue(() => this.#setUp(frequencyHz, deadline));
  }

  /** Gives what was really set. @throws as {@link run}; BRIDGE_PROTOCOL */
  setFrequency(frequencyHz: number, deadline: Deadline): Promise<number> {
    this.#frequencyHz = frequencyHz;
    return this.#enqueue(async () =>
      valueSet(await this.#control(SDX.SET_FREQUENCY, frequencyHz, deadline), SDX.SET_FREQUENCY),
    );
  }

  /** Ends what is under way with `error`. */
  stop(error: unknown): void {
    this.wire.stop(error);
  }

  /** @throws BridgeError BRIDGE_SYNC if the firmware does not end it */
  leave(deadline: Deadline): Promise<void> {
    return this.#enqueue(() => this.wire.leave(deadline));
  }

  #enqueue<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#tail.then(work);
    this.#tail = turn.catch(() => undefined);
    return turn;
  }

  async #getThrough(request: SdxRequest, deadline: Deadline): Promise<SdxReply> {
    for (let tries = 1, refusals = 0; ; tries++) {
      try {
        return await this.#attempt(request, deadline);
      } catch (error) {
        const isHopeful = error instanceof Misunderstood && tries < MAX_TRIES;
        if (!isHopeful || request.repeat === "never") {
          this.#isSequenceKnown &&= !isCounted(request);
          throw error;
        }
        this.#log.debug({ opcode: request.opcode, tries, why: error.message }, "sent again");
        refusals = error.refused ? refusals + 1 : 0;
        if (refusals >= LOST_AFTER) await this.#beginAgain(request, error, deadline);
      }
    }
  }

  async #attempt(request: SdxRequest, deadline: Deadline): Promise<SdxReply> {
    const { opcode, payload, blockLength = 0, onPart, parts } = request;
    const counted = isCounted(request);
    if (counted && !this.#isSequenceKnown) await this.#abort(ASK_ONLY, deadline);
    const sequence = counted ? (this.#sequence + 1) & 0xff : ++this.#uncounted & 0xff;
    if (counted) this.#lastSent = sequence;
    request.onSend?.();
    const frame = encodeRequest(opcode, sequence, payload, this.#info.nonce);
    const stoppable = opcode !== SDX.WRITE;
    const reply = await this.wire.exchange(
      { frame, blockLength, onPart, parts, stoppable },
      deadline,
    );
    this.#check(reply, sequence);
    if (counted) this.#sequence = sequence;
    return reply;
  }

  #check({ sequence, status }: SdxReply, expected: number): void {
    if (sequence === expected && status !== SDX.BAD_SEQUENCE) return;
    this.#isSequenceKnown &&= status !== SDX.BAD_SEQUENCE;
    this.wire.doubt();
    throw new Misunderstood("it answers another request");
  }

  async #abort(payload: Uint8Array, deadline: Deadline): Promise<SdxAborted> {
    const request = { opcode: SDX.ABORT, payload, repeat: "always" } as const;
    const reply = await this.#getThrough(request, deadline);
    const aborted = decodeAborted(reply.payload);
    if (aborted === undefined) throw unexpected("SDX_ABORT", reply);
    this.#sequence = aborted.opcode === 0 ? 0 : aborted.sequence;
    this.#isSequenceKnown = true;
    return aborted;
  }

  #control(what: number, value: number, deadline: Deadline): Promise<SdxReply> {
    const payload = encodeControlPayload(what, value);
    return this.#getThrough({ opcode: SDX.CONTROL, payload, repeat: "always" }, deadline);
  }

  async #setUp(frequencyHz: number, deadline: Deadline): Promise<number> {
    const { silenceMs } = this.#options;
    const set = async (what: number, value: number): Promise<number> =>
      valueSet(await this.#control(what, value, deadline), what);
    if (silenceMs !== undefined) this.wire.silenceMs = await set(SDX.SET_SILENCE, silenceMs);
    await set(SDX.SET_PINS, 1);
    return set(SDX.SET_FREQUENCY, frequencyHz);
  }

  /** The firmware refuses what it had no reason to refuse: it has started anew, or takes us for somebody else. */
  async #beginAgain(request: SdxRequest, cause: Misunderstood, deadline: Deadline): Promise<void> {
    if (this.#isStarting) throw cause;
    this.#isStarting = true;
    try {
      await this.#begin(deadline);
      if (this.#frequencyHz !== undefined) await this.#setUp(this.#frequencyHz, deadline);
    } finally {
      this.#isStarting = false;
    }
    if (request.repeat === "in-session") throw cause;
  }

  async #begin(deadline: Deadline): Promise<void> {
    for (let tries = 0; tries < MAX_STARTS; tries++) {
      await this.wire.quiet(deadline);
      const info = await this.wire.askInfo(deadline);
      this.wire.doubt();
      if (info === undefined) continue;
      this.#log.warn({ target: info.target }, "the adapter's session was begun again");
      this.#info = info;
      this.wire.restart(decoderFor(info), info.silenceMs);
      this.#generation++;
      this.#sequence = 0;
      this.#isSequenceKnown = true;
      return;
    }
    throw new BridgeError("BRIDGE_SYNC", "the adapter is out of step and does not come back", {
      hint: "unplug it and plug it in again",
    });
  }
}

function decoderFor(info: SdxInfo): SdxReplyDecoder {
  return new SdxReplyDecoder(info.nonce, info.maxBlockLength);
}

/** What SDX_CONTROL really set. @throws BridgeError BRIDGE_UNSUPPORTED, BRIDGE_PROTOCOL if it was not done */
export function valueSet(reply: SdxReply, what: number): number {
  const set = reply.status === SDX.OK ? decodeControl(reply.payload) : undefined;
  if (set === undefined) throw unexpected("SDX_CONTROL", reply, { what });
  return set;
}

/** A status that this request should not have. */
export function unexpected(
  name: string,
  { status, payload }: SdxReply,
  more: Readonly<Record<string, unknown>> = {},
): BridgeError {
  const isMissing = status === SDX.UNSUPPORTED;
  const what = isMissing ? "does not have it" : `answers with status ${status}`;
  return new BridgeError(
    isMissing ? "BRIDGE_UNSUPPORTED" : "BRIDGE_PROTOCOL",
    `${name}: the adapter's firmware ${what}`,
    {
      details: { status, bytes: payload.length, ...more },
      hint: "give it the firmware of this version: mmcpstore firmware flash",
    },
  );
}
