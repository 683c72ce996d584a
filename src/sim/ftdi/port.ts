import { STATUS_BYTES } from "../../bridge/ftdi/decoder.js";
import {
  TransportError,
  type UsbControlSetup,
  type UsbDeviceInfo,
  type UsbTransfer,
  type UsbTransport,
} from "../../transport/types.js";
import type { Clock } from "../../util/clock.js";
import type { Deadline } from "../../util/deadline.js";
import { type AbandonReason, Flight } from "../usb/flight.js";
import type { UsbLink } from "../usb/link.js";
import type { FtdiChannel } from "./channel.js";
import type { FtdiCounters } from "./counters.js";
import {
  type FaultEndpoint,
  type FaultPlan,
  type FtdiFault,
  flipBit,
  flipPayloadBit,
} from "./faults.js";
import type { InArrival } from "./in-fifo.js";
import type { OutArrival } from "./out-fifo.js";
import type { Report } from "./violations.js";

/** What a port needs of its model. */
export interface PortParts {
  readonly interfaceNumber: number;
  readonly device: UsbDeviceInfo;
  readonly packetSize: number;
  readonly clock: Clock;
  readonly channel: FtdiChannel;
  readonly link: UsbLink;
  readonly counters: FtdiCounters;
  readonly faults: FaultPlan;
  readonly report: Report;
  /** Called before each submission: the model may be unplugged by it. */
  readonly submitting: () => void;
  readonly released: () => void;
}

type Withdraw = () => void;
/** A flight whatever it carries. */
type AnyFlight = Pick<Flight<unknown>, "done" | "cancel" | "reject" | "markReturning">;

function abandoned(reason: AbandonReason): TransportError {
  return reason === "cancelled"
    ? new TransportError("TRANSPORT_CANCELLED", "the transfer was cancelled")
    : new TransportError("TRANSPORT_TIMEOUT", "the device did not complete the transfer in time");
}

/** One claimed interface of the model, as a driver sees it. */
export class FtdiPort implements UsbTransport {
  readonly device: UsbDeviceInfo;
  readonly #parts: PortParts;
  /** What takes a transfer away from wherever it is. */
  readonly #flights: Map<AnyFlight, Withdraw> = new Map();
  #state: "open" | "closed" | "unplugged" = "open";
  #payloadFlips: number[] = [];
  /** When the last answer of each endpoint leaves the chip: those behind it are not earlier. */
  readonly #laneEndUs: Record<FaultEndpoint, number> = { in: 0, out: 0, control: 0 };

  constructor(parts: PortParts) {
    this.#parts = parts;
    this.device = parts.device;
  }

  packetSize(endpoint: number): number {
    if (!this.#endpoints.includes(endpoint)) throw this.#noEndpoint(endpoint);
    return this.#parts.packetSize;
  }

  controlOut(setup: UsbControlSetup, _data: Uint8Array, deadline: Deadline): Promise<void> {
    return this.#control(setup, deadline, () => undefined);
  }

  controlIn(setup: UsbControlSetup, length: number, deadline: Deadline): Promise<Uint8Array> {
    return this.#control(setup, deadline, (answer) => answer.slice(0, length));
  }

  bulkOut(endpoint: number, data: Uint8Array, deadline: Deadline): UsbTransfer<void> {
    const flight = this.#fly<void>(deadline);
    if (!this.#usable(flight, endpoint, this.#endpoints[0])) return flight;
    const { clock, channel } = this.#parts;
    const faults = this.#faultsOf("out");
    const arrival: OutArrival = {
      data: damagedOut(data, faults),
      taken: (atUs) => {
        this.#answer(flight, this.#laneUs("out", atUs, faults), atUs, () => {
          this.#parts.counters.outDone(data.length);
          this.#settle(flight, undefined, faults);
        });
      },
    };
    this.#send(flight, faults, (atUs) => {
      this.#flights.set(flight, () => channel.outCancelled(arrival, clock.nowUs()));
      channel.outArrives(arrival, atUs);
    });
    return flight;
  }

  bulkIn(endpoint: number, length: number, deadline: Deadline): UsbTransfer<Uint8Array> {
    const flight = this.#fly<Uint8Array>(deadline);
    if (!this.#usable(flight, endpoint, this.#endpoints[1])) return flight;
    const { clock, channel, packetSize } = this.#parts;
    if (length % packetSize !== 0)
      this.#parts.report(
        "in-length",
        clock.nowUs(),
        `IN of ${length} bytes, packets of ${packetSize}`,
      );
    const faults = this.#faultsOf("in");
    const arrival: InArrival = {
      length,
      complete: (data, overflow, atUs) => {
        this.#answer(flight, this.#laneUs("in", atUs, faults), atUs, () =>
          this.#inDone(flight, data, overflow, faults),
        );
      },
    };
    this.#send(flight, faults, (atUs) => {
      this.#flights.set(flight, () => channel.inCancelled(arrival, clock.nowUs()));
      channel.inArrives(arrival, atUs);
    });
    return flight;
  }

  async close(): Promise<void> {
    if (this.#state === "closed") return;
    const wasOpen = this.#state === "open";
    this.#state = "closed";
    if (wasOpen) {
      const flights = [...this.#flights.keys()];
      for (const flight of flights) flight.cancel();
      await Promise.allSettled(flights.map((flight) => flight.done));
    }
    this.#parts.released();
  }

  /** All that is in flight, and whatever follows, rejects TRANSPORT_DISCONNECTED. */
  unplugged(): void {
    if (this.#state === "open") this.#state = "unplugged";
    const flights = [...this.#flights.keys()];
    this.#flights.clear();
    for (const flight of flights) {
      flight.markReturning();
      flight.reject(disconnected());
    }
  }

  get #endpoints(): readonly [number, number] {
    const first = 2 * this.#parts.interfaceNumber;
    return [first + 2, 0x80 + first + 1];
  }

  #control<T>(
    setup: UsbControlSetup,
    deadline: Deadline,
    answerOf: (answer: Uint8Array) => T,
  ): Promise<T> {
    const flight = this.#fly<T>(deadline);
    if (!this.#usable(flight)) return flight.done;
    const faults = this.#faultsOf("control");
    this.#send(flight, faults, (atUs) => {
      const answer = this.#parts.channel.control(setup, atUs);
      this.#answer(flight, this.#laneUs("control", atUs, faults), atUs, () => {
        this.#parts.counters.controlDone();
        if (answer === "stall") flight.reject(stalled(setup));
        else this.#settle(flight, answerOf(answer), faults);
      });
    });
    return flight.done;
  }

  #fly<T>(deadline: Deadline): Flight<T> {
    return new Flight<T>(deadline.atUs, (flight, reason) => this.#abandon(flight, reason));
  }

  /** Rejects the flight if this port cannot take it. */
  #usable<T>(flight: Flight<T>, endpoint?: number, wanted?: number): boolean {
    if (this.#state === "open") this.#parts.submitting();
    let error: TransportError | undefined;
    if (this.#state !== "open") error = disconnected();
    else if (endpoint !== wanted) error = this.#noEndpoint(endpoint ?? 0);
    if (error === undefined) return true;
    flight.markReturning();
    flight.reject(error);
    return false;
  }

  #faultsOf(endpoint: FaultEndpoint): FtdiFault[] {
    const { interfaceNumber, counters, faults } = this.#parts;
    const transfer = counters.submitted(endpoint);
    return faults.take(interfaceNumber, endpoint, transfer);
  }

  #send<T>(flight: Flight<T>, faults: readonly FtdiFault[], arrive: (atUs: number) => void): void {
    const { link } = this.#parts;
    this.#flights.set(flight, () => link.recall(arrive));
    if (faults.some((fault) => fault.kind === "drop")) link.loseOnTheWay(flight);
    else link.submit(flight, arrive);
  }

  /** When an answer that is ready at `atUs` leaves, by the faults it has and those before it. */
  #laneUs(endpoint: FaultEndpoint, atUs: number, faults: readonly FtdiFault[]): number {
    const leavesUs = Math.max(this.#laneEndUs[endpoint], atUs + delayOf(faults));
    this.#laneEndUs[endpoint] = leavesUs;
    return leavesUs;
  }

  /** Until it leaves, an answer that was ready before can still be overtaken by a cancel. */
  #answer<T>(flight: Flight<T>, leavesUs: number, readyUs: number, settle: () => void): void {
    const takeBack = this.#parts.link.answer(leavesUs, flight, () => {
      this.#flights.delete(flight);
      flight.markReturning();
      settle();
    });
    if (leavesUs > readyUs) this.#flights.set(flight, takeBack);
    else flight.markReturning();
  }

  #inDone(
    flight: Flight<Uint8Array>,
    data: Uint8Array,
    overflow: boolean,
    faults: readonly FtdiFault[],
  ): void {
    if (overflow) {
      flight.reject(new TransportError("TRANSPORT_FAULT", "a packet did not fit: overflow"));
      return;
    }
    const { counters, packetSize } = this.#parts;
    this.#payloadFlips.push(...faults.flatMap((f) => (f.kind === "flip" ? [f.bit] : [])));
    this.#payloadFlips = this.#payloadFlips.filter((bit) => !flipPayloadBit(data, packetSize, bit));
    const short = faults.find((fault) => fault.kind === "short");
    const seen = short === undefined ? data : data.subarray(0, short.bytes);
    counters.inDone(seen.length - STATUS_BYTES * Math.ceil(seen.length / packetSize));
    this.#settle(flight, seen, faults);
  }

  #settle<T>(flight: Flight<T>, value: T, faults: readonly FtdiFault[]): void {
    const failure = faults.find((fault) => fault.kind === "fail");
    if (failure === undefined) flight.resolve(value);
    else flight.reject(new TransportError(failure.code, "injected fault"));
  }

  #abandon<T>(flight: Flight<T>, reason: AbandonReason): void {
    const { link, clock } = this.#parts;
    link.move();
    if (flight.returning) return;
    this.#flights.get(flight)?.();
    const nowUs = clock.nowUs();
    this.#answer(flight, nowUs, nowUs, () => flight.reject(abandoned(reason)));
    link.move();
  }

  #noEndpoint(endpoint: number): TransportError {
    return new TransportError(
      "TRANSPORT_FAULT",
      `interface ${this.#parts.interfaceNumber} has no endpoint 0x${endpoint.toString(16)}`,
    );
  }
}

function damagedOut(data: Uint8Array, faults: readonly FtdiFault[]): Uint8Array {
  let sent = data;
  for (const fault of faults) {
    if (fault.kind === "short") sent = sent.subarray(0, fault.bytes);
    if (fault.kind !== "flip") continue;
    sent = sent.slice();
    flipBit(sent, fault.bit);
  }
  return sent;
}

function delayOf(faults: readonly FtdiFault[]): number {
  return faults.reduce((sum, fault) => sum + (fault.kind === "delay" ? fault.us : 0), 0);
}

function disconnected(): TransportError {
  return new TransportError("TRANSPORT_DISCONNECTED", "the adapter is gone");
}

function stalled(setup: UsbControlSetup): TransportError {
  return new TransportError(
    "TRANSPORT_STALL",
    `the device refused request 0x${setup.request.toString(16)}`,
    { details: { ...setup } },
  );
}
