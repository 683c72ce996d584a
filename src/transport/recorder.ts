import type { Clock, Timer } from "../util/clock.js";
import type { Deadline } from "../util/deadline.js";
import { isMmcpstoreError } from "../util/errors.js";
import {
  type CassetteEvent,
  type CassetteHeader,
  CassetteLines,
  encodeEvent,
  type TransferRequest,
} from "./cassette.js";
import type {
  HidDeviceInfo,
  HidTransport,
  SerialPortInfo,
  SerialTransport,
  TransportError,
  UsbControlSetup,
  UsbDeviceInfo,
  UsbTransfer,
  UsbTransport,
} from "./types.js";

/** Takes the lines of a cassette, in order, each with its newline. */
export type LineSink = (line: string) => void;

/**
 * The clock of a recorded run: the real one, but wall time is that of the last recorded event, which is what a
 * replay can know too. So a time stamp drawn from it is the same in both.
 */
class RecordedClock implements Clock {
  readonly #clock: Clock;
  readonly #wallTime: () => number;

  constructor(clock: Clock, wallTime: () => number) {
    this.#clock = clock;
    this.#wallTime = wallTime;
  }

  nowUs(): number {
    return this.#clock.nowUs();
  }

  wallTime(): number {
    return this.#wallTime();
  }

  sleep(us: number): Promise<void> {
    return this.#clock.sleep(us);
  }

  timer(us: number, fire: () => void): Timer {
    return this.#clock.timer(us, fire);
  }

  outside<T>(work: Promise<T>): Promise<T> {
    return this.#clock.outside(work);
  }
}

/** Writes events down, as usbmon has them: submit, cancel, complete. */
class Recorder {
  readonly #clock: Clock;
  readonly #sink: LineSink;
  readonly #lines = new CassetteLines();
  readonly #startUs: number;
  #lastUs = 0;
  #index = 0;
  #transfers = 0;
  /** Hand this to everything above, so that a replay sees the same wall time. */
  readonly clock: Clock;

  /** Writes the header line at once. */
  constructor(clock: Clock, header: CassetteHeader, sink: LineSink) {
    this.#clock = clock;
    this.#sink = sink;
    this.#startUs = clock.nowUs();
    this.clock = new RecordedClock(
      clock,
      () => header.wallTimeMs + Math.floor(this.#lastUs / 1000),
    );
    sink(this.#lines.next(header));
  }

  /** What cannot be cancelled. */
  call<T>(request: TransferRequest, start: () => Promise<T>): Promise<T> {
    const id = this.#submit(request);
    return this.#completion(id, start());
  }

  transfer<T>(request: TransferRequest, start: () => UsbTransfer<T>): UsbTransfer<T> {
    const id = this.#submit(request);
    const inner = start();
    let over = false;
    const done = this.#completion(id, inner.done, () => {
      over = true;
    });
    const cancel = (): void => {
      if (over) return;
      this.#write({ ...this.#stamp(id), kind: "cancel" });
      inner.cancel();
    };
    return { done, cancel };
  }

  async #completion<T>(id: number, work: Promise<T>, ended?: () => void): Promise<T> {
    try {
      const data = await work;
      ended?.();
      this.#write({
        ...this.#stamp(id),
        kind: "complete",
        ...(data instanceof Uint8Array ? { data } : {}),
      });
      return data;
    } catch (error) {
      ended?.();
      const code = isMmcpstoreError(error) ? error.code : "TRANSPORT_FAULT";
      const message = isMmcpstoreError(error) ? error.message : String(error);
      this.#write({ ...this.#stamp(id), kind: "complete", error: { code, message } });
      throw error;
    }
  }

  #submit(request: TransferRequest): number {
    const id = ++this.#transfers;
    this.#write({ ...this.#stamp(id), kind: "submit", request });
    return id;
  }

  #stamp(id: number): { index: number; atUs: number; id: number } {
    this.#lastUs = Math.max(this.#lastUs, Math.round(this.#clock.nowUs() - this.#startUs));
    return { index: ++this.#index, atUs: this.#lastUs, id };
  }

  #write(event: CassetteEvent): void {
    this.#sink(this.#lines.next(encodeEvent(event)));
  }
}

/** Records all that goes through a UsbTransport. */
export class UsbRecorder implements UsbTransport {
  readonly clock: Clock;
  readonly #inner: UsbTransport;
  readonly #recorder: Recorder;

  /** Writes the header line at once. */
  constructor(inner: UsbTransport, clock: Clock, header: CassetteHeader, sink: LineSink) {
    this.#inner = inner;
    this.#recorder = new Recorder(clock, header, sink);
    this.clock = this.#recorder.clock;
  }

  get device(): UsbDeviceInfo {
    return this.#inner.device;
  }

  packetSize(endpoint: number): number {
    return this.#inner.packetSize(endpoint);
  }

  controlOut(setup: UsbControlSetup, data: Uint8Array, deadline: Deadline): Promise<void> {
    return this.#recorder.call({ type: "controlOut", setup, data }, () =>
      this.#inner.controlOut(setup, data, deadline),
    );
  }

  controlIn(setup: UsbControlSetup, length: number, deadline: Deadline): Promise<Uint8Array> {
    return this.#recorder.call({ type: "controlIn", setup, length }, () =>
      this.#inner.controlIn(setup, length, deadline),
    );
  }

  bulkOut(endpoint: number, data: Uint8Array, deadline: Deadline): UsbTransfer<void> {
    return this.#recorder.transfer({ type: "bulkOut", endpoint, data }, () =>
      this.#inner.bulkOut(endpoint, data, deadline),
    );
  }

  bulkIn(endpoint: number, length: number, deadline: Deadline): UsbTransfer<Uint8Array> {
    return this.#recorder.transfer({ type: "bulkIn", endpoint, length }, () =>
      this.#inner.bulkIn(endpoint, length, deadline),
    );
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}

/** Records all that goes through a HidTransport. */
export class HidRecorder implements HidTransport {
  readonly clock: Clock;
  readonly #inner: HidTransport;
  readonly #recorder: Recorder;

  /** Writes the header line at once. */
  constructor(inner: HidTransport, clock: Clock, header: CassetteHeader, sink: LineSink) {
    this.#inner = inner;
    this.#recorder = new Recorder(clock, header, sink);
    this.clock = this.#recorder.clock;
  }

  get device(): HidDeviceInfo {
    return this.#inner.device;
  }

  writeReport(report: Uint8Array, deadline: Deadline): Promise<void> {
    return this.#recorder.call({ type: "hidWrite", data: report }, () =>
      this.#inner.writeReport(report, deadline),
    );
  }

  readReport(deadline: Deadline): Promise<Uint8Array> {
    return this.#recorder.call({ type: "hidRead" }, () => this.#inner.readReport(deadline));
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}

/** Records all that goes through a SerialTransport. */
export class SerialRecorder implements SerialTransport {
  readonly clock: Clock;
  readonly #inner: SerialTransport;
  readonly #recorder: Recorder;

  /** Writes the header line at once. */
  constructor(inner: SerialTransport, clock: Clock, header: CassetteHeader, sink: LineSink) {
    this.#inner = inner;
    this.#recorder = new Recorder(clock, header, sink);
    this.clock = this.#recorder.clock;
  }

  get port(): SerialPortInfo {
    return this.#inner.port;
  }

  get closed(): Promise<TransportError | undefined> {
    return this.#inner.closed;
  }

  write(data: Uint8Array, deadline: Deadline): Promise<void> {
    return this.#recorder.call({ type: "serialWrite", data }, () =>
      this.#inner.write(data, deadline),
    );
  }

  read(length: number, deadline: Deadline): Promise<Uint8Array> {
    return this.#recorder.call({ type: "serialRead", length }, () =>
      this.#inner.read(length, deadline),
    );
  }

  readSome(most: number, deadline: Deadline): Promise<Uint8Array> {
    return this.#recorder.call({ type: "serialReadSome", length: most }, () =>
      this.#inner.readSome(most, deadline),
    );
  }

  setBaudRate(baudRate: number, deadline: Deadline): Promise<void> {
    return this.#recorder.call({ type: "serialBaud", baudRate }, () =>
      this.#inner.setBaudRate(baudRate, deadline),
    );
  }

  drain(deadline: Deadline): Promise<void> {
    return this.#recorder.call({ type: "serialDrain" }, () => this.#inner.drain(deadline));
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}
