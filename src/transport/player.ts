import { EventClock } from "../util/event-clock.js";
import type { Cassette, CassetteEvent, CompleteEvent, TransferRequest } from "./cassette.js";
import { describe, describeEvent, laneOf, sameRequest } from "./request.js";
import {
  TransportError,
  type UsbControlSetup,
  type UsbDeviceInfo,
  type UsbTransfer,
  type UsbTransport,
} from "./types.js";

interface Waiting {
  readonly resolve: (data: Uint8Array) => void;
  readonly reject: (error: unknown) => void;
}

type HostEvent = Exclude<CassetteEvent, CompleteEvent>;

const EMPTY = new Uint8Array(0);

/** Says in words what an event means; given by whoever knows the chip. */
export type Explain = (event: CassetteEvent) => string;

/**
 * Plays a cassette back: the transport *and* the clock of a run without hardware.
 *
 * Submits and cancels must come per endpoint in the recorded order, byte for byte. A completion is given once every submit and
 * cancel recorded before it has been made. The clock never goes back; before an event stamped t is given, timers due before t
 * fire; if the next event is the host's and nothing in the process can run, the next timer fires, and if there is
 * none, that is a mismatch. After a mismatch everything rejects with it.
 */
export class CassettePlayer extends EventClock implements UsbTransport {
  readonly #cassette: Cassette;
  readonly #explain: Explain | undefined;
  /** Submits and cancels not yet made, by endpoint. */
  readonly #lanes = new Map<string, HostEvent[]>();
  readonly #laneOf = new Map<number, string>();
  readonly #made = new Set<number>();
  readonly #waiting = new Map<number, Waiting>();
  #next = 0;
  #wallUs = 0;
  #mismatch: TransportError | undefined;

  constructor(cassette: Cassette, explain?: Explain) {
    super();
    this.#cassette = cassette;
    this.#explain = explain;
    for (const event of cassette.events) this.#sort(event);
  }

  #sort(event: CassetteEvent): void {
    if (event.kind === "complete") return;
    if (event.kind === "submit") this.#laneOf.set(event.id, laneOf(event.request));
    const lane = this.#laneOf.get(event.id) ?? "";
    this.#lanes.set(lane, [...(this.#lanes.get(lane) ?? []), event]);
  }

  /** The first mismatch, if there was one. */
  get mismatch(): TransportError | undefined {
    return this.#mismatch;
  }

  get device(): UsbDeviceInfo {
    return this.#cassette.header.device as UsbDeviceInfo;
  }

  packetSize(endpoint: number): number {
    const size = this.#cassette.header.packetSizes[String(endpoint)];
    if (size !== undefined) return size;
    throw this.#fail(
      this.#next + 1,
      `the recorded device has no endpoint 0x${endpoint.toString(16)}`,
    );
  }

  async controlOut(setup: UsbControlSetup, data: Uint8Array): Promise<void> {
    await this.play({ type: "controlOut", setup, data }).done;
  }

  controlIn(setup: UsbControlSetup, length: number): Promise<Uint8Array> {
    return this.play({ type: "controlIn", setup, length }).done;
  }

  bulkOut(endpoint: number, data: Uint8Array): UsbTransfer<void> {
    const { done, cancel } = this.play({ type: "bulkOut", endpoint, data });
    return { done: done.then(() => undefined), cancel };
  }

  bulkIn(endpoint: number, length: number): UsbTransfer<Uint8Array> {
    return this.play({ type: "bulkIn", endpoint, length });
  }

  /** @throws TransportError CASSETTE_MISMATCH if anything recorded was not asked for */
  async close(): Promise<void> {
    if (this.#mismatch !== undefined) throw this.#mismatch;
    const left = this.#cassette.events.find(
      (event) => event.kind !== "complete" && !this.#made.has(event.index),
    );
    if (left === undefined) return;
    throw this.#fail(left.index, "the run ended before it was asked for");
  }

  /** Asks for a transfer of any kind. */
  play(request: TransferRequest): UsbTransfer<Uint8Array> {
    const expected =
      this.#mismatch === undefined ? this.#lanes.get(laneOf(request))?.[0] : undefined;
    if (expected?.kind !== "submit" || !sameRequest(expected.request, request)) {
      const error = this.#mismatch ?? this.#mismatched(expected, request);
      return { done: Promise.reject(error), cancel: () => undefined };
    }
    this.#make(expected, laneOf(request));
    const done = new Promise<Uint8Array>((resolve, reject) => {
      this.#waiting.set(expected.id, { resolve, reject });
    });
    return { done, cancel: () => this.#cancel(expected.id, laneOf(request)) };
  }

  #cancel(id: number, lane: string): void {
    if (!this.#waiting.has(id) || this.#mismatch !== undefined) return;
    const expected = this.#lanes.get(lane)?.[0];
    if (expected?.kind === "cancel" && expected.id === id) this.#make(expected, lane);
    else
      this.#fail(
        expected?.index ?? this.#cassette.events.length + 1,
        `transfer ${id} was cancelled, which was not recorded`,
      );
  }

  #make(event: HostEvent, lane: string): void {
    this.#lanes.get(lane)?.shift();
    this.#made.add(event.index);
    this.#advance();
    this.wake();
  }

  /** Passes over the host events that have been made. */
  #advance(): void {
    const { events } = this.#cassette;
    for (
      let event = events[this.#next];
      event !== undefined && this.#made.has(event.index);
      event = events[this.#next]
    ) {
      this.passTo(event.atUs);
      this.#wallUs = Math.max(this.#wallUs, event.atUs);
      this.#next++;
    }
  }

  #mismatched(expected: HostEvent | undefined, actual: TransferRequest): TransportError {
    const index = expected?.index ?? this.#cassette.events.length + 1;
    const asked = `the run asked for ${describe(actual)}`;
    if (expected === undefined)
      return this.#fail(index, `${asked}, where nothing more is recorded for that endpoint`);
    return this.#fail(index, asked, expected, actual);
  }

  #fail(
    index: number,
    what: string,
    expected?: CassetteEvent,
    actual?: TransferRequest,
  ): TransportError {
    const recorded = expected ?? this.#cassette.events.find((event) => event.index === index);
    const both =
      recorded === undefined
        ? ""
        : `; recorded is ${describeEvent(recorded)}${this.#meaning(recorded)}`;
    const own =
      actual === undefined
        ? ""
        : this.#meaning({ kind: "submit", index, atUs: 0, id: 0, request: actual });
    this.#mismatch ??= new TransportError(
      "CASSETTE_MISMATCH",
      `the cassette does not match at #${index}: ${what}${own}${both}`,
      {
        details: {
          index,
          expected: recorded === undefined ? null : describeEvent(recorded),
          actual: what,
        },
        hint: "the program, its arguments or the image differ from those of the recording",
      },
    );
    for (const { reject } of this.#waiting.values()) reject(this.#mismatch);
    this.#waiting.clear();
    return this.#mismatch;
  }

  #meaning(event: CassetteEvent): string {
    const meaning = this.#explain?.(event) ?? "";
    return meaning === "" ? "" : ` (${meaning})`;
  }

  wallTime(): number {
    return this.#cassette.header.wallTimeMs + Math.floor(this.#wallUs / 1000);
  }

  protected step(): boolean {
    const event = this.#cassette.events[this.#next];
    if (
      event?.kind === "complete" &&
      this.#mismatch === undefined &&
      event.atUs <= (this.nextTimerUs ?? event.atUs)
    ) {
      this.#complete(event);
      return true;
    }
    if (this.fireNext()) return true;
    if (event !== undefined && this.#waiting.size > 0) {
      this.#fail(event.index, `the run waits and does nothing, expected #${event.index}`);
    }
    return false;
  }

  #complete(event: CompleteEvent): void {
    const waiting = this.#waiting.get(event.id);
    this.#waiting.delete(event.id);
    this.passTo(event.atUs);
    this.#wallUs = Math.max(this.#wallUs, event.atUs);
    this.#next++;
    this.#advance();
    if (event.error === undefined) waiting?.resolve(event.data ?? EMPTY);
    else waiting?.reject(new TransportError(event.error.code, event.error.message));
  }
}
