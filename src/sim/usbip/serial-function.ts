import type { SerialTransport, UsbControlSetup, UsbTransfer } from "../../transport/types.js";
import type { Clock } from "../../util/clock.js";
import { type Deadline, deadlineIn } from "../../util/deadline.js";
import type { CdcEndpoints } from "./devices/cdc.js";
import { detachable, silence, type UsbFunction } from "./function.js";
import { InPump } from "./in-pump.js";
import { LineCoding } from "./line-coding.js";

/** A source is asked again when this has passed; the host keeps the real deadlines. */
const ASK_MS = 3_600_000;
const READ_BYTES = 4096;

/** A board behind a serial port as a CDC-ACM device. */
export class SerialFunction implements UsbFunction {
  readonly #transport: SerialTransport;
  readonly #endpoints: CdcEndpoints;
  readonly #clock: Clock;
  readonly #coding = new LineCoding();
  readonly #pump: InPump;

  constructor(transport: SerialTransport, endpoints: CdcEndpoints, clock: Clock) {
    this.#transport = transport;
    this.#endpoints = endpoints;
    this.#clock = clock;
    this.#pump = new InPump(() => transport.readSome(READ_BYTES, this.#deadline), false);
  }

  async controlOut(setup: UsbControlSetup, data: Uint8Array): Promise<void> {
    const baudRate = this.#coding.out(setup, data);
    if (baudRate !== undefined && baudRate > 0)
      await this.#transport.setBaudRate(baudRate, this.#deadline);
  }

  async controlIn(setup: UsbControlSetup): Promise<Uint8Array> {
    return this.#coding.in(setup);
  }

  send(_endpoint: number, data: Uint8Array): UsbTransfer<void> {
    return detachable(this.#transport.write(data, this.#deadline));
  }

  receive(endpoint: number, length: number): UsbTransfer<Uint8Array> {
    return endpoint === this.#endpoints.in ? this.#pump.receive(length) : silence();
  }

  async close(): Promise<void> {
    this.#pump.close();
    await this.#transport.close();
  }

  get #deadline(): Deadline {
    return deadlineIn(this.#clock, ASK_MS);
  }
}
