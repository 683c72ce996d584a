import { COMMAND } from "../../bridge/mcp2210/decoder.js";
import { type HidDeviceInfo, type HidTransport, TransportError } from "../../transport/types.js";
import type { Clock } from "../../util/clock.js";
import type { Deadline } from "../../util/deadline.js";
import { answerWith } from "./answers.js";
import type { Mcp2210Counters } from "./counters.js";
import type { FaultPlan, ReportFaults } from "./faults.js";
import type { Report } from "./violations.js";
import { Waiter } from "./waiter.js";

export interface PortParts {
  readonly clock: Clock;
  readonly device: HidDeviceInfo;
  readonly roundTripUs: number;
  readonly counters: Mcp2210Counters;
  readonly faults: FaultPlan;
  readonly report: Report;
  /** A report is at the chip; gives its answer, if it has one. */
  readonly arrived: (report: Uint8Array, atUs: number) => Uint8Array | undefined;
  /** A transfer is submitted. */
  readonly submitting: () => void;
  readonly released: () => void;
}

/** An output report between host and chip. */
interface OnTheWay {
  readonly bytes: Uint8Array;
  readonly faults: ReportFaults;
  readonly arrivesUs: number;
  answer: Uint8Array | undefined;
}

/** The commands with which a host finds back into step. */
const BACK_INTO_STEP: readonly (number | undefined)[] = [COMMAND.status, COMMAND.cancel];

/**
 * The host's end: a HID device, claimed. Nothing of what the chip does can be seen before half a round trip has passed, so a report is
 * executed, with its right time, when its answer is due, or when somebody looks ({@link catchUp}).
 */
export class Mcp2210Port implements HidTransport {
  readonly device: HidDeviceInfo;
  readonly #parts: PortParts;
  readonly #onTheWay: OnTheWay[] = [];
  readonly #writes: Set<Waiter<void>> = new Set();
  readonly #reads: Waiter<Uint8Array>[] = [];
  /** Input reports that nobody has waited for. */
  readonly #kept: Uint8Array[] = [];
  /** Answers that have not come to the host. */
  #owed = 0;
  #lastAnswerUs = 0;
  #state: "open" | "unplugged" | "closed" = "open";

  constructor(parts: PortParts) {
    this.#parts = parts;
    this.device = parts.device;
  }

  writeReport(report: Uint8Array, deadline: Deadline): Promise<void> {
    const { clock, counters, faults, roundTripUs } = this.#parts;
    if (!this.#submit()) return Promise.reject(disconnected());
    const struck = faults.take(counters.add("outReports"));
    const written = new Waiter<void>(clock, deadline);
    this.#writes.add(written);
    const { failure } = struck;
    const arrives = failure === undefined && !struck.dropped("out");
    const way = arrives ? this.#send(report, struck) : undefined;
    clock.timer(roundTripUs, () => {
      this.#writes.delete(written);
      if (failure === undefined) written.resolve();
      else written.reject(new TransportError(failure, "injected fault"));
      if (way !== undefined) this.#answer(way);
    });
    return written.done;
  }

  readReport(deadline: Deadline): Promise<Uint8Array> {
    if (!this.#submit()) return Promise.reject(disconnected());
    const kept = this.#kept.shift();
    if (kept !== undefined) return Promise.resolve(kept);
    const read = new Waiter<Uint8Array>(this.#parts.clock, deadline);
    this.#reads.push(read);
    return read.done;
  }

  async close(): Promise<void> {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#end(new TransportError("TRANSPORT_CANCELLED", "the device was closed"));
    this.#parts.released();
  }

  /** All that waits, and whatever follows, rejects TRANSPORT_DISCONNECTED. */
  unplugged(): void {
    if (this.#state === "open") this.#state = "unplugged";
    this.#onTheWay.length = 0;
    this.#end(disconnected());
  }

  /** What is at the chip by now is executed. */
  catchUp(): void {
    const nowUs = this.#parts.clock.nowUs();
    while (this.#onTheWay[0] !== undefined && this.#onTheWay[0].arrivesUs <= nowUs) {
      const way = this.#onTheWay.shift() as OnTheWay;
      const { status } = way.faults;
      way.answer =
        status === undefined
          ? this.#parts.arrived(way.bytes, way.arrivesUs)
          : answerWith(way.bytes[0] ?? 0, status);
    }
  }

  /** Counts a transfer, which may be the one at which the cable is pulled; false if nothing can be sent any more. */
  #submit(): boolean {
    if (this.#state === "open") this.#parts.submitting();
    return this.#state === "open";
  }

  #send(report: Uint8Array, faults: ReportFaults): OnTheWay {
    const { clock, roundTripUs } = this.#parts;
    const nowUs = clock.nowUs();
    if (this.#owed > 0 && !BACK_INTO_STEP.includes(report[0]))
      this.#parts.report("one-at-a-time", nowUs, `${this.#owed} answers are still to come`);
    this.#owed++;
    const bytes = faults.damage(report, "out");
    const way: OnTheWay = {
      bytes,
      faults,
      arrivesUs: nowUs + roundTripUs / 2,
      answer: undefined,
    };
    this.#onTheWay.push(way);
    return way;
  }

  #answer(way: OnTheWay): void {
    this.catchUp();
    if (this.#state !== "open") return;
    const { answer, faults } = way;
    if (answer === undefined || faults.dropped("in")) {
      this.#owed--;
      return;
    }
    const { clock } = this.#parts;
    const nowUs = clock.nowUs();
    this.#lastAnswerUs = Math.max(this.#lastAnswerUs, nowUs + faults.delayUs);
    const bytes = faults.damage(answer, "in");
    if (this.#lastAnswerUs === nowUs) this.#deliver(bytes);
    else clock.timer(this.#lastAnswerUs - nowUs, () => this.#deliver(bytes));
  }

  #deliver(bytes: Uint8Array): void {
    if (this.#state !== "open") return;
    this.#owed--;
    this.#parts.counters.add("inReports");
    let read = this.#reads.shift();
    while (read?.over === true) read = this.#reads.shift();
    if (read === undefined) this.#kept.push(bytes);
    else read.resolve(bytes);
  }

  #end(error: TransportError): void {
    for (const waiter of [...this.#writes, ...this.#reads]) waiter.reject(error);
    this.#writes.clear();
    this.#reads.length = 0;
    this.#kept.length = 0;
  }
}

function disconnected(): TransportError {
  return new TransportError("TRANSPORT_DISCONNECTED", "the adapter is gone");
}
