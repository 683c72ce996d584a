import type { HidTransport, UsbControlSetup, UsbTransfer } from "../../transport/types.js";
import type { Clock } from "../../util/clock.js";
import { type Deadline, deadlineIn } from "../../util/deadline.js";
import { detachable, stalled, type UsbFunction } from "./function.js";
import { InPump } from "./in-pump.js";

const CLASS_TO_INTERFACE_OUT = 0x21;
/** HID 1.11 section 7.2. */
const REQUEST = { setReport: 0x09, setIdle: 0x0a } as const;
/** Report type in the high byte of wValue. */
const OUTPUT_REPORT = 2;
/** A source is asked again when this has passed; the host keeps the real deadlines. */
const ASK_MS = 3_600_000;

/** A HID device with one input and one output report, unnumbered: reports by interrupt transfers, or by SET_REPORT. */
export class HidFunction implements UsbFunction {
  readonly #transport: HidTransport;
  readonly #clock: Clock;
  readonly #pump: InPump;

  constructor(transport: HidTransport, clock: Clock) {
    this.#transport = transport;
    this.#clock = clock;
    this.#pump = new InPump(() => transport.readReport(this.#deadline), true);
  }

  async controlOut(setup: UsbControlSetup, data: Uint8Array): Promise<void> {
    const { requestType, request, value } = setup;
    if (requestType !== CLASS_TO_INTERFACE_OUT) throw stalled(setup);
    if (request === REQUEST.setIdle) return;
    if (request !== REQUEST.setReport || value >> 8 !== OUTPUT_REPORT) throw stalled(setup);
    await this.#transport.writeReport(data, this.#deadline);
  }

  async controlIn(setup: UsbControlSetup): Promise<Uint8Array> {
    throw stalled(setup);
  }

  send(_endpoint: number, data: Uint8Array): UsbTransfer<void> {
    return detachable(this.#transport.writeReport(data, this.#deadline));
  }

  receive(_endpoint: number, length: number): UsbTransfer<Uint8Array> {
    return this.#pump.receive(length);
  }

  async close(): Promise<void> {
    this.#pump.close();
    await this.#transport.close();
  }

  get #deadline(): Deadline {
    return deadlineIn(this.#clock, ASK_MS);
  }
}
