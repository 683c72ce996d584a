import type { Duplex } from "node:stream";
import { TransportError, type UsbTransfer, type UsbTransport } from "../../transport/types.js";
import type { Clock } from "../../util/clock.js";
import type { Deadline } from "../../util/deadline.js";
import { errorCode } from "../../util/errors.js";
import type { Log } from "../../util/log.js";
import {
  encodeFrame,
  FRAME,
  type Frame,
  FrameError,
  FrameReader,
  PROTOCOL_VERSION,
} from "./frames.js";
import {
  decodeBulk,
  decodeControl,
  decodeHello,
  encodeFailure,
  encodeJson,
  type Hello,
  type Welcome,
} from "./messages.js";
import type { ServableModel } from "./model.js";

export interface SessionParts {
  readonly stream: Duplex;
  readonly model: ServableModel;
  readonly clock: Clock;
  readonly log: Log;
  /** Resolves when clients that went before have let go of the model. */
  readonly turn: () => Promise<void>;
}

const BUSY_RETRY_US = 20_000;
const NO_DATA: Uint8Array = new Uint8Array(0);

/** One client. When its stream ends, for whatever reason, that is a USB device being closed. */
export class ServeSession {
  /** Resolves when the stream is over and the interface is free again. */
  readonly ended: Promise<void>;
  readonly #parts: SessionParts;
  readonly #reader = new FrameReader();
  readonly #transfers: Map<number, UsbTransfer<unknown> | undefined> = new Map();
  #greeted = false;
  #usb: UsbTransport | undefined;

  constructor(parts: SessionParts) {
    this.#parts = parts;
    const { stream } = parts;
    stream.on("data", (chunk: Uint8Array) => this.#receive(chunk));
    stream.on("error", (error) => parts.log.debug({ error }, "simulator client failed"));
    stream.on("end", () => stream.destroy());
    this.ended = new Promise<void>((resolve) => stream.on("close", resolve)).then(async () =>
      this.#usb?.close(),
    );
  }

  /** The stream is over; the interface may not be free yet. */
  get over(): boolean {
    return this.#parts.stream.destroyed;
  }

  /** Ends the client's stream. */
  destroy(): void {
    this.#parts.stream.destroy();
  }

  #receive(chunk: Uint8Array): void {
    try {
      for (const frame of this.#reader.push(chunk)) this.#take(frame);
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.#parts.log.warn({ reason: error.message }, "simulator client dropped: not our protocol");
      this.destroy();
    }
  }

  #take(frame: Frame): void {
    if (!this.#greeted) this.#hello(frame);
    else if (frame.type === FRAME.cancel) this.#transfers.get(frame.id)?.cancel();
    else if (this.#transfers.has(frame.id)) throw new FrameError(`id ${frame.id} is in use`);
    else if (frame.type === FRAME.close) this.#follow(frame.id, this.#close());
    else this.#transfer(frame);
  }

  #hello(frame: Frame): void {
    if (frame.type !== FRAME.hello) throw new FrameError("no hello");
    const hello = decodeHello(frame.body);
    this.#greeted = true;
    this.#follow(frame.id, this.#claim(hello), FRAME.welcome);
  }

  /** @throws TransportError: of another version, or what the model says */
  async #claim(hello: Hello): Promise<Uint8Array> {
    if (hello.version !== PROTOCOL_VERSION) throw wrongVersion(hello.version);
    const usb = await this.#transport(hello.interfaceNumber);
    this.#usb = usb;
    const { model, stream } = this.#parts;
    if (stream.destroyed) await usb.close();
    const { endpoints = [] } =
      model.interfaces.find(({ number }) => number === hello.interfaceNumber) ?? {};
    const sizes = endpoints.map((endpoint) => [endpoint, usb.packetSize(endpoint)] as const);
    const welcome: Welcome = { device: usb.device, packetSizes: Object.fromEntries(sizes) };
    return encodeJson(welcome);
  }

  /** The end of the client before may not have been noticed yet: what is busy is asked for twice. */
  async #transport(interfaceNumber: number): Promise<UsbTransport> {
    const { model, clock, turn } = this.#parts;
    await turn();
    try {
      return model.transport(interfaceNumber);
    } catch (error) {
      if (errorCode(error) !== "TRANSPORT_BUSY") throw error;
      await clock.sleep(BUSY_RETRY_US);
      await turn();
      return model.transport(interfaceNumber);
    }
  }

  async #close(): Promise<Uint8Array> {
    await this.#usb?.close();
    return NO_DATA;
  }

  #transfer(frame: Frame): void {
    const usb = this.#usb;
    if (usb === undefined) throw new FrameError("a transfer before the welcome");
    const transfer = this.#start(frame, usb);
    this.#transfers.set(frame.id, transfer);
    this.#follow(
      frame.id,
      transfer.done.then((data) => data ?? NO_DATA),
    );
  }

  #start({ type, body }: Frame, usb: UsbTransport): UsbTransfer<Uint8Array | undefined> {
    if (type === FRAME.bulkOut) {
      const { endpoint, data, leftUs } = decodeBulk(body);
      return usb.bulkOut(endpoint, data, this.#deadline(leftUs)) as UsbTransfer<undefined>;
    }
    if (type === FRAME.bulkIn) {
      const { endpoint, length, leftUs } = decodeBulk(body);
      return usb.bulkIn(endpoint, length, this.#deadline(leftUs));
    }
    if (type !== FRAME.controlOut && type !== FRAME.controlIn)
      throw new FrameError(`a frame of type ${type}`);
    const { setup, data, length, leftUs } = decodeControl(body);
    const deadline = this.#deadline(leftUs);
    const done: Promise<Uint8Array | undefined> =
      type === FRAME.controlIn
        ? usb.controlIn(setup, length, deadline)
        : usb.controlOut(setup, data, deadline).then(() => undefined);
    return { done, cancel: () => undefined };
  }

  #deadline(leftUs: number): Deadline {
    return { atUs: this.#parts.clock.nowUs() + leftUs };
  }

  /** Sends the outcome, once there is one. */
  #follow(id: number, outcome: Promise<Uint8Array>, type: number = FRAME.done): void {
    if (!this.#transfers.has(id)) this.#transfers.set(id, undefined);
    const answer = (kind: number, body: Uint8Array): void => {
      this.#transfers.delete(id);
      if (this.#parts.stream.writable) this.#parts.stream.write(encodeFrame(kind, id, body));
    };
    outcome.then(
      (body) => answer(type, body),
      (error: unknown) => {
        answer(FRAME.failed, encodeFailure(error));
        // A client that was not let in has nothing more to ask.
        if (this.#usb === undefined) this.#parts.stream.end();
      },
    );
  }
}

function wrongVersion(version: number): TransportError {
  return new TransportError(
    "TRANSPORT_FAULT",
    `the simulator speaks version ${PROTOCOL_VERSION} of its protocol, not ${version}`,
    { hint: "run the simulator and the tool from the same installation" },
  );
}
