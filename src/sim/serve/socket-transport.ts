import type { Duplex } from "node:stream";
import {
  TransportError,
  type UsbControlSetup,
  type UsbDeviceInfo,
  type UsbTransfer,
  type UsbTransport,
} from "../../transport/types.js";
import type { Clock, Timer } from "../../util/clock.js";
import { type Deadline, deadlineIn, remainingUs } from "../../util/deadline.js";
import { encodeFrame, FRAME, type Frame, FrameError, FrameReader } from "./frames.js";
import {
  decodeFailure,
  decodeWelcome,
  encodeBulk,
  encodeControl,
  encodeHello,
  type Hello,
  type Welcome,
} from "./messages.js";

interface Waiting {
  readonly resolve: (body: Uint8Array) => void;
  readonly reject: (error: Error) => void;
  readonly timer: Timer;
}

/** The server keeps the deadlines; one that says nothing for so much longer is dead. */
const GRACE_US = 2_000_000;
const CLOSE_MS = 1000;
const NO_DATA: Uint8Array = new Uint8Array(0);
const HELLO_ID = 0;

/** A claimed interface of a model in another process. */
export class SocketTransport implements UsbTransport {
  readonly #stream: Duplex;
  readonly #clock: Clock;
  readonly #reader = new FrameReader();
  readonly #waiting: Map<number, Waiting> = new Map();
  #welcome: Welcome | undefined;
  #nextId = HELLO_ID;
  #closed = false;

  private constructor(stream: Duplex, clock: Clock) {
    this.#stream = stream;
    this.#clock = clock;
    stream.on("data", (chunk: Uint8Array) => this.#receive(chunk));
    stream.on("error", () => stream.destroy());
    stream.on("end", () => stream.destroy());
    stream.on("close", () => this.#failAll(gone()));
  }

  /** Greets the server. @throws TransportError */
  static async open(
    stream: Duplex,
    clock: Clock,
    hello: Hello,
    deadline: Deadline,
  ): Promise<SocketTransport> {
    const transport = new SocketTransport(stream, clock);
    try {
      const body = await transport.#ask(FRAME.hello, encodeHello(hello), deadline, 0).done;
      transport.#welcome = decodeWelcome(body);
      return transport;
    } catch (error) {
      stream.destroy();
      if (!(error instanceof FrameError)) throw error;
      throw notOurs(error);
    }
  }

  get device(): UsbDeviceInfo {
    return this.#greeted.device;
  }

  packetSize(endpoint: number): number {
    const size = this.#greeted.packetSizes[endpoint];
    if (size !== undefined) return size;
    throw new TransportError("TRANSPORT_FAULT", `no endpoint 0x${endpoint.toString(16)}`);
  }

  async controlOut(setup: UsbControlSetup, data: Uint8Array, deadline: Deadline): Promise<void> {
    const leftUs = remainingUs(this.#clock, deadline);
    const body = encodeControl({ setup, leftUs, length: 0, data });
    await this.#ask(FRAME.controlOut, body, deadline).done;
  }

  controlIn(setup: UsbControlSetup, length: number, deadline: Deadline): Promise<Uint8Array> {
    const leftUs = remainingUs(this.#clock, deadline);
    const body = encodeControl({ setup, leftUs, length, data: NO_DATA });
    return this.#ask(FRAME.controlIn, body, deadline).done;
  }

  bulkOut(endpoint: number, data: Uint8Array, deadline: Deadline): UsbTransfer<void> {
    const leftUs = remainingUs(this.#clock, deadline);
    const body = encodeBulk({ endpoint, leftUs, length: 0, data });
    const { done, cancel } = this.#ask(FRAME.bulkOut, body, deadline);
    return { done: done.then(() => undefined), cancel };
  }

  bulkIn(endpoint: number, length: number, deadline: Deadline): UsbTransfer<Uint8Array> {
    const leftUs = remainingUs(this.#clock, deadline);
    const body = encodeBulk({ endpoint, leftUs, length, data: NO_DATA });
    return this.#ask(FRAME.bulkIn, body, deadline);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    const asked = this.#ask(FRAME.close, NO_DATA, deadlineIn(this.#clock, CLOSE_MS), 0);
    this.#closed = true;
    // Whether the server answers or is dead: the stream ends here.
    await asked.done.catch(() => undefined);
    this.#stream.destroy();
  }

  get #greeted(): Welcome {
    if (this.#welcome === undefined) throw gone();
    return this.#welcome;
  }

  #ask(
    type: number,
    body: Uint8Array,
    deadline: Deadline,
    graceUs: number = GRACE_US,
  ): UsbTransfer<Uint8Array> {
    const id = this.#nextId++;
    const done = this.#clock.outside(
      new Promise<Uint8Array>((resolve, reject) => {
        if (this.#closed || this.#stream.destroyed) {
          reject(gone());
          return;
        }
        const leftUs = remainingUs(this.#clock, deadline) + graceUs;
        const timer = this.#clock.timer(leftUs, () => this.#overdue(id));
        this.#waiting.set(id, { resolve, reject, timer });
        this.#stream.write(encodeFrame(type, id, body));
      }),
    );
    const cancel = (): void => {
      if (this.#waiting.has(id)) this.#stream.write(encodeFrame(FRAME.cancel, id, NO_DATA));
    };
    return { done, cancel };
  }

  #receive(chunk: Uint8Array): void {
    try {
      for (const frame of this.#reader.push(chunk)) this.#take(frame);
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.#failAll(notOurs(error));
      this.#stream.destroy();
    }
  }

  #take({ type, id, body }: Frame): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) throw new FrameError(`an answer to ${id}, which was not asked`);
    const expected = id === HELLO_ID ? FRAME.welcome : FRAME.done;
    if (type !== expected && type !== FRAME.failed) throw new FrameError(`a frame of type ${type}`);
    const failure = type === FRAME.failed ? decodeFailure(body) : undefined;
    this.#waiting.delete(id);
    waiting.timer.cancel();
    if (failure === undefined) waiting.resolve(body);
    else waiting.reject(failure);
  }

  /** No answer by the deadline, nor long after it: nothing more is to be hoped for from this server. */
  #overdue(id: number): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    waiting?.reject(new TransportError("TRANSPORT_TIMEOUT", "the simulator does not answer"));
    this.#stream.destroy();
  }

  #failAll(error: TransportError): void {
    const all = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const waiting of all) {
      waiting.timer.cancel();
      waiting.reject(error);
    }
  }
}

function gone(): TransportError {
  return new TransportError("TRANSPORT_DISCONNECTED", "the simulator is gone");
}

function notOurs(cause: FrameError): TransportError {
  return new TransportError("TRANSPORT_FAULT", `not a simulator's answer: ${cause.message}`, {
    cause,
    hint: "is it a simulator of this tool that serves there?",
  });
}
