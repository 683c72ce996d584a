import type { Clock, Timer } from "../util/clock.js";
import { type Deadline, remainingUs } from "../util/deadline.js";
import { TransportError, type UsbControlSetup, type UsbTransfer } from "./types.js";
import { ERRNO_CANCELLED, errnoOf, toTransportError } from "./usb-errors.js";
import type { NativeDevice, NativeTransfer, UsbModule } from "./usb-module.js";

/** `LIBUSB_TRANSFER_TYPE_` values. */
const CONTROL = 0;
const BULK = 2;
const SETUP_BYTES = 8;
const DIRECTION_IN = 0x80;
/** libusb's time-outs may come far too late on Linux while nothing else happens: 0 is none. */
const NO_TIMEOUT = 0;
/** A cancelled transfer comes back at once, unless the host controller or its driver is broken. */
const CANCEL_GRACE_US = 2_000_000;
/** Timers of the system end at 2^31 ms; a later deadline is as good as none. */
const MAX_TIMER_US = 1e12;

type Abandoned = "cancelled" | "timeout";

/** What is to be moved, and what becomes of it. */
interface Job<T> {
  readonly doing: string;
  readonly endpoint: number;
  readonly type: number;
  readonly buffer: Buffer;
  readonly deadline: Deadline;
  readonly resultOf: (buffer: Uint8Array, actual: number) => T;
}

/** Submits transfers to one open device, each with a timer of its own. */
export class UsbTransfers {
  readonly #module: UsbModule;
  readonly #device: NativeDevice;
  readonly #clock: Clock;
  readonly #flights: Set<UsbTransfer<unknown>> = new Set();

  constructor(module: UsbModule, device: NativeDevice, clock: Clock) {
    this.#module = module;
    this.#device = device;
    this.#clock = clock;
  }

  controlOut(setup: UsbControlSetup, data: Uint8Array, deadline: Deadline): UsbTransfer<void> {
    const buffer = controlBuffer(setup, data.length);
    buffer.set(data, SETUP_BYTES);
    return this.#fly<void>({
      doing: `control request 0x${setup.request.toString(16)}`,
      endpoint: 0,
      type: CONTROL,
      buffer,
      deadline,
      resultOf: () => undefined,
    });
  }

  controlIn(setup: UsbControlSetup, length: number, deadline: Deadline): UsbTransfer<Uint8Array> {
    return this.#fly<Uint8Array>({
      doing: `control request 0x${setup.request.toString(16)}`,
      endpoint: 0,
      type: CONTROL,
      buffer: controlBuffer({ ...setup, requestType: setup.requestType | DIRECTION_IN }, length),
      deadline,
      resultOf: (buffer, actual) => buffer.subarray(SETUP_BYTES, SETUP_BYTES + actual),
    });
  }

  bulkOut(endpoint: number, data: Uint8Array, deadline: Deadline): UsbTransfer<void> {
    const doing = `OUT transfer on endpoint 0x${endpoint.toString(16)}`;
    return this.#fly<void>({
      doing,
      endpoint,
      type: BULK,
      buffer: Buffer.from(data.buffer, data.byteOffset, data.byteLength),
      deadline,
      resultOf: (_, actual) => {
        if (actual !== data.length) throw shortOut(doing, actual, data.length);
      },
    });
  }

  bulkIn(endpoint: number, length: number, deadline: Deadline): UsbTransfer<Uint8Array> {
    return this.#fly<Uint8Array>({
      doing: `IN transfer on endpoint 0x${endpoint.toString(16)}`,
      endpoint,
      type: BULK,
      buffer: Buffer.allocUnsafe(length),
      deadline,
      resultOf: (buffer, actual) => buffer.subarray(0, actual),
    });
  }

  /** Cancels everything in flight and waits for it. */
  async drain(): Promise<void> {
    const flights = [...this.#flights];
    for (const flight of flights) flight.cancel();
    await Promise.allSettled(flights.map(({ done }) => done));
  }

  #fly<T>(job: Job<T>): UsbTransfer<T> {
    const flight = new Flight(job, this.#clock);
    this.#flights.add(flight);
    const over = (): void => {
      this.#flights.delete(flight);
    };
    flight.done.then(over, over);
    flight.submit(this.#module, this.#device);
    return flight;
  }
}

/** One transfer; settles when libusb has given it back. */
class Flight<T> implements UsbTransfer<T> {
  readonly done: Promise<T>;
  readonly #job: Job<T>;
  readonly #clock: Clock;
  #resolve: (value: T) => void = () => undefined;
  #reject: (error: unknown) => void = () => undefined;
  #native: NativeTransfer | undefined;
  #timer: Timer | undefined;
  #abandoned: Abandoned | undefined;
  #over = false;

  constructor(job: Job<T>, clock: Clock) {
    this.#job = job;
    this.#clock = clock;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  submit(module: UsbModule, device: NativeDevice): void {
    const { endpoint, type, buffer, deadline } = this.#job;
    const leftUs = remainingUs(this.#clock, deadline);
    if (leftUs === 0) {
      this.#fail(this.#abandonedError("timeout"));
      return;
    }
    try {
      this.#native = module.createTransfer(
        device,
        endpoint,
        type,
        NO_TIMEOUT,
        (error, data, actual) => this.#returned(error, data, actual),
      );
      this.#native.submit(buffer);
      this.#timer = this.#clock.timer(Math.min(leftUs, MAX_TIMER_US), () =>
        this.#abandon("timeout"),
      );
    } catch (error) {
      this.#fail(toTransportError(error, this.#job.doing));
    }
  }

  cancel(): void {
    this.#abandon("cancelled");
  }

  /** The completion still comes: only then the endpoint is clean. */
  #abandon(reason: Abandoned): void {
    if (this.#over || this.#abandoned !== undefined) return;
    this.#abandoned = reason;
    this.#timer?.cancel();
    this.#timer = this.#clock.timer(CANCEL_GRACE_US, () => this.#fail(this.#lost()));
    try {
      this.#native?.cancel();
    } catch {
      // It is over, or the device is gone: the completion tells.
    }
  }

  #returned(error: unknown, buffer: Uint8Array, actual: number): void {
    if (this.#over) return;
    if (error === undefined || error === null) this.#finish(buffer, actual);
    else if (this.#abandoned !== undefined && errnoOf(error) === ERRNO_CANCELLED)
      this.#fail(this.#abandonedError(this.#abandoned));
    else this.#fail(toTransportError(error, this.#job.doing));
  }

  #finish(buffer: Uint8Array, actual: number): void {
    try {
      const result = this.#job.resultOf(buffer, actual);
      this.#end();
      this.#resolve(result);
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#end();
    this.#reject(error);
  }

  #end(): void {
    this.#over = true;
    this.#timer?.cancel();
  }

  #abandonedError(reason: Abandoned): TransportError {
    const { doing } = this.#job;
    return reason === "timeout"
      ? new TransportError("TRANSPORT_TIMEOUT", `${doing}: not over in time`, {
          details: { doing },
        })
      : new TransportError("TRANSPORT_CANCELLED", `${doing}: cancelled`, { details: { doing } });
  }

  #lost(): TransportError {
    const { doing } = this.#job;
    return new TransportError("TRANSPORT_FAULT", `${doing}: cancelled, but never given back`, {
      details: { doing },
      hint: "unplug the device and plug it in again",
    });
  }
}

function shortOut(doing: string, actual: number, length: number): TransportError {
  return new TransportError("TRANSPORT_FAULT", `${doing}: ${actual} of ${length} bytes were sent`, {
    details: { doing, actual, length },
  });
}

/** Setup stage (USB 2.0 table 9-2) and room for the data stage. */
function controlBuffer(setup: UsbControlSetup, length: number): Buffer {
  const buffer = Buffer.alloc(SETUP_BYTES + length);
  buffer.writeUInt8(setup.requestType, 0);
  buffer.writeUInt8(setup.request, 1);
  buffer.writeUInt16LE(setup.value, 2);
  buffer.writeUInt16LE(setup.index, 4);
  buffer.writeUInt16LE(length, 6);
  return buffer;
}
