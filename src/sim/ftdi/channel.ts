import { decodeSio, type SioBitMode, type SioRequest } from "../../bridge/ftdi/decoder.js";
import type { UsbControlSetup } from "../../transport/types.js";
import type { SpiDevice } from "../spi-device.js";
import { MpsseEngine } from "./engine.js";
import type { EngineState } from "./engine-types.js";
import { type InArrival, InFifo, type InFifoState } from "./in-fifo.js";
import { type FtdiSettings, hasMpsse } from "./options.js";
import { type OutArrival, OutFifo } from "./out-fifo.js";
import type { Report } from "./violations.js";
import { SpiWire, type WireState } from "./wire.js";

export interface ChannelState {
  readonly mode: SioBitMode;
  readonly engine: EngineState;
  readonly wire: WireState;
  readonly out: Uint8Array;
  readonly in: InFifoState;
}

/** A control request's data stage, or `stall`. */
export type ControlAnswer = Uint8Array | "stall";

const IDLE_STATUS: readonly number[] = [0x32, 0x60];
const BLANK_EEPROM_WORD: readonly number[] = [0xff, 0xff];
const NO_DATA: Uint8Array = new Uint8Array(0);

/**
 * One channel of the chip: two endpoints with their FIFOs, the engine between them, the pins. Time comes from outside:
 * {@link advance} before anything that happens to it.
 */
export class FtdiChannel {
  readonly #interfaceNumber: number;
  readonly #settings: FtdiSettings;
  readonly #report: Report;
  readonly #out: OutFifo;
  readonly #in: InFifo;
  readonly #wire: SpiWire;
  readonly #engine: MpsseEngine;
  #mode: SioBitMode = "reset";
  #stallReported = false;

  constructor(interfaceNumber: number, settings: FtdiSettings, spi: SpiDevice, report: Report) {
    this.#interfaceNumber = interfaceNumber;
    this.#settings = settings;
    this.#report = report;
    this.#out = new OutFifo(settings.fifoBytes, settings.packetSize);
    this.#in = new InFifo(settings, settings.clock.nowUs());
    this.#wire = new SpiWire({ ...settings, spi });
    const parts = { settings, out: this.#out, in: this.#in, wire: this.#wire, report };
    this.#engine = new MpsseEngine(parts);
  }

  get clockedBytes(): number {
    return this.#engine.clockedBytes;
  }

  get mode(): SioBitMode {
    return this.#mode;
  }

  get cs(): "high" | "low" {
    return this.#wire.cs;
  }

  /** Bytes that a snapshot would not hold: what is not in the FIFO yet. */
  get engine(): Pick<MpsseEngine, "midCommand" | "stuck" | "blocked" | "frequencyHz"> {
    return this.#engine;
  }

  /** Runs up to `toUs`. */
  advance(toUs: number): void {
    for (;;) {
      const stopUs = Math.min(toUs, this.#in.latencyDueUs);
      if (this.#mode === "mpsse") this.#engine.run(stopUs);
      if (this.#in.latencyDueUs <= stopUs) this.#in.latencyFired(stopUs);
      else if (stopUs >= toUs) break;
    }
    this.#watchStall(toUs);
  }

  /**
   * When there may be something to see from outside next. Without a transfer under way an unbounded wait needs no
   * looking at.
   */
  nextUs(underWay: boolean): number {
    const engineUs = this.#engine.stuck && !underWay ? Infinity : this.#engine.nextUs;
    return Math.min(engineUs, this.#in.latencyDueUs, this.#stallDueUs);
  }

  outArrives(arrival: OutArrival, atUs: number): void {
    if (this.#mode !== "mpsse" && arrival.data.length > 0)
      this.#report("not-mpsse", atUs, `${arrival.data.length} OUT bytes in bit mode ${this.#mode}`);
    this.#out.arrive(arrival, atUs);
    if (this.#mode !== "mpsse") this.#out.drain(atUs);
  }

  inArrives(arrival: InArrival, atUs: number): void {
    this.#in.arrive(arrival, atUs);
  }

  outCancelled(arrival: OutArrival, atUs: number): void {
    this.#out.cancel(arrival, atUs);
  }

  inCancelled(arrival: InArrival, atUs: number): void {
    this.#in.cancel(arrival, atUs);
  }

  /** A control request on the default endpoint. */
  control(setup: UsbControlSetup, atUs: number): ControlAnswer {
    const request = decodeSio(setup);
    this.#checkRequest(request, setup, atUs);
    switch (request.kind) {
      case "unknown":
        return "stall";
      case "modemStatus":
        return Uint8Array.from(IDLE_STATUS);
      case "getLatency":
        return Uint8Array.of(this.#in.latencyMs);
      case "readPins":
        return Uint8Array.of(this.#wire.readLow(atUs));
      case "readEeprom":
        return Uint8Array.from(BLANK_EEPROM_WORD);
      default:
        this.#command(request, atUs);
        return NO_DATA;
    }
  }

  save(nowUs: number): ChannelState {
    return {
      mode: this.#mode,
      engine: this.#engine.save(nowUs),
      wire: this.#wire.save(),
      out: this.#out.save(),
      in: this.#in.save(nowUs),
    };
  }

  restore(state: ChannelState, nowUs: number): void {
    this.#mode = state.mode;
    this.#engine.restore(state.engine, nowUs);
    this.#wire.restore(state.wire);
    this.#out.restore(state.out);
    this.#in.restore(state.in, nowUs);
  }

  #command(request: SioRequest, atUs: number): void {
    switch (request.kind) {
      case "reset":
        this.#out.purge(atUs);
        this.#in.purge();
        return;
      case "purge":
        if (request.path === "out") this.#out.purge(atUs);
        else this.#in.purge();
        return;
      case "setLatency":
        if (request.ms > 0) this.#in.setLatency(request.ms);
        return;
      case "bitMode":
        this.#setMode(request.mode, atUs);
        return;
      default:
        return;
    }
  }

  #setMode(mode: SioBitMode, atUs: number): void {
    this.#mode = mode === "mpsse" && !hasMpsse(this.#interfaceNumber) ? "reset" : mode;
    this.#engine.reset(atUs);
    if (this.#settings.pinsOnModeChange === "float") this.#wire.float(atUs);
    if (this.#mode !== "mpsse") this.#out.drain(atUs);
  }

  #checkRequest(request: SioRequest, setup: UsbControlSetup, atUs: number): void {
    if (request.kind === "unknown" || /Eeprom$/.test(request.kind)) {
      if (request.kind === "readEeprom") return;
      const what = `${setup.requestType.toString(16)} ${setup.request.toString(16)}`;
      this.#report("control-request", atUs, `${what} value ${setup.value} index ${setup.index}`);
    } else if ((setup.index & 0xff) !== this.#interfaceNumber + 1) {
      const wanted = this.#interfaceNumber + 1;
      this.#report("control-index", atUs, `wIndex ${setup.index & 0xff} instead of ${wanted}`);
    }
    if (request.kind === "setLatency" && request.ms === 0)
      this.#report("control-value", atUs, "latency timer of 0 ms");
    if (request.kind === "bitMode" && request.mode === "mpsse" && !hasMpsse(this.#interfaceNumber))
      this.#report("control-value", atUs, `no MPSSE on interface ${this.#interfaceNumber}`);
  }

  get #stalled(): boolean {
    return this.#mode === "mpsse" && this.#engine.blocked === "output" && !this.#in.posted;
  }

  get #stallDueUs(): number {
    if (!this.#stalled || this.#stallReported) return Infinity;
    return this.#engine.blockedSinceUs + this.#settings.stallGraceUs;
  }

  #watchStall(nowUs: number): void {
    if (!this.#stalled) this.#stallReported = false;
    if (nowUs < this.#stallDueUs) return;
    this.#stallReported = true;
    this.#report("fifo-stall", nowUs, "the FIFO to the host is full and no IN transfer is posted");
  }
}
