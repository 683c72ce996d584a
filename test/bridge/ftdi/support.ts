import { expect } from "@jest/globals";
import type { FtdiBridge, FtdiOpenOptions } from "../../../src/bridge/ftdi/driver.js";
import { openFtdi } from "../../../src/bridge/ftdi/driver.js";
import { SimClock } from "../../../src/sim/clock.js";
import {
  createFtdiModel,
  type FtdiModel,
  type FtdiModelOptions,
} from "../../../src/sim/ftdi/model.js";
import type { ByteTiming, SpiDevice } from "../../../src/sim/spi-device.js";
import type { ReceiveParser, Segment, Transaction } from "../../../src/spi/bridge.js";
import type { UsbTransfer, UsbTransport } from "../../../src/transport/types.js";
import { type Deadline, deadlineIn } from "../../../src/util/deadline.js";
import { errorCode } from "../../../src/util/errors.js";

/**
 * Says at each byte how many have been clocked since CS fell, so that a lost, doubled or swapped byte shows; keeps what it was
 * sent. With {@link busyUntil} it is a card that is busy up to a point of time instead.
 */
export class CountingDevice implements SpiDevice {
  /** MOSI since the last {@link clear}; -1 where CS fell, -2 where it rose. At most 4096. */
  readonly mosi: number[] = [];
  cs: "high" | "low" = "high";
  clockedBytes = 0;
  #position = 0;
  #busyUntilUs = 0;

  static miso(position: number): number {
    return (position * 31 + (position >> 8) * 7 + 1) & 0xff;
  }

  clear(): void {
    this.mosi.length = 0;
  }

  busyUntil(us: number): void {
    this.#busyUntilUs = us;
  }

  setCs(level: "high" | "low"): void {
    if (level === this.cs) return;
    this.mosi.push(level === "low" ? -1 : -2);
    this.cs = level;
    this.#position = 0;
  }

  exchange(
    mosi: Uint8Array | undefined,
    miso: Uint8Array | undefined,
    length: number,
    timing: ByteTiming,
  ): void {
    for (let at = 0; at < length; at++) {
      if (miso !== undefined) miso[at] = this.peek(timing.startUs + at * timing.usPerByte);
      if (this.mosi.length < 4096) this.mosi.push(mosi?.[at] ?? 0xff);
      this.#position++;
    }
    this.clockedBytes += length;
  }

  peek(atUs = 0): number {
    if (this.cs === "high") return 0xff;
    if (this.#busyUntilUs > 0) return atUs < this.#busyUntilUs ? 0 : 0xff;
    return CountingDevice.miso(this.#position);
  }
}

export interface BenchOptions extends Partial<Omit<FtdiModelOptions, "clock" | "spi">> {
  readonly driver?: FtdiOpenOptions["options"];
}

/** A chip model with a device on its pins, and the driver over it. */
export class Bench {
  readonly clock: SimClock;
  readonly device: CountingDevice = new CountingDevice();
  readonly model: FtdiModel;
  readonly #options: BenchOptions;

  constructor(options: BenchOptions = {}) {
    this.clock = new SimClock();
    this.#options = options;
    this.model = createFtdiModel({ ...options, clock: this.clock, spi: this.device });
  }

  in(ms = 1000): Deadline {
    return deadlineIn(this.clock, ms);
  }

  open(wrap: (transport: UsbTransport) => UsbTransport = (same) => same): Promise<FtdiBridge> {
    const { driver, channel } = this.#options;
    return openFtdi({
      transport: wrap(this.model.transport(channel === "B" ? 1 : 0)),
      clock: this.clock,
      ...(channel === undefined ? {} : { channel }),
      ...(driver === undefined ? {} : { options: driver }),
    });
  }

  rules(): string[] {
    return this.model.violations.map(({ rule, message }) => `${rule}: ${message}`);
  }
}

/** A transport that tells what passes through it, and when. */
export class WatchedUsb implements UsbTransport {
  readonly device: UsbTransport["device"];
  /** OUT transfers, and how many IN transfers were in flight as each was submitted. */
  readonly outs: { readonly data: Uint8Array; readonly reading: number }[] = [];
  reading = 0;
  mostReading = 0;
  closed = 0;
  readonly #inner: UsbTransport;

  constructor(inner: UsbTransport) {
    this.#inner = inner;
    this.device = inner.device;
  }

  packetSize(endpoint: number): number {
    return this.#inner.packetSize(endpoint);
  }

  controlOut(...request: Parameters<UsbTransport["controlOut"]>): Promise<void> {
    return this.#inner.controlOut(...request);
  }

  controlIn(...request: Parameters<UsbTransport["controlIn"]>): Promise<Uint8Array> {
    return this.#inner.controlIn(...request);
  }

  bulkOut(...request: Parameters<UsbTransport["bulkOut"]>): UsbTransfer<void> {
    this.outs.push({ data: request[1], reading: this.reading });
    return this.#inner.bulkOut(...request);
  }

  bulkIn(...request: Parameters<UsbTransport["bulkIn"]>): UsbTransfer<Uint8Array> {
    const transfer = this.#inner.bulkIn(...request);
    this.reading++;
    this.mostReading = Math.max(this.mostReading, this.reading);
    const over = (): void => {
      this.reading--;
    };
    transfer.done.then(over, over);
    return transfer;
  }

  async close(): Promise<void> {
    this.closed++;
    await this.#inner.close();
  }
}

/** `done`, or the code of what was thrown. */
export function codeOf(work: Promise<unknown>): Promise<string | undefined> {
  return work.then(() => "done", errorCode);
}

/** Waits for MISO to go high after some bytes of low: a card's busy. */
export class ReadyParser implements ReceiveParser {
  status: "more" | "done" = "more";
  readonly atLeast = 1;
  busyBytes = 0;

  push(bytes: Uint8Array, from: number, to: number): number {
    for (let at = from; at < to; at++) {
      if (bytes[at] === 0xff) {
        this.status = "done";
        return at - from + 1;
      }
      this.busyBytes++;
    }
    return to - from;
  }
}

export function transaction(...segments: Segment[]): Transaction {
  return { label: "test", segments };
}

/** Bytes that the device gives from `position` of a CS frame on. */
export function expected(position: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => CountingDevice.miso(position + at));
}

/** `actual` equals `wanted`, without printing 64 KiB if not. */
export function expectBytes(actual: Uint8Array, wanted: Uint8Array): void {
  expect(actual.length).toBe(wanted.length);
  const at = actual.findIndex((byte, index) => byte !== wanted[index]);
  expect({ differsAt: at, byte: actual[at] }).toEqual({ differsAt: -1, byte: actual[-1] });
}
