import { type ENGINE, type SpiSettings, STATUS } from "../../bridge/mcp2210/decoder.js";
import type { SpiDevice } from "../spi-device.js";
import type { Mcp2210Counters } from "./counters.js";
import type { Mcp2210Settings } from "./options.js";
import type { Pins } from "./pins.js";
import type { Report } from "./violations.js";

const DELAY_UNIT_US = 100;
const NO_DATA = new Uint8Array(0);

/** A chunk on its way over the wires. */
interface Shift {
  readonly mosi: Uint8Array;
  readonly miso: Uint8Array;
  readonly startUs: number;
  readonly usPerByte: number;
  /** Bytes clocked so far. */
  done: number;
}

/** One SPI transaction. */
interface Job {
  readonly settings: SpiSettings;
  /** Bytes that the chip has taken for it. */
  accepted: number;
  /** Bytes of it that the host was given. */
  given: number;
  shift: Shift | undefined;
}

/** What the chip answers to 42. */
export type TransferOutcome =
  | { readonly refused: number }
  | { readonly engine: keyof typeof ENGINE; readonly data: Uint8Array };

export interface SpiEngineParts {
  readonly settings: Mcp2210Settings;
  readonly pins: Pins;
  readonly counters: Mcp2210Counters;
  readonly report: Report;
}

/**
 * The transfer engine: takes a chunk, clocks it, and keeps what it received until the next report asks. Time comes from outside:
 * {@link advance} before anything that happens to it.
 */
export class SpiEngine {
  readonly #parts: SpiEngineParts;
  readonly #spi: SpiDevice;
  #job: Job | undefined;
  #nowUs = 0;

  constructor(parts: SpiEngineParts) {
    this.#parts = parts;
    this.#spi = parts.settings.spi;
  }

  /** A transaction is not over. */
  get active(): boolean {
    return this.#job !== undefined;
  }

  /** Clocks what is due by `toUs`. */
  advance(toUs: number): void {
    this.#nowUs = toUs;
    const shift = this.#job?.shift;
    if (shift === undefined) return;
    const { mosi, miso, startUs, usPerByte, done } = shift;
    const due = Math.min(mosi.length, Math.floor((toUs - startUs) / usPerByte + 1e-6));
    if (due <= done) return;
    const timing = { startUs: startUs + done * usPerByte, usPerByte };
    this.#spi.exchange(mosi.subarray(done, due), miso.subarray(done, due), due - done, timing);
    shift.done = due;
    this.#parts.counters.add("spiBytes", due - done);
  }

  /** A chunk, or none, with these settings if it begins a transaction. */
  transfer(data: Uint8Array, settings: SpiSettings): TransferOutcome {
    const job = this.#job ?? this.#begin(data, settings);
    if (job === undefined) return { engine: "finished", data: NO_DATA };
    if (this.#shifting(job)) return this.#busy(job, data);
    this.#parts.counters.add("transfers");
    if (data.length === 0) this.#parts.counters.add("polls");
    const received = job.shift?.miso ?? NO_DATA;
    job.shift = undefined;
    const over = job.given === job.settings.bytesPerTransaction;
    job.given += received.length;
    this.#take(job, data);
    return { engine: this.#state(job, over), data: received };
  }

  /** Ends the transaction where it is. */
  cancel(): void {
    const job = this.#job;
    this.#job = undefined;
    if (job !== undefined) this.#parts.pins.select(job.settings, false);
  }

  #begin(data: Uint8Array, settings: SpiSettings): Job | undefined {
    if (data.length === 0) return undefined;
    const { counters, pins, report } = this.#parts;
    if (settings.bytesPerTransaction === 0) {
      report("transfer-length", this.#nowUs, "a transaction of no bytes");
      return undefined;
    }
    if (settings.mode !== 0) report("spi-mode", this.#nowUs, `SPI mode ${settings.mode}`);
    counters.add("transactions");
    pins.select(settings, true);
    this.#job = { settings, accepted: 0, given: 0, shift: undefined };
    return this.#job;
  }

  #shifting({ shift }: Job): boolean {
    if (shift === undefined) return false;
    const endUs = shift.startUs + shift.mosi.length * shift.usPerByte;
    return this.#nowUs + 1e-6 < endUs + this.#parts.settings.busyUs;
  }

  #busy(job: Job, data: Uint8Array): TransferOutcome {
    if (data.length > 0 || this.#parts.settings.pollInChunk === "busy") {
      this.#parts.counters.add("busyAnswers");
      return { refused: STATUS.busy };
    }
    this.#parts.counters.add("polls");
    return { engine: job.given === 0 ? "started" : "dataAvailable", data: NO_DATA };
  }

  #take(job: Job, data: Uint8Array): void {
    const { settings } = job;
    const room = settings.bytesPerTransaction - job.accepted;
    if (data.length > room)
      this.#parts.report("transfer-length", this.#nowUs, `${data.length} bytes, ${room} to come`);
    const mosi = data.slice(0, room);
    if (mosi.length === 0) return;
    const delay = job.accepted === 0 ? settings.csToDataDelay : 0;
    job.accepted += mosi.length;
    job.shift = {
      mosi,
      miso: new Uint8Array(mosi.length),
      startUs: this.#nowUs + delay * DELAY_UNIT_US,
      usPerByte: 8e6 / settings.bitRateHz + settings.byteGap * DELAY_UNIT_US,
      done: 0,
    };
  }

  /** `over`: the host had everything before. */
  #state(job: Job, over: boolean): keyof typeof ENGINE {
    if (job.given === job.settings.bytesPerTransaction) {
      if (!over && this.#parts.settings.finished === "after-data") return "dataAvailable";
      this.cancel();
      return "finished";
    }
    return job.given === 0 ? "started" : "dataAvailable";
  }
}
