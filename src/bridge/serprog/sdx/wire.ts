import { isLate, late } from "../../../spi/engine-errors.js";
import { BridgeError } from "../../../spi/errors.js";
import { concatBytes, equalBytes, toHex } from "../../../util/bytes.js";
import { type Deadline, deadlineIn, earlier, expired } from "../../../util/deadline.js";
import { ACK, NAK, SERPROG } from "../opcodes.js";
import { ask, askInfo, nothingCame, type WireParts } from "./ask.js";
import type { SdxInfo } from "./codec.js";
import { CreditFlow } from "./credit-flow.js";
import type { SdxReply } from "./frames.js";
import { Misunderstood } from "./misunderstood.js";
import type { SdxMessage, SdxPart, SdxReplyDecoder } from "./replies.js";

/** Parts that go out at a time: an early reply, or somebody who takes the card away, has to wait for no more. */
const CHUNK_BYTES = 16 * 1024;
/** On top of what the device takes for a pause: buffers and time slices on the way. */
const MARGIN_MS = 20;
const SYNC_ANSWER = Uint8Array.of(NAK, ACK);

/** Data parts to send. */
export interface PartSource {
  readonly count: number;
  part(index: number): Uint8Array;
}

/** One frame, what goes with it, and what may come before its reply. */
export interface Exchange {
  readonly frame: Uint8Array;
  /** Of data parts that may come; 0: none may. */
  readonly blockLength: number;
  readonly onPart: ((part: SdxPart) => void) | undefined;
  readonly parts: PartSource | undefined;
  /** A byte from the host ends it, as long as its reply has not come. */
  readonly stoppable: boolean;
}

/** Frames out, messages in; one exchange at a time. Knows when the stream is in step, not what it is about. */
export class SdxWire {
  /** Times that the host could send nothing more until something came. */
  roundTrips = 0;
  /** What the device takes for a pause, ms. */
  silenceMs: number;
  readonly #parts: WireParts;
  readonly #window: number;
  #decoder: SdxReplyDecoder;
  #inStep = true;
  #mayRun = false;
  #flow: CreditFlow | undefined;
  #sending: Promise<void> = Promise.resolve();
  #stops = 0;
  #onStop: ((error: unknown) => void) | undefined;

  constructor(parts: WireParts, decoder: SdxReplyDecoder, window: number, silenceMs: number) {
    this.#parts = parts;
    this.#decoder = decoder;
    this.#window = window;
    this.silenceMs = silenceMs;
  }

  /** A new session: another nonce. */
  restart(decoder: SdxReplyDecoder, silenceMs: number): void {
    this.#decoder = decoder;
    this.silenceMs = silenceMs;
  }

  /**
   * Sends a frame with its data parts, takes the data parts that come, and gives the reply.
   * @throws Misunderstood; TransportError, TRANSPORT_TIMEOUT at the deadline; what {@link stop} is given
   */
  async exchange(exchange: Exchange, deadline: Deadline): Promise<SdxReply> {
    if (!this.#inStep) await this.#unlessStopped(this.quiet(deadline));
    if (expired(this.#parts.clock, deadline)) throw late("request");
    this.#decoder.reset(exchange.blockLength);
    this.#inStep = false;
    this.#mayRun = exchange.stoppable;
    const flow = new CreditFlow(this.#window, () => this.roundTrips++);
    this.#flow = flow;
    this.#sending = this.#send(exchange, flow, deadline).catch((error: unknown) => {
      this.#parts.reader.interrupt(error);
    });
    try {
      return await this.#receive(exchange, flow, deadline);
    } finally {
      flow.stop();
    }
  }

  /** Ends the exchange under way with `error`. What was sent cannot be taken back. */
  stop(error: unknown): void {
    this.#stops++;
    this.#flow?.stop();
    this.#onStop?.(error);
    this.#parts.reader.interrupt(error);
  }

  /** The next exchange waits for silence first. */
  doubt(): void {
    this.#inStep = false;
  }

  /**
   * Sends nothing and drops what comes until nothing has come for longer than the device's silence: then it waits for a request.
   * @throws TransportError TRANSPORT_TIMEOUT
   */
  async quiet(deadline: Deadline): Promise<void> {
    const { transport, reader, clock } = this.#parts;
    const stops = this.#stops;
    await this.#sending;
    if (this.#mayRun) await transport.write(Uint8Array.of(SERPROG.nop), deadline);
    this.#mayRun = false;
    await transport.drain(deadline);
    while (stops === this.#stops) {
      const silence = deadlineIn(clock, 2 * this.silenceMs + MARGIN_MS);
      const came = await reader.some(earlier(deadline, silence)).catch(nothingCame);
      if (expired(clock, deadline)) throw late("waiting for silence");
      if (came !== undefined) continue;
      this.#inStep = true;
      return;
    }
  }

  /** SDX_INFO. Undefined if nothing that makes sense comes back. @throws TransportError */
  askInfo(deadline: Deadline): Promise<SdxInfo | undefined> {
    return askInfo(this.#parts, this.#pauseMs, deadline);
  }

  /** SYNCNOP, and silence: plain serprog from here on. @throws BridgeError BRIDGE_SYNC */
  async leave(deadline: Deadline): Promise<void> {
    if (!this.#inStep) await this.quiet(deadline);
    const answer = await ask(this.#parts, SERPROG.syncNop, [2, this.#pauseMs], deadline);
    if (equalBytes(answer, SYNC_ANSWER)) return;
    throw new BridgeError("BRIDGE_SYNC", "the adapter does not end its session", {
      details: { answer: toHex(answer) },
    });
  }

  get #pauseMs(): number {
    return 4 * this.silenceMs + 2 * MARGIN_MS;
  }

  /** What waits for the system cannot be cancelled, but need not be waited for. */
  #unlessStopped(work: Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#onStop = reject;
      work.then(resolve, reject);
    });
  }

  async #send(exchange: Exchange, flow: CreditFlow, deadline: Deadline): Promise<void> {
    const { frame, parts } = exchange;
    const count = parts?.count ?? 0;
    let batch = [frame];
    let bytes = frame.length;
    for (let index = 0; index < count && !flow.over; index++) {
      if (bytes >= CHUNK_BYTES || !flow.may(index)) {
        await this.#put(batch, deadline);
        batch = [];
        bytes = 0;
        await flow.until(index);
      }
      const part = parts?.part(index) ?? frame;
      batch.push(part);
      bytes += part.length;
    }
    if (flow.over) return;
    flow.finished = true;
    await this.#put(batch, deadline);
  }

  async #put(batch: readonly Uint8Array[], deadline: Deadline): Promise<void> {
    if (batch.length > 0) await this.#parts.transport.write(concatBytes(batch), deadline);
  }

  async #receive(exchange: Exchange, flow: CreditFlow, deadline: Deadline): Promise<SdxReply> {
    let reply: SdxReply | undefined;
    let rest = false;
    const take = (message: SdxMessage): void => {
      if (reply !== undefined) rest = true;
      else if (message.kind === "reply") reply = message.reply;
      else this.#take(message, exchange, flow);
    };
    this.roundTrips++;
    while (reply === undefined) this.#decoder.push(await this.#some(deadline), take);
    this.#mayRun = false;
    // A device that says more, or has not heard all, is not where it seems to be.
    this.#inStep = !rest && !this.#decoder.midway && flow.finished;
    return reply;
  }

  #take(message: SdxMessage, exchange: Exchange, flow: CreditFlow): void {
    if (message.kind === "part") exchange.onPart?.(message);
    else if (message.kind === "credit") flow.credit(message.parts);
    else if (message.kind === "nak") {
      this.#mayRun = false;
      throw new Misunderstood("it says that it does not understand", true);
    } else if (message.kind === "damage") throw new Misunderstood(message.why);
  }

  async #some(deadline: Deadline): Promise<Uint8Array> {
    const { reader, clock } = this.#parts;
    const { midway } = this.#decoder;
    try {
      return await reader.some(midway ? this.#soon(deadline) : deadline);
    } catch (error) {
      if (!midway || !isLate(error) || expired(clock, deadline)) throw error;
      throw new Misunderstood("it stopped in the middle of a message");
    }
  }

  /** Within a message nothing takes long. */
  #soon(deadline: Deadline): Deadline {
    return earlier(deadline, deadlineIn(this.#parts.clock, this.#pauseMs));
  }
}
