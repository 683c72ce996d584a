import { Inbox } from "../../src/transport/inbox.js";
import {
  type SerialPortInfo,
  type SerialTransport,
  TransportError,
} from "../../src/transport/types.js";
import type { Clock } from "../../src/util/clock.js";
import type { Deadline } from "../../src/util/deadline.js";

/** A board's console on a serial port that only speaks. */
export class FakePort implements SerialTransport {
  readonly port: SerialPortInfo = { path: "/dev/ttyFAKE" };
  readonly closed: Promise<TransportError | undefined> = new Promise(() => undefined);
  readonly #inbox: Inbox;
  closes = 0;

  constructor(clock: Clock) {
    this.#inbox = new Inbox(clock, this.port.path);
  }

  say(text: string): void {
    this.#inbox.push(Buffer.from(text));
  }

  vanish(): void {
    this.#inbox.fail(new TransportError("TRANSPORT_DISCONNECTED", "gone"));
  }

  fail(error: TransportError): void {
    this.#inbox.fail(error);
  }

  read(length: number, deadline: Deadline): Promise<Uint8Array> {
    return this.#inbox.exactly(length, deadline);
  }

  readSome(most: number, deadline: Deadline): Promise<Uint8Array> {
    return this.#inbox.some(most, deadline);
  }

  async close(): Promise<void> {
    this.closes++;
    this.#inbox.fail(new TransportError("TRANSPORT_CANCELLED", "closed"));
  }

  write(): Promise<void> {
    throw new Error("nobody talks to a board's console");
  }

  setBaudRate(): Promise<void> {
    throw new Error("the rate of a console stays");
  }

  drain(): Promise<void> {
    throw new Error("nothing was written");
  }
}
