import type { SerialTransport } from "../transport/types.js";
import type { Clock } from "../util/clock.js";
import { deadlineIn } from "../util/deadline.js";
import { errorCode } from "../util/errors.js";

/** The port of a console has vanished, or is back. */
export interface PortNotice {
  readonly kind: "gone" | "back";
}

const READ_BYTES = 65_536;
const READ_MS = 60_000;
const RETRY_US = 500_000;
/** What may be over when the port is there again. */
const PASSING = new Set([
  "TRANSPORT_NOT_FOUND",
  "TRANSPORT_DISCONNECTED",
  "TRANSPORT_BUSY",
  "TRANSPORT_ACCESS",
  "TRANSPORT_FAULT",
  "TRANSPORT_TIMEOUT",
]);

type OpenPort = () => Promise<SerialTransport>;

/**
 * Everything that comes out of a serial port, until {@link close}. A port that vanishes is waited for: boards are power-cycled
 * and cables pulled.
 */
export class PortConsole implements AsyncIterable<Uint8Array | PortNotice> {
  readonly #open: OpenPort;
  readonly #clock: Clock;
  #port: SerialTransport;
  #closed = false;

  private constructor(open: OpenPort, clock: Clock, port: SerialTransport) {
    this.#open = open;
    this.#clock = clock;
    this.#port = port;
  }

  /** @throws TransportError what opening it the first time throws */
  static async open(open: OpenPort, clock: Clock): Promise<PortConsole> {
    return new PortConsole(open, clock, await open());
  }

  /** What waits for bytes comes to its end. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#port.close();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array | PortNotice> {
    while (!this.#closed) {
      try {
        yield await this.#port.readSome(READ_BYTES, deadlineIn(this.#clock, READ_MS));
      } catch (error) {
        if (this.#closed) return;
        if (errorCode(error) === "TRANSPORT_TIMEOUT") continue;
        if (errorCode(error) !== "TRANSPORT_DISCONNECTED") throw error;
        yield { kind: "gone" };
        if (await this.#reopen()) yield { kind: "back" };
      }
    }
  }

  /** False if {@link close} came first. */
  async #reopen(): Promise<boolean> {
    await this.#port.close().catch(() => undefined);
    while (!this.#closed) {
      await this.#clock.sleep(RETRY_US);
      try {
        this.#port = await this.#open();
        if (!this.#closed) return true;
        await this.#port.close();
      } catch (error) {
        if (!PASSING.has(errorCode(error) ?? "")) throw error;
      }
    }
    return false;
  }
}
