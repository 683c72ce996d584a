import {
  TransportError,
  type UsbControlSetup,
  type UsbDeviceInfo,
  type UsbTransfer,
  type UsbTransport,
} from "../../transport/types.js";
import type { Clock } from "../../util/clock.js";
import type { Deadline } from "../../util/deadline.js";
import {
  cutShort,
  damagedOut,
  delayOf,
  type FaultEndpoint,
  type FaultPlan,
  flipBit,
  type UsbFault,
} from "./faults.js";
import { type AbandonReason, Flight } from "./flight.js";
import type { UsbLink } from "./link.js";
import type { InArrival, OutArrival, TransferChip } from "./transfers.js";

/** Where a port counts; data as the host saw them. */
export interface PortCounters {
  /** Returns the index of the transfer. */
  submitted(endpoint: FaultEndpoint): number;
  controlDone(): void;
  outDone(data: Uint8Array): void;
  inDone(data: Uint8Array): void;
}

/** What a port needs of its model. */
export interface BulkPortParts {
  readonly interfaceNumber: number;
  /** Addresses of the two bulk endpoints. */
  readonly endpoints: { readonly out: number; readonly in: number };
  readonly device: UsbDeviceInfo;
  readonly packetSize: number;
  readonly clock: Clock;
  readonly chip: TransferChip;
  readonly link: UsbLink;
  readonly counters: PortCounters;
  readonly faults: FaultPlan;
  /** An IN transfer whose length is no multiple of the packet size was asked for. */
  readonly oddInLength: (length: number, atUs: number) => void;
  /** Inverts a bit of the payload of an IN transfer; false if it has not that many. Default: all of it is payload. */
  readonly flipIn?: (transfer: Uint8Array, bit: number) => boolean;
  /** Called before each submission: the model may be unplugged by it. */
  readonly submitting: () => void;
  readonly released: () => void;
}

type Withdraw = () => void;
/** A flight whatever it carries. */
type AnyFlight = Pick<Flight<unknown>, "done" | "cancel" | "reject" | "markReturning">;

/** One claimed interface of a chip model with a bulk endpoint each way, as a driver sees it. */
export class BulkPort implements UsbTransport {
  readonly device: UsbDeviceInfo;
  readonly #parts: BulkPortParts;
  /** What takes a transfer away from wherever it is. */
  readonly #flights: Map<AnyFlight, Withdraw> = new Map();
  #state: "open" | "closed" | "unplugged" = "open";
  #payloadFlips: number[] = [];
  /** When the last answer of each endpoint leaves the chip: those behind it are not earlier. */
  readonly #laneEndUs: Record<FaultEndpoint, number> = { in: 0, out: 0, control: 0 };

  constructor(parts: BulkPortParts) {
    this.#parts = parts;
    this.device = parts.device;
  }

  packetSize(endpoint: number): number {
    const { endpoints, packetSize } = this.#parts;
    if (endpoint !== endpoints.out && endpoint !== endpoints.in) throw this.#noEndpoint(endpoint);
    return packetSize;
  }

  controlOut(setup: UsbControlSetup, data: Uint8Array, deadline: Deadline): Promise<void> {
    return this.#control(setup, data, deadline, () => undefined);
  }

  controlIn(setup: UsbControlSetup, length: number, deadline: Deadline): Promise<Uint8Array> {
    return this.#control(setup, NO_DATA, deadline, (answer) => answer.slice(0, length));
  }

  bulkOut(endpoint: number, data: Uint8Array, deadline: Deadline): UsbTransfer<void> {
    const flight = this.#fly<void>(deadline);
    if (!this.#usable(flight, endpoint, this.#parts.endpoints.out)) return flight;
    const { clock, chip } = this.#parts;
    const faults = this.#faultsOf("out");
    const arrival: OutArrival = {
      data: damagedOut(data, faults),
      taken: (atUs) => {
        this.#answer(flight, this.#laneUs("out", atUs, faults), atUs, () => {
          this.#parts.counters.outDone(data);
          this.#settle(flight, undefined, faults);
        });
      },
    };
    this.#send(flight, faults, (atUs) => {
      this.#flights.set(flight, () => chip.outCancelled(arrival, clock.nowUs()));
      chip.outArrives(arrival, atUs);
    });
    return flight;
  }

  bulkIn(endpoint: number, length: number, deadline: Deadline): UsbTransfer<Uint8Array> {
    const flight = this.#fly<Uint8Array>(deadline);
    if (!this.#usable(flight, endpoint, this.#parts.endpoints.in)) return flight;
    const { clock, chip, packetSize, oddInLength } = this.#parts;
    if (length % packetSize !== 0) oddInLength(length, clock.nowUs());
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
      this.#flights.set(flight, () => chip.inCancelled(arrival, clock.nowUs()));
      chip.inArrives(arrival, atUs);
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

  #control<T>(
    setup: UsbControlSetup,
    data: Uint8Array,
    deadline: Deadline,
    answerOf: (answer: Uint8Array) => T,
  ): Promise<T> {
    const flight = this.#fly<T>(deadline);
    if (!this.#usable(flight)) return flight.done;
    const faults = this.#faultsOf("control");
    this.#send(flight, faults, (atUs) => {
      const answer = this.#parts.chip.control(setup, data, atUs);
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

  #faultsOf(endpoint: FaultEndpoint): UsbFault[] {
    const { interfaceNumber, counters, faults } = this.#parts;
    return faults.take(interfaceNumber, endpoint, counters.submitted(endpoint));
  }

  #send<T>(flight: Flight<T>, faults: readonly UsbFault[], arrive: (atUs: number) => void): void {
    const { link } = this.#parts;
    this.#flights.set(flight, () => link.recall(arrive));
    if (faults.some((fault) => fault.kind === "drop")) link.loseOnTheWay(flight);
    else link.submit(flight, arrive);
  }

  /** When an answer that is ready at `atUs` leaves, by the faults it has and those before it. */
  #laneUs(endpoint: FaultEndpoint, atUs: number, faults: readonly UsbFault[]): number {
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
    faults: readonly UsbFault[],
  ): void {
    if (overflow) {
      flight.reject(new TransportError("TRANSPORT_FAULT", "a packet did not fit: overflow"));
      return;
    }
    const { counters, flipIn = flipBit } = this.#parts;
    this.#payloadFlips.push(...faults.flatMap((f) => (f.kind === "flip" ? [f.bit] : [])));
    this.#payloadFlips = this.#payloadFlips.filter((bit) => !flipIn(data, bit));
    const seen = cutShort(data, faults);
    counters.inDone(seen);
    this.#settle(flight, seen, faults);
  }

  #settle<T>(flight: Flight<T>, value: T, faults: readonly UsbFault[]): void {
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

const NO_DATA: Uint8Array = new Uint8Array(0);

function abandoned(reason: AbandonReason): TransportError {
  return reason === "cancelled"
    ? new TransportError("TRANSPORT_CANCELLED", "the transfer was cancelled")
    : new TransportError("TRANSPORT_TIMEOUT", "the device did not complete the transfer in time");
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
