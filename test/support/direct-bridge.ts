import type { SpiDevice } from "../../src/sim/spi-device.js";
import type {
  BridgeCapabilities,
  CsLevel,
  SpiBridge,
  Transaction,
  TransactionResult,
} from "../../src/spi/bridge.js";
import { BridgeError } from "../../src/spi/errors.js";
import type { BusOp, Planner, PlannerStep } from "../../src/spi/plan.js";
import { createPlanner } from "../../src/spi/planner.js";
import type { Clock, Timer } from "../../src/util/clock.js";
import type { Deadline } from "../../src/util/deadline.js";

/** Model time that only moves when bytes are clocked or someone sleeps: no event loop, so tests are quick. */
export class ManualClock implements Clock {
  #nowUs = 0;
  nowUs(): number {
    return this.#nowUs;
  }
  wallTime(): number {
    return Date.UTC(2026, 0, 2) + Math.floor(this.#nowUs / 1000);
  }
  advance(us: number): void {
    this.#nowUs += us;
  }
  async sleep(us: number): Promise<void> {
    this.advance(us);
  }
  timer(): Timer {
    throw new Error("no timers on this clock: use SimClock");
  }
  outside<T>(work: Promise<T>): Promise<T> {
    return work;
  }
}

export interface DirectBridgeOptions {
  readonly device: SpiDevice;
  /** Default: a {@link ManualClock} of its own. With a SimClock each step sleeps. */
  readonly clock?: Clock;
  /** Default 30 MHz. */
  readonly frequencyHz?: number;
  /** Default 125. */
  readonly roundTripUs?: number;
  /** `border`: the wait stops at a byte border; `clock`: at any clock, so that what follows is shifted. Default none. */
  readonly hardwareWait?: "border" | "clock";
  readonly capabilities?: Partial<BridgeCapabilities>;
  /** Sees each step before it runs: to record, to fail (throw), to change the world in the middle. */
  readonly onStep?: (step: PlannerStep, index: number) => void;
}

/** Bits to flip, by index of the SPI byte counted since the last {@link DirectBridge.resetStats}. */
export interface DirectFaults {
  readonly miso: Map<number, number>;
  readonly mosi: Map<number, number>;
  /** This step (counted from 0 since resetStats) rejects instead of running. */
  failStep: number | undefined;
}

export interface DirectBridge extends SpiBridge {
  readonly clock: Clock;
  readonly faults: DirectFaults;
  /** Round trips = steps run; SPI bytes include idle ones and those of hardware waits. */
  readonly stats: { roundTrips: number; spiBytes: number; aborts: number };
  readonly cs: CsLevel;
  /** All MISO bytes of the last step. */
  readonly lastReply: Uint8Array;
  resetStats(): void;
}

/** A SpiBridge that runs planner steps straight on an SpiDevice: no USB, no chip. */
export function createDirectBridge(options: DirectBridgeOptions): DirectBridge {
  return new Direct(options);
}

class Direct implements DirectBridge {
  readonly capabilities: BridgeCapabilities;
  readonly clock: Clock;
  readonly faults: DirectFaults = { miso: new Map(), mosi: new Map(), failStep: undefined };
  readonly stats = { roundTrips: 0, spiBytes: 0, aborts: 0 };
  cs: CsLevel = "high";
  lastReply: Uint8Array = new Uint8Array(0);
  readonly #options: DirectBridgeOptions;
  readonly #planner: Planner;
  readonly #wire: Wire;
  #frequencyHz: number;
  #tail: Promise<unknown> = Promise.resolve();
  #failures = 0;

  constructor(options: DirectBridgeOptions) {
    this.#options = options;
    this.clock = options.clock ?? new ManualClock();
    this.#frequencyHz = options.frequencyHz ?? 30e6;
    this.#wire = new Wire(options.device, this.faults, this.stats);
    this.capabilities = {
      maxTransactionBytes: Number.POSITIVE_INFINITY,
      fullDuplex: true,
      csHold: true,
      hardwareWait: options.hardwareWait !== undefined,
      clocksWithCsHigh: true,
      minFrequencyHz: 100,
      maxFrequencyHz: 30e6,
      queueDepth: 4,
      roundTripUs: options.roundTripUs ?? 125,
      offers: "spi",
      ...options.capabilities,
    };
    this.#planner = createPlanner(this.capabilities, () => ({ frequencyHz: this.#frequencyHz }));
  }

  async configure(settings: { frequencyHz: number }): Promise<{ frequencyHz: number }> {
    if (this.cs !== "high") throw new Error("the clock was changed while CS was low");
    this.#frequencyHz = Math.min(settings.frequencyHz, this.capabilities.maxFrequencyHz);
    return { frequencyHz: this.#frequencyHz };
  }

  submit(transaction: Transaction, deadline: Deadline): Promise<TransactionResult> {
    const failures = this.#failures;
    const turn = this.#tail.then(() => {
      if (failures === this.#failures) return this.#run(transaction, deadline);
      throw new BridgeError("BRIDGE_CANCELLED", `${transaction.label}: the one before failed`);
    });
    this.#tail = turn.catch(() => undefined);
    return turn;
  }

  async abort(): Promise<CsLevel> {
    this.stats.aborts++;
    this.#planner.reset();
    this.#tail = Promise.resolve();
    return this.cs;
  }

  async close(): Promise<void> {
    this.#setCs("high");
  }

  resetStats(): void {
    Object.assign(this.stats, { roundTrips: 0, spiBytes: 0, aborts: 0 });
    this.faults.miso.clear();
    this.faults.mosi.clear();
    this.faults.failStep = undefined;
  }

  async #run(transaction: Transaction, deadline: Deadline): Promise<TransactionResult> {
    this.#planner.begin(transaction);
    try {
      for (let step = this.#planner.next(); step !== "done"; step = this.#planner.next()) {
        if (step === "await") throw new Error("the planner waits for nothing");
        if (this.clock.nowUs() >= deadline.atUs) throw late(transaction);
        this.#planner.feed(await this.#step(step));
      }
      return this.#planner.result;
    } catch (error) {
      this.#failures++;
      this.#planner.reset();
      throw error;
    }
  }

  async #step(step: PlannerStep): Promise<Uint8Array> {
    const index = this.stats.roundTrips++;
    if (index === this.faults.failStep) {
      throw new BridgeError("BRIDGE_PROTOCOL", `step ${index} was made to fail`);
    }
    this.#options.onStep?.(step, index);
    const reply = new Uint8Array(step.replyBytes);
    const bytesBefore = this.stats.spiBytes;
    const usPerByte = 8e6 / this.#frequencyHz;
    this.#wire.time = { startUs: this.clock.nowUs(), usPerByte };
    let at = 0;
    for (const op of step.ops) at += this.#op(op, reply.subarray(at));
    const us = (this.stats.spiBytes - bytesBefore) * usPerByte + this.capabilities.roundTripUs;
    if (this.clock instanceof ManualClock) this.clock.advance(us);
    else await this.clock.sleep(us);
    this.lastReply = reply;
    return reply;
  }

  #op(op: BusOp, reply: Uint8Array): number {
    switch (op.kind) {
      case "cs":
        this.#setCs(op.level);
        return 0;
      case "write":
        this.#wire.exchange(op.data, undefined, op.data.length);
        return 0;
      case "idle":
        this.#wire.exchange(undefined, undefined, op.bytes);
        return 0;
      case "exchange":
        this.#wire.exchange(op.data, reply, op.data.length);
        return op.data.length;
      case "read":
        this.#wire.exchange(undefined, reply, op.length);
        return op.length;
      case "waitReady":
        this.#wire.waitReady(op.maxBytes, this.#options.hardwareWait ?? "border");
        return 0;
    }
  }

  #setCs(level: "high" | "low"): void {
    this.cs = level;
    this.#wire.setCs(level);
  }
}

function late(transaction: Transaction): BridgeError {
  return new BridgeError("BRIDGE_TIMEOUT", `${transaction.label}: deadline passed`);
}

/** The device behind fault injection and, after a hardware wait that stopped inside a byte, a bit shift. */
class Wire {
  time = { startUs: 0, usPerByte: 1 };
  readonly #device: SpiDevice;
  readonly #faults: DirectFaults;
  readonly #stats: { spiBytes: number };
  /** Bits of the device's current byte that are over already, and what MOSI was in them. */
  #bits = 0;
  #begun = 0;

  constructor(device: SpiDevice, faults: DirectFaults, stats: { spiBytes: number }) {
    this.#device = device;
    this.#faults = faults;
    this.#stats = stats;
  }

  setCs(level: "high" | "low"): void {
    this.#bits = 0;
    this.#device.setCs(level);
  }

  exchange(mosi: Uint8Array | undefined, miso: Uint8Array | undefined, length: number): void {
    const { mosi: out, miso: back } = this.#faults;
    const first = this.#stats.spiBytes;
    const faulty = this.#bits > 0 || out.size > 0 || back.size > 0;
    if (!faulty) this.#clock(mosi, miso, length);
    else {
      for (let at = 0; at < length; at++) {
        const sent = (mosi?.[at] ?? 0xff) ^ (out.get(first + at) ?? 0);
        const got = this.#byte(sent) ^ (back.get(first + at) ?? 0);
        if (miso !== undefined) miso[at] = got;
      }
    }
    this.#stats.spiBytes = first + length;
  }

  waitReady(maxBytes: number, stop: "border" | "clock"): void {
    for (let count = 0; count < maxBytes; count++) {
      const next = this.#peek();
      const low = Math.clz32(next) - 24;
      if (low === 0) return;
      if (low < 8 && stop === "clock") {
        this.#bits = low;
        this.#begun = 0xff;
        return;
      }
      this.#clock(undefined, undefined, 1);
      this.#stats.spiBytes++;
    }
  }

  #peek(): number {
    return this.#device.peek(this.time.startUs);
  }

  #byte(sent: number): number {
    const bits = this.#bits;
    const before = this.#peek();
    const whole = ((this.#begun << (8 - bits)) | (sent >> bits)) & 0xff;
    const reply = new Uint8Array(1);
    this.#clock(bits === 0 ? Uint8Array.of(sent) : Uint8Array.of(whole), reply, 1);
    if (bits === 0) return reply[0] as number;
    this.#begun = sent & ((1 << bits) - 1);
    return ((before << bits) | (this.#peek() >> (8 - bits))) & 0xff;
  }

  #clock(mosi: Uint8Array | undefined, miso: Uint8Array | undefined, length: number): void {
    this.#device.exchange(mosi, miso, length, this.time);
    this.time = {
      startUs: this.time.startUs + length * this.time.usPerByte,
      usPerByte: this.time.usPerByte,
    };
  }
}
